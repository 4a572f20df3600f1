"""Stall detection. The limits are tiny, and no test depends on exact timing."""

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest

from sealift.errors import TransportError
from sealift.wire import TLS, Origin, Request
from sealift.wire.sinks import MemorySink

from .servers import Peer, Server, receive, serve, server_tls, until, wire_with

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

    async with serve(handler) as server, wire_with(idle_timeout=0.1, min_throughput=0) as wire:
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


@pytest.mark.parametrize(
    "response_data",
    [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"],
    ids=["no byte", "head", "body"],
)
@pytest.mark.parametrize("call", ["fetch", "stream", "send"])
async def test_a_silent_server_with_tls(response_data: bytes, call: str, authority: Any, ca_file: str) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(response_data)
        await peer.until_disconnected()

    tls = server_tls(authority)
    async with serve(handler, tls=tls) as server, wire_with(idle_timeout=0.1, min_throughput=0) as wire:
        request = Request("GET", server.origin, "/", (), TLS(ca_file=ca_file))
        with pytest.raises(TransportError, match=r"stalled: no byte for 0\.1 s") as caught:
            await receive(wire, call, request, memoryview(bytearray(10)))
        assert caught.value.retryable


@pytest.mark.parametrize("call", ["fetch", "stream"])
async def test_a_trickle_with_tls(call: str, authority: Any, ca_file: str) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            await peer.write(b"x")
            await asyncio.sleep(0.01)

    tls = server_tls(authority)
    async with serve(handler, tls=tls) as server, wire_with(idle_timeout=0.2, min_throughput=100_000) as wire:
        request = Request("GET", server.origin, "/", (), TLS(ca_file=ca_file))
        with pytest.raises(TransportError, match="stalled: less than 100000 bytes/s"):
            await receive(wire, call, request, memoryview(bytearray(1_000_000)))


async def test_a_server_with_tls_that_does_not_read_the_body(authority: Any, ca_file: str) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await asyncio.Event().wait()

    async with serve(handler, tls=server_tls(authority)) as server, wire_with(idle_timeout=0.2) as wire:
        request = Request("PUT", server.origin, "/", (), TLS(ca_file=ca_file))
        with pytest.raises(TransportError, match="stalled"):
            await wire.send(request, memoryview(bytearray(64 << 20)))


async def test_a_slow_disk_is_no_stall() -> None:
    class SlowSink(MemorySink):
        def filled(self, count: int) -> None:
            super().filled(count)
            may_store.wait()

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.respond(body)

    body = bytes(range(250)) * 4000
    may_store, memory = threading.Event(), bytearray(len(body))
    async with serve(handler) as server, wire_with(idle_timeout=0.05, min_throughput=1_000_000) as wire:
        ticks = 0
        sweep = wire._watchdog._sweep

        def counting() -> bool:
            nonlocal ticks
            ticks += 1
            return sweep()

        wire._watchdog._sweep = counting
        task = asyncio.ensure_future(wire.fetch(get(server), SlowSink(memoryview(memory))))
        try:
            await until(lambda: ticks > 20)
        finally:
            may_store.set()
        await task
        assert memory == body


async def test_a_tls_handshake_that_trickles() -> None:
    async def handler(peer: Peer) -> None:
        await peer.write(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")  # a long ServerHello
        while True:
            await peer.write(b"x")
            await asyncio.sleep(0.01)

    async with serve(handler) as server, wire_with() as wire:
        wire._dialer._timeout = 0.3
        with pytest.raises(TransportError, match=r"took longer than 0\.3 s|handshake") as caught:
            await wire.send(Request("GET", Origin("https", "127.0.0.1", server.origin.port), "/"))
        assert caught.value.retryable


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


@pytest.mark.parametrize("call", ["fetch", "stream", "send"])
async def test_the_first_byte_may_take_longer(call: str) -> None:
    """The server is silent until the usual timeout has passed; the rest of the body is not excused."""

    async def handler(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.5)
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        await peer.until_disconnected()

    async with serve(handler) as server, wire_with(idle_timeout=0.1, min_throughput=0) as wire:
        request = replace(get(server), first_byte_timeout=1000.0)
        with pytest.raises(TransportError, match=r"stalled: no byte for 0\.1 s"):
            await receive(wire, call, request, memoryview(bytearray(10)))
        assert len(server.peers) == 1
        with pytest.raises(TransportError, match=r"stalled: no byte for 0\.2 s"):
            await receive(wire, call, replace(get(server), first_byte_timeout=0.2), memoryview(bytearray(10)))
