"""`Wire.send`: request bodies, and small responses."""

import asyncio
import socket
import tracemalloc

import pytest

from sealift.errors import InvalidConfig, TransportError
from sealift.wire import Request
from sealift.wire.response_reader import MAX_BUFFERED_BODY

from .servers import Peer, Server, pattern, serve, wire_with

pytestmark = pytest.mark.anyio

BODY = pattern(5_000_000)


async def echo(peer: Peer) -> None:
    while True:
        request = await peer.request()
        await peer.respond(await peer.reader.readexactly(int(request.headers.get("content-length", 0))))


def put(server: Server, *headers: tuple[str, str], method: str = "PUT") -> Request:
    return Request(method, server.origin, "/k", headers)


async def test_a_body_does_not_wait_for_the_acknowledgement_of_its_head() -> None:
    async with serve(echo) as server, wire_with() as wire:
        await wire.send(put(server), memoryview(b"body"))
        (connection,) = wire._pool._connections
        assert connection._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_000])
async def test_a_body_is_sent_and_the_whole_response_received(size: int) -> None:
    async with serve(echo) as server, wire_with() as wire:
        for _ in range(2):
            response = await wire.send(put(server), memoryview(BODY)[:size])
            assert (response.status, response.body) == (200, BODY[:size])
        assert len(server.peers) == 1


async def test_a_large_body_is_sent() -> None:
    received = bytearray()

    async def handler(peer: Peer) -> None:
        while True:
            request = await peer.request()
            received[:] = await peer.reader.readexactly(int(request.headers["content-length"]))
            await peer.respond(b"ok")

    async with serve(handler) as server, wire_with() as wire:
        for _ in range(2):
            response = await wire.send(put(server), memoryview(BODY))
            assert response.body == b"ok"
            assert received == BODY
        assert len(server.peers) == 1


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        ("GET", None, None),
        ("DELETE", None, None),
        ("POST", None, "0"),
        ("PUT", memoryview(b""), "0"),
        ("PUT", memoryview(b"ab"), "2"),
    ],
)
async def test_content_length(method: str, body: memoryview | None, length: str | None) -> None:
    seen = []

    async def handler(peer: Peer) -> None:
        seen.append((await peer.request()).headers.get("content-length"))
        await peer.respond()

    async with serve(handler) as server, wire_with() as wire:
        await wire.send(put(server, method=method), body)
    assert seen == [length]


@pytest.mark.parametrize("header", [("content-length", "3"), ("Transfer-Encoding", "chunked")])
async def test_headers_that_contradict_the_body_are_refused(header: tuple[str, str]) -> None:
    async with serve(echo) as server, wire_with() as wire:
        with pytest.raises(InvalidConfig, match="contradict"):
            await wire.send(put(server, header), memoryview(b"ab"))
        assert not server.peers


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "200 OK"])
async def test_responses_without_a_body(status: str) -> None:
    """A response to HEAD has no body, whatever its Content-Length."""

    async def handler(peer: Peer) -> None:
        while True:
            await peer.request()
            length = b"Content-Length: 77\r\n" if status == "200 OK" else b""
            await peer.write(b"HTTP/1.1 " + status.encode() + b"\r\n" + length + b"\r\n")

    async with serve(handler) as server, wire_with() as wire:
        for _ in range(2):
            response = await wire.send(put(server, method="HEAD"))
            assert (response.status, response.body) == (int(status[:3]), b"")
        assert len(server.peers) == 1


async def test_a_response_that_is_too_large_is_an_error() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.respond(bytes(MAX_BUFFERED_BODY + 1))

    async with serve(handler) as server, wire_with() as wire:
        with pytest.raises(TransportError, match=f"more than {MAX_BUFFERED_BODY} bytes"):
            await wire.send(put(server, method="GET"))


async def test_a_large_body_is_not_copied_while_the_server_reads_slowly() -> None:
    body = bytearray(64 << 20)

    async def handler(peer: Peer) -> None:
        request = await peer.request()
        left = int(request.headers["content-length"])
        while left:
            left -= len(await peer.reader.read(1 << 20))
            await asyncio.sleep(0)
        await peer.respond()

    async with serve(handler) as server, wire_with() as wire:
        tracemalloc.start()
        try:
            await wire.send(put(server), memoryview(body))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("rest", ["read", "unread"])
async def test_an_early_error_response_stops_the_upload_and_closes_the_connection(rest: str) -> None:
    body = bytearray(64 << 20)
    received = 0

    async def handler(peer: Peer) -> None:
        nonlocal received
        while True:
            await peer.request()
            await peer.reader.readexactly(1000)
            await peer.respond(b"no", status="403 Forbidden")
            received = len(await peer.until_disconnected())

    async with serve(handler) as server, wire_with() as wire:
        for number in (1, 2):
            response = await wire.send(put(server), memoryview(body))
            assert (response.status, response.body) == (403, b"no")
            assert len(server.peers) == number
    assert received < len(body) // 2


async def test_other_tasks_run_while_a_body_is_sent() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def handler(peer: Peer) -> None:
        request = await peer.request()
        await peer.reader.readexactly(int(request.headers["content-length"]))
        await peer.respond()

    async with serve(handler) as server, wire_with() as wire:
        counting = asyncio.ensure_future(count())
        await wire.send(put(server), memoryview(BODY))
        counting.cancel()
        await asyncio.wait([counting])
    assert turns > 4
