"""Mutated responses: parsed as h11 does, or rejected, with bounded time and memory."""

import asyncio
import itertools
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift.errors import TransportError
from sealift.types import KiB, Limits, MiB
from sealift.wire import Response
from sealift.wire.exchange import Exchange
from sealift.wire.head_codec import encode_request
from sealift.wire.lanes import Lanes
from sealift.wire.sinks import memory_sink
from sealift.wire.stall_watchdog import Watchdog
from sealift.wire.streamed_response import BodyStream

from .scripted import GET, chunked, connect, exchange, head, parsed_by_h11, run, split

BODY = b"hello world"
REPLIES = [
    head("Server: x", f"Content-Length: {len(BODY)}", 'ETag: "e"') + BODY,
    head("Transfer-Encoding: chunked") + chunked([BODY[:5], BODY[5:]]),
    head("Transfer-Encoding: chunked") + b"5;a=b\r\nhello\r\n006 \r\n world\r\n0;c\r\nX-Trailer: 1\r\n\r\n",
    head(status="100 Continue") + head("Link: x", status="103 Early Hints") + head("Content-Length: 11") + BODY,
    b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\n" + BODY,
    head("Content-Length: 11", "Connection: close", status="503 Slow Down") + BODY,
    head("Transfer-Encoding: chunked", status="404 Not Found") + chunked([BODY]),
    head("Location: /there", "Content-Length: 0", status="302 Found"),
]
# Tokens of heads and chunks that change the meaning when inserted elsewhere.
TOKENS = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b" ", b"\t", b":", b";", b",", b"0", b"1", b"-", b"+", b"0x", b"_",
    b"\0", b"\xff", b"\xc2\xb2", b"99999999999999999999", b"HTTP/1.1 ", b"HTTP/1.1 206 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"0\r\n\r\n", b"b\r\n", b"B", b"Content-Length: 11\r\n", b"Content-Length: 12\r\n", b"Content-Length: 11, 11\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: identity\r\n",
    b"Connection: close\r\n", b"Content-Encoding: gzip\r\n", b" folded\r\n",
]  # fmt: skip

places = st.integers(0, 200)
counts = st.integers(1, 30)
cuts = st.lists(st.integers(1, 300), max_size=12)
scratches = st.integers(1, 300)


def inserted(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at:]


def flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes(byte ^ (1 << bit) for byte in data[at : at + 1]) + data[at + 1 :]


