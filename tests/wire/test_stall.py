"""Stall detection. The limits are tiny, and no test depends on exact timing."""

import asyncio

import pytest

from sealift.errors import TransportError
from sealift.wire import Origin, Request

from .servers import Peer, Server, receive, serve, until, wire_with

pytestmark = pytest.mark.anyio


def get(server: Server, method: str = "GET") -> Request:
    return Request(method, server.origin, "/?X-Amz-Signature=secret")


@pytest.mark.parametrize(
    "response_data",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n12345",
    ],
)
@pytest.mark.parametrize("call", ["fetch", "stream", "send"])
async def test_a_silent_server(response_data: bytes, call: str) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(response_data)
        await peer.until_disconnected()

    async with serve(handler) as server, wire_with(idle_timeout=0.1) as wire:
        body = memoryview(bytearray(10))
        with pytest.raises(TransportError, match=r"stalled: no byte for 0\.1 s") as caught:
            await receive(wire, call, get(server), body)
        assert caught.value.retryable
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("call", ["fetch", "stream"])
async def test_a_trickle(call: str) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            await peer.write(b"x")
            await asyncio.sleep(0.01)

    async with serve(handler) as server, wire_with(idle_timeout=0.2, min_throughput=100_000) as wire:
        body = memoryview(bytearray(1_000_000))
        with pytest.raises(TransportError, match="stalled: less than 100000 bytes/s"):
            await receive(wire, call, get(server), body)


@pytest.mark.parametrize("call", ["fetch", "stream", "send"])
async def test_a_trickling_head(call: str) -> None:
    """Without the minimum throughput, this would take weeks."""

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            await peer.write(b"x")
            await asyncio.sleep(0.01)

    async with serve(handler) as server, wire_with(idle_timeout=0.2, min_throughput=100_000) as wire:
        with pytest.raises(TransportError, match="stalled: less than 100000 bytes/s"):
            await receive(wire, call, get(server), memoryview(bytearray(10)))


async def test_informational_responses_count_as_progress() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        for _ in range(30):
            await peer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await asyncio.sleep(0.02)
        await peer.respond(b"ok")

    async with serve(handler) as server, wire_with(idle_timeout=0.3, min_throughput=1_000_000) as wire:
        assert (await wire.send(get(server))).body == b"ok"


async def test_slow_is_not_stalled() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
        for _ in range(40):
            await peer.write(b"x")
            await asyncio.sleep(0.02)

    async with serve(handler) as server, wire_with(idle_timeout=0.4, min_throughput=1) as wire:
        body = bytearray(40)
        await wire.fetch(get(server), memoryview(body))
        assert body == b"x" * 40


async def test_a_small_response_has_no_minimum_throughput() -> None:
    """S3 sends a space from time to time while it completes an upload."""

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n")
        for _ in range(30):
            await peer.write(b" ")
            await asyncio.sleep(0.02)

    async with serve(handler) as server, wire_with(idle_timeout=0.3, min_throughput=1_000_000) as wire:
        assert (await wire.send(get(server))).body == b" " * 30


async def test_a_server_that_does_not_read_the_body() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await asyncio.Event().wait()

    async with serve(handler) as server, wire_with(idle_timeout=0.2) as wire:
        with pytest.raises(TransportError, match="stalled"):
            await wire.send(get(server, "PUT"), memoryview(bytearray(64 << 20)))


async def test_a_server_that_never_completes_the_tls_handshake() -> None:
    async def handler(peer: Peer) -> None:
        await peer.until_disconnected()

    async with serve(handler) as server, wire_with() as wire:
        wire._dialer._timeout = 0.3
        with pytest.raises(TransportError, match=r"took longer than 0\.3 s") as caught:
            await wire.send(Request("GET", Origin("https", "127.0.0.1", server.origin.port), "/"))
        assert caught.value.retryable


async def test_the_timer_stops_with_the_last_exchange() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.respond(b"ok", "Connection: close")

    async with serve(handler) as server, wire_with() as wire:
        wire._watchdog._stalls.interval = 0.01
        assert (await wire.send(get(server))).body == b"ok"
        await until(lambda: wire._watchdog._timer is None)
