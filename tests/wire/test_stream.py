"""`Wire.stream`: streamed bodies, backpressure and early close."""

import asyncio

import pytest

from sealift.errors import ClosedError, InvalidConfig, TransportError
from sealift.wire import Request, StreamedResponse

from .servers import Peer, Server, pattern, serve, until, wire_with

pytestmark = pytest.mark.anyio

BODY = pattern(1_000_000)
CHUNKS = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (BODY[:7], BODY[7:400_000], BODY[400_000:])) + b"0\r\n\r\n"


def get(server: Server, target: str = "/") -> Request:
    return Request("GET", server.origin, target)


async def read_all(response: StreamedResponse, step: int = 50_000) -> bytes:
    view, body = memoryview(bytearray(step)), bytearray()
    while count := await response.readinto(view):
        body += view[:count]
    assert await response.readinto(view) == 0
    return bytes(body)


@pytest.mark.parametrize(
    ("head", "body", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY), BODY, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNKS, True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", BODY, False),
        (b"HTTP/1.0 200 OK\r\n\r\n", BODY, False),
    ],
    ids=["length", "chunked", "close", "http-1.0"],
)
async def test_a_body_is_streamed_in_order(head: bytes, body: bytes, kept: bool) -> None:
    async def handler(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.write(head + body)
            if not kept:
                return

    async with serve(handler) as server, wire_with() as wire:
        for step in (50_000, 1_000_000, 313):
            async with wire.stream(get(server)) as response:
                assert response.status == 200
                assert await read_all(response, step) == BODY
        assert len(server.peers) == (1 if kept else 3)


async def test_the_head_is_available_before_the_body() -> None:
    may_continue = asyncio.Event()

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-A: 1\r\nX-A: 2\r\n\r\n")
        await may_continue.wait()
        await peer.write(b"body")

    async with serve(handler) as server, wire_with() as wire, wire.stream(get(server)) as response:
        assert (response.status, response.header("x-a")) == (404, "1, 2")
        may_continue.set()
        assert await read_all(response) == b"body"


async def test_a_slow_reader_causes_backpressure_and_not_a_stall() -> None:
    sent = 0

    async def handler(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * len(BODY)))
        for _ in range(100):
            await peer.write(BODY)
            sent += len(BODY)

    async with serve(handler) as server, wire_with(idle_timeout=0.2) as wire, wire.stream(get(server)) as response:
        await asyncio.sleep(0.7)
        assert sent < 50 * len(BODY)
        assert await read_all(response, 1 << 20) == BODY * 100


@pytest.mark.parametrize("head", [b"Content-Length: 10", b"Transfer-Encoding: chunked"], ids=["length", "chunked"])
async def test_a_truncated_body_is_an_error_after_its_last_byte(head: bytes) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + (b"a\r\n12345" if b"ch" in head else b"12345"))

    async with serve(handler) as server, wire_with() as wire, wire.stream(get(server)) as response:
        view = memoryview(bytearray(100))
        assert await response.readinto(view) == 5
        for _ in range(2):
            with pytest.raises(TransportError, match=r"closed|lost") as caught:
                await response.readinto(view)
            assert caught.value.retryable


async def test_an_unread_body_closes_the_connection_unless_already_received() -> None:
    async def handler(peer: Peer) -> None:
        while True:
            request = await peer.request()
            body = BODY if request.target == "/large" else b"tiny"
            await peer.respond(body)

    async with serve(handler) as server, wire_with() as wire:
        async with wire.stream(get(server, "/tiny")):
            pass
        async with wire.stream(get(server, "/large")):
            pass
        assert len(server.peers) == 1
        await until(lambda: not server.open)
        async with wire.stream(get(server, "/tiny")) as response:
            assert await read_all(response) == b"tiny"
        assert len(server.peers) == 2


async def test_a_closed_body_cannot_be_read() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        await peer.until_disconnected()

    async with serve(handler) as server, wire_with() as wire:
        async with wire.stream(get(server)) as response:
            reading = asyncio.ensure_future(response.readinto(memoryview(bytearray(10))))
            await asyncio.sleep(0)
        with pytest.raises(ClosedError):
            await reading
        with pytest.raises(ClosedError):
            await response.readinto(memoryview(bytearray(10)))


async def test_reading_into_an_empty_buffer_is_refused() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.respond(b"x")

    async with serve(handler) as server, wire_with() as wire, wire.stream(get(server)) as response:
        with pytest.raises(InvalidConfig):
            await response.readinto(memoryview(b""))


async def test_a_cancelled_read_loses_nothing() -> None:
    may_continue = asyncio.Event()

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        await may_continue.wait()
        await peer.write(b"body")

    async with serve(handler) as server, wire_with() as wire, wire.stream(get(server)) as response:
        reading = asyncio.ensure_future(response.readinto(memoryview(bytearray(10))))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        may_continue.set()
        assert await read_all(response) == b"body"