mutations: st.SearchStrategy[Callable[[bytes], bytes]] = st.one_of(
    st.builds(lambda at, token: lambda data: inserted(data, at, token), places, st.sampled_from(TOKENS)),
    st.builds(lambda at, new: lambda data: data[:at] + new + data[at + len(new) :], places, st.sampled_from(TOKENS)),
    st.builds(lambda at, new: lambda data: inserted(data, at, new), places, st.binary(min_size=1, max_size=20)),
    st.builds(lambda at, count: lambda data: data[:at] + data[at + count :], places, counts),
    st.builds(lambda at, count, to: lambda data: inserted(data, to, data[at : at + count]), places, counts, places),
    st.builds(lambda at, bit: lambda data: flipped(data, at, bit), places, st.integers(0, 7)),
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = draw(st.sampled_from(REPLIES))
    for mutation in draw(st.lists(mutations, min_size=1, max_size=4)):
        data = mutation(data)
    return data


@settings(max_examples=600, deadline=None)
@given(data=mutated(), cuts=cuts, scratch=scratches)
def test_fetch_returns_what_h11_reads_or_fails(data: bytes, cuts: list[int], scratch: int) -> None:
    result, got, connection = exchange(data, cuts, len(BODY), scratch=scratch)
    if isinstance(result, BaseException):
        assert isinstance(result, TransportError)
        assert not connection.reusable
        return
    fetched = result.status in {200, 206}
    assert parsed_by_h11(data) == (result.status, got if fetched else result.body, True)
    assert fetched or got == bytes(len(BODY))


@settings(max_examples=300, deadline=None)
@given(data=mutated(), cuts=cuts, scratch=scratches)
def test_send_returns_what_h11_reads_or_fails(data: bytes, cuts: list[int], scratch: int) -> None:
    result, _, connection = exchange(data, cuts, None, scratch=scratch)
    if isinstance(result, BaseException):
        assert isinstance(result, TransportError)
        assert not connection.reusable
        return
    assert parsed_by_h11(data) == (result.status, result.body, True)


def read_in_order(data: bytes, cuts: list[int], steps: list[int]) -> tuple[int | None, bytes, BaseException | None]:
    """Stream a body; return the status, the data read and the final error."""

    async def run() -> tuple[int | None, bytes, BaseException | None]:
        watchdog = Watchdog(Limits(), lambda: False)
        lanes = Lanes(1, watchdog)
        connection, _ = connect(split(data, cuts))
        stream = BodyStream(Exchange(connection, GET, encode_request(GET)), lanes)
        got = b""
        try:
            try:
                status = (await stream.open()).status
            except TransportError as error:
                return None, b"", error
            try:
                for step in itertools.cycle(steps):
                    memory = bytearray(b"\xee" * (step + 8))
                    count = await stream.readinto(memoryview(memory)[4:-4])
                    assert memory[:4] + memory[4 + count :] == b"\xee" * (step + 8 - count)
                    got += memory[4 : 4 + count]
                    if not count:
                        return status, got, None
            except TransportError as error:
                return status, got, error
            raise AssertionError
        finally:
            await stream.aclose()
            watchdog.close()
            lanes.close()

    return asyncio.run(run())


@settings(max_examples=300, deadline=None)
@given(data=mutated(), cuts=cuts, steps=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_stream_returns_what_h11_reads_or_fails(data: bytes, cuts: list[int], steps: list[int]) -> None:
    status, got, error = read_in_order(data, cuts, steps)
    expected, body, whole = parsed_by_h11(data)
    if error is None:
        assert (status, got, True) == (expected, body, whole)
    else:
        assert body.startswith(got)
        assert not whole or status is None


CHUNK = b"3e8\r\n%b\r\n" % bytes(1000)
ENDLESS: dict[str, Callable[[], Iterator[bytes]]] = {
    "a reason": lambda: itertools.chain([b"HTTP/1.1 200 "], itertools.repeat(b"O" * 1000)),
    "a header": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\nX: "], itertools.repeat(b"x" * 1000)),
    "headers": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X-A: y\r\n" * 100)),
    "folded lines": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\nX: y\r\n"], itertools.repeat(b" z\r\n" * 100)),
    "hints": lambda: itertools.repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "line ends": lambda: itertools.repeat(b"\r\n" * 100),
    "a chunk's length": lambda: itertools.chain([head("Transfer-Encoding: chunked")], itertools.repeat(b"0" * 1000)),
    "a chunk's extension": lambda: itertools.chain(
        [head("Transfer-Encoding: chunked"), b"5;"], itertools.repeat(b"x" * 1000)
    ),
    "trailers": lambda: itertools.chain(
        [head("Transfer-Encoding: chunked"), b"b\r\nhello world\r\n0\r\n"], itertools.repeat(b"X-A: y\r\n" * 100)
    ),
    "a body": lambda: itertools.chain([head("Transfer-Encoding: chunked")], itertools.repeat(CHUNK)),
    "a body of a length": lambda: itertools.chain(
        [head("Content-Length: 999999999999999999")], itertools.repeat(bytes(1000))
    ),
    "a body without one": lambda: itertools.chain([b"HTTP/1.0 200 OK\r\n\r\n"], itertools.repeat(bytes(1000))),
    "an error": lambda: itertools.chain(
        [head("Content-Length: 999999999999999999", status="500 No")], itertools.repeat(bytes(1000))
    ),
    "an error in chunks": lambda: itertools.chain(
        [head("Transfer-Encoding: chunked", status="500 No")], itertools.repeat(CHUNK)
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ENDLESS)
@pytest.mark.parametrize("call", ["fetch", "send"])
def test_endless_responses_are_aborted(what: str, call: str) -> None:
    """The connection is closed after a bounded number of bytes, and few of them are kept in memory."""
    most = 9 * MiB if call == "send" else 256 * KiB

    connection, sock = connect(ENDLESS[what]())
    sink = memory_sink(memoryview(bytearray(len(BODY)))) if call == "fetch" else None
    tracemalloc.start()
    try:
        result = run(connection, sink)
        assert tracemalloc.get_traced_memory()[1] < (3 if call == "send" else 1) * most + MiB
    finally:
        tracemalloc.stop()
    assert isinstance(result, TransportError) or (isinstance(result, Response) and result.status == 500)
    assert not connection.reusable
    assert sock.received < most
