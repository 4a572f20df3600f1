"""A connection over a scripted socket: what arrives, and in which pieces, is decided beforehand."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import h11

from sealift.lane_contract import Sink
from sealift.types import KiB
from sealift.wire import TLS, Expectation, Origin, Request, Response
from sealift.wire import exchange as exchange_module
from sealift.wire.connection import Connection
from sealift.wire.exchange import Exchange
from sealift.wire.head_codec import encode_request, response_framing
from sealift.wire.odd_heads import repaired
from sealift.wire.sinks import memory_sink

ORIGIN = Origin("http", "127.0.0.1", 1)
GET = Request("GET", ORIGIN, "/k")
GUARD = b"\xee" * 16


class ScriptedSocket:
    """A blocking socket that receives the given pieces, each in one or more calls, and then an EOF."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""
        self.received = 0
        self.sent = b""

    def recv_into(self, view: memoryview) -> int:
        assert len(view)
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self.received += count
        return count

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def unread(self) -> bool:
        """Whether data would arrive that nobody has received."""
        return bool(self._rest) or any(self._pieces)


def connect(pieces: Iterable[bytes]) -> tuple[Connection, Any]:
    """An open connection, and its socket."""
    connection = Connection(ORIGIN, TLS())
    connection._stream = sock = ScriptedSocket(pieces)  # type: ignore[assignment]
    connection._sock = ScriptedSocket([])  # type: ignore[assignment]  # another one, as if there were TLS: no splice
    return connection, sock


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


def run(
    connection: Connection, sink: Sink | None, expectation: Expectation | None = None, *, scratch: int = 64 * KiB
) -> Response | Exception:
    """Send a request and receive its response: its body into a sink, or a small one."""
    exchange = Exchange(connection, GET, encode_request(GET))
    lane = exchange_module._lane
    before, lane.scratch = lane.scratch, memoryview(bytearray(scratch))
    try:
        return exchange.receive_small() if sink is None else exchange.receive_into(sink, expectation)
    except Exception as error:  # the result of the exchange
        return error
    finally:
        lane.scratch = before


def exchange(data: bytes, cuts: list[int], length: int | None, *, scratch: int = 4096) -> tuple[Any, bytes, Connection]:
    """Send a request, feed the data in pieces, then EOF; return the result, the buffer and the connection.

    A connection that is reusable, according to the exchange, although unread data waits on it, is made unusable: the
    kernel reports such data.
    """
    connection, sock = connect(split(data, cuts))
    memory = bytearray(GUARD + bytes(length or 0) + GUARD)
    sink = None if length is None else memory_sink(memoryview(memory)[16 : 16 + length])
    result = run(connection, sink, scratch=scratch)
    assert sock.sent == encode_request(GET)
    assert memory[:16] == memory[-16:] == GUARD
    connection.reusable = connection.reusable and not sock.unread()
    return result, bytes(memory[16:-16]), connection


def head(*headers: str, status: str = "206 Partial Content") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


def chunked(pieces: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


def parsed_by_h11(data: bytes) -> tuple[int | None, bytes, bool]:
    """Status, body and completeness as parsed by h11 alone, in one piece, once an odd head is repaired."""
    framing = response_framing(GET, None, sent=True)
    status, body = None, b""
    try:
        framing.receive_data(data)
        framing.receive_data(b"")
        while True:
            rest = framing.trailing_data[0]
            try:
                event = framing.next_event()
            except h11.RemoteProtocolError:
                if status is not None or (head := repaired(rest)) is None:
                    raise
                framing = response_framing(GET, None, sent=True)
                framing.receive_data(head)
                framing.receive_data(b"")
                event = framing.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return status, body, True
            elif not isinstance(event, h11.InformationalResponse):
                return status, body, False
    except h11.RemoteProtocolError:
        return status, body, False
