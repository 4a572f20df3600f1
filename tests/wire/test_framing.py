"""A connection without a socket: however data is split into packets, the body is correct or the exchange fails."""

import asyncio
import socket
from itertools import pairwise
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift.errors import TransportError
from sealift.types import Limits
from sealift.wire import TLS, Origin, Request, Response
from sealift.wire.connection import Connection
from sealift.wire.head_codec import encode_request
from sealift.wire.response_reader import BufferedReceiver, InPlaceReceiver, ResponseReceiver
from sealift.wire.stall_watchdog import Watchdog

ORIGIN = Origin("http", "127.0.0.1", 1)
GUARD = b"\xee" * 16


class Transport(asyncio.Transport):
    """Accepts all writes."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return 0


def exchange(data: bytes, cuts: list[int], length: int | None, *, scratch: int = 4096) -> tuple[Any, bytes, Connection]:
    """Send a request, feed the data in pieces, then EOF; return the result, the buffer and the connection."""

    async def run() -> tuple[Any, bytes, Connection]:
        memory = bytearray(GUARD + bytes(length or 0) + GUARD)
        watchdog = Watchdog(Limits(), lambda: False)
        space = memoryview(bytearray(scratch))
        with socket.socket() as sock:
            connection = Connection(ORIGIN, TLS(), sock, space, watchdog)
            transport = Transport()
            connection.connection_made(transport)
            framing, head = encode_request(Request("GET", ORIGIN, "/k"))
            future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
            receiver: ResponseReceiver
            if length is None:
                receiver = BufferedReceiver(framing, space, ORIGIN, future)
            else:
                receiver = InPlaceReceiver(framing, space, ORIGIN, future, memoryview(memory)[16 : 16 + length])
            task = asyncio.ensure_future(connection.exchange(receiver, head))
            await asyncio.sleep(0)
            assert transport.written == head
            bounds = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
            for start, end in pairwise(bounds):
                piece = data[start:end]
                while piece and not transport.aborted:
                    buffer = connection.get_buffer(-1)
                    assert isinstance(buffer, memoryview)
                    count = min(len(buffer), len(piece))
                    assert count
                    buffer[:count] = piece[:count]
                    connection.buffer_updated(count)
                    piece = piece[count:]
            if not transport.aborted:
                connection.eof_received()
            connection.connection_lost(None)
            watchdog.close()
            for buffer in (connection.get_buffer(-1), connection.get_buffer(1)):  # late data must not reach the memory
                before = bytes(memory)
                buffer[:] = b"\xaa" * len(buffer)
                assert memory == before
            result = (await asyncio.gather(task, return_exceptions=True))[0]
        assert memory[:16] == GUARD
        assert memory[-16:] == GUARD
        return result, bytes(memory[16:-16]), connection

    return asyncio.run(run())


def head(*headers: str, status: str = "206 Partial Content") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


def chunked(pieces: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


REPLY = head("Server: x", "Content-Length: 11", 'ETag: "e"') + b"hello world"
CHUNKED = head("Transfer-Encoding: chunked") + chunked([b"hello", b" ", b"world"])


@pytest.mark.parametrize("data", [REPLY, CHUNKED], ids=["length", "chunked"])
def test_a_response_split_at_any_byte(data: bytes) -> None:
    for cut in range(1, len(data)):
        result, body, _ = exchange(data, [cut], 11)
        assert result.status == 206
        assert body == b"hello world"
    result, body, _ = exchange(data, list(range(1, len(data))), 11)
    assert body == b"hello world"


@pytest.mark.parametrize("data", [REPLY, CHUNKED], ids=["length", "chunked"])
def test_a_response_truncated_at_any_byte_is_an_error(data: bytes) -> None:
    for end in range(len(data)):
        result, _, connection = exchange(data[:end], [], 11)
        assert isinstance(result, TransportError)
        assert result.retryable
        assert connection.closed


bodies = st.binary(min_size=1, max_size=600)
cuts = st.lists(st.integers(1, 900), max_size=12)


@settings(max_examples=150, deadline=None)
@given(body=bodies, cuts=cuts, scratch=st.integers(1, 300))
def test_a_body_of_known_length_split_anywhere(body: bytes, cuts: list[int], scratch: int) -> None:
    result, got, connection = exchange(head(f"Content-Length: {len(body)}") + body, cuts, len(body), scratch=scratch)
    assert (result.status, got) == (206, body)
    assert connection.reusable


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(bodies, min_size=1, max_size=6), cuts=cuts, scratch=st.integers(1, 300))
def test_chunks_split_anywhere(pieces: list[bytes], cuts: list[int], scratch: int) -> None:
    body = b"".join(pieces)
    result, got, connection = exchange(
        head("Transfer-Encoding: chunked") + chunked(pieces), cuts, len(body), scratch=scratch
    )
    assert (result.status, got) == (206, body)
    assert connection.reusable


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(bodies, min_size=1, max_size=6), cuts=cuts, wrong=st.integers(-5, 5).filter(bool))
def test_chunks_of_another_length_are_an_error(pieces: list[bytes], cuts: list[int], wrong: int) -> None:
    length = max(1, sum(map(len, pieces)) + wrong)
    if length == sum(map(len, pieces)):
        return
    result, _, connection = exchange(head("Transfer-Encoding: chunked") + chunked(pieces), cuts, length)
    assert isinstance(result, TransportError)
    assert connection.closed


@settings(max_examples=150, deadline=None)
@given(body=bodies, cuts=cuts, status=st.sampled_from(["404 Not Found", "503 Slow", "302 Found", "200 OK"]))
def test_a_small_response_split_anywhere(body: bytes, cuts: list[int], status: str) -> None:
    result, _, _ = exchange(head(f"Content-Length: {len(body)}", status=status) + body, cuts, None)
    assert (result.status, result.body) == (int(status[:3]), body)


def parsed_by_h11(data: bytes) -> tuple[int, bytes] | None:
    """Status and body as parsed by h11 alone, in one piece; None if incomplete or invalid."""
    framing, _ = encode_request(Request("GET", ORIGIN, "/k"))
    status, body = 0, b""
    try:
        framing.receive_data(data)
        framing.receive_data(b"")
        while True:
            event = framing.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return status, body
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None


@settings(max_examples=400, deadline=None)
@given(
    garbage=st.binary(max_size=300), cuts=cuts, at=st.integers(0, len(CHUNKED)), good=st.sampled_from([REPLY, CHUNKED])
)
def test_garbage_never_gives_wrong_bytes(garbage: bytes, cuts: list[int], at: int, good: bytes) -> None:
    """Data replaced from some byte on: either it is rejected, or h11 parses the same response from it."""
    data = good[:at] + garbage
    result, body, connection = exchange(data, cuts, 11)
    assert connection.closed
    if isinstance(result, BaseException):
        assert isinstance(result, TransportError)
        return
    into = body if result.status in {200, 206} else result.body
    assert parsed_by_h11(data) == (result.status, into)


@settings(max_examples=150, deadline=None)
@given(extra=st.binary(min_size=1, max_size=100), cuts=cuts)
def test_bytes_after_a_response_close_the_connection(extra: bytes, cuts: list[int]) -> None:
    result, body, connection = exchange(REPLY + extra, cuts, 11)
    assert (result.status, body) == (206, b"hello world")
    assert connection.closed
