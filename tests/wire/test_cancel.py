"""Cancellation at each stage: the buffer is not written to afterwards, and no connection or slot leaks."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from sealift.errors import ClosedError
from sealift.wire import TLS, Origin, Request

from .servers import Peer, Server, pattern, serve, server_tls, until, wire_with

pytestmark = pytest.mark.anyio

BODY = pattern(1_000_000)


def get(server: Server, tls: TLS | None = None) -> Request:
    return Request("GET", server.origin, "/", (), tls or TLS())


async def echo(peer: Peer) -> None:
    """Respond with the request target."""
    while True:
        await peer.respond((await peer.request()).target.encode())


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("stage", ["before the head", "in the head", "in the body", "in a chunk"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_late_bytes_are_not_written_to_the_buffer(stage: str, secure: bool, authority: Any, ca_file: str) -> None:
    framing = (
        b"Transfer-Encoding: chunked\r\n\r\nf4240\r\n" if stage == "in a chunk" else b"Content-Length: 1000000\r\n\r\n"
    )
    response = b"HTTP/1.1 200 OK\r\n" + framing + BODY
    first = {"before the head": 0, "in the head": 20}.get(stage, 500_000)
    cancelled, sent = asyncio.Event(), asyncio.Event()

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(response[:first])
        sent.set()
        await cancelled.wait()
        await peer.write(response[first:])
        await peer.until_disconnected()

    tls = server_tls(authority) if secure else None
    async with serve(handler, tls=tls) as server, wire_with() as wire:
        memory = bytearray(len(BODY))
        task = asyncio.ensure_future(wire.fetch(get(server, TLS(ca_file=ca_file)), memoryview(memory)))
        await sent.wait()
        if first > 100:
            await until(lambda: memory[400_000])
        await cancel(task)
        memory[:] = bytes(len(BODY))  # the memory has been reused
        cancelled.set()
        await until(lambda: not server.open)
        assert memory == bytes(len(BODY))


async def test_in_the_same_loop_iteration_as_the_last_byte() -> None:
    async def handler(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.respond(b"ok")

    async with serve(handler) as server, wire_with() as wire:
        await wire.send(get(server))
        drain = wire._lanes._threads._drain

        def drain_and_cancel() -> None:
            drain()
            task.cancel()

        wire._lanes._threads._drain = drain_and_cancel  # type: ignore[method-assign]
        task = asyncio.ensure_future(wire.send(get(server)))
        await asyncio.wait([task])
        assert task.cancelled()
        wire._lanes._threads._drain = drain  # type: ignore[method-assign]
        assert (await wire.send(get(server))).body == b"ok"


async def test_during_a_dns_lookup() -> None:
    requested, never = asyncio.Event(), asyncio.Event()

    async def run_blocking(fn: Callable[[], Any]) -> Any:
        requested.set()
        await never.wait()

    async with serve(echo) as server, wire_with(run_blocking=run_blocking, connections=1) as wire:
        request = Request("GET", Origin.of("http://name.invalid"), "/")
        for _ in range(2):
            task = asyncio.ensure_future(wire.send(request))
            await requested.wait()
            await cancel(task)
            requested.clear()
        assert (await wire.send(get(server))).body == b"/"  # on the only connection allowed


async def test_during_the_tls_handshake() -> None:
    async def handler(peer: Peer) -> None:
        hello.set()
        await peer.until_disconnected()

    async with serve(handler) as server, serve(echo) as other, wire_with(connections=1) as wire:
        for _ in range(2):
            hello = asyncio.Event()
            task = asyncio.ensure_future(
                wire.send(Request("GET", Origin("https", "127.0.0.1", server.origin.port), "/"))
            )
            await hello.wait()
            await cancel(task)
        await until(lambda: not server.open)
        assert (await wire.send(get(other))).body == b"/"


async def test_while_the_server_does_not_read_the_body() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        requested.set()
        await asyncio.Event().wait()

    async with serve(handler) as server, serve(echo) as other, wire_with(connections=1) as wire:
        for _ in range(2):
            requested = asyncio.Event()
            task = asyncio.ensure_future(wire.send(Request("PUT", server.origin, "/"), memoryview(bytearray(64 << 20))))
            await requested.wait()
            await cancel(task)
        assert (await wire.send(get(other))).body == b"/"


async def test_while_reading_a_stream() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1")
        await peer.until_disconnected()

    async with serve(handler) as server, serve(echo) as other, wire_with(connections=1) as wire:

        async def read() -> None:
            async with wire.stream(get(server)) as response:
                while await response.readinto(memoryview(bytearray(10))):
                    reading.set()

        for _ in range(2):
            reading = asyncio.Event()
            task = asyncio.ensure_future(read())
            await reading.wait()
            await cancel(task)
        assert (await wire.send(get(other))).body == b"/"


async def test_aclose_fails_running_calls_and_waits_for_all_connections() -> None:
    async def handler(peer: Peer) -> None:
        if (await peer.request()).target == "/idle":
            await peer.respond(b"ok")
        else:
            requested.set()
        await peer.until_disconnected()

    requested = asyncio.Event()
    async with serve(handler) as server, wire_with(per_host=2) as wire:
        # one idle, one busy with a fetch, one waiting for its turn, one streaming
        fetch = wire.fetch(get(server), memoryview(bytearray(10)))
        waiting = [asyncio.ensure_future(call) for call in (fetch, wire.send(get(server)), wire.send(get(server)))]
        await requested.wait()
        await wire.aclose()
        for result in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(result, ClosedError)
        await until(lambda: not server.open)
        with pytest.raises(ClosedError):
            await wire.fetch(get(server), memoryview(bytearray(10)))
        with pytest.raises(ClosedError):
            await wire.send(get(server))
        with pytest.raises(ClosedError):
            async with wire.stream(get(server)):
                pass
        await wire.aclose()


async def test_aclose_during_a_dns_lookup() -> None:
    async def run_blocking(fn: Callable[[], Any]) -> Any:
        if isinstance(fn, partial) and fn.func is socket.getaddrinfo:
            requested.set()
            await asyncio.Event().wait()
        return await asyncio.to_thread(fn)

    requested = asyncio.Event()
    async with wire_with(run_blocking=run_blocking) as wire:
        task = asyncio.ensure_future(wire.send(Request("GET", Origin.of("http://name.invalid"), "/")))
        await requested.wait()
        await wire.aclose()
        with pytest.raises(ClosedError):
            await task


async def test_aclose_during_a_handshake() -> None:
    async def handler(peer: Peer) -> None:
        hello.set()
        await peer.until_disconnected()

    hello = asyncio.Event()
    async with serve(handler) as server, wire_with() as wire:
        task = asyncio.ensure_future(wire.send(Request("GET", Origin("https", "127.0.0.1", server.origin.port), "/")))
        await hello.wait()
        await wire.aclose()
        with pytest.raises(ClosedError):
            await task
        await until(lambda: not server.open)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_at_each_step_of_connecting(secure: bool, authority: Any, ca_file: str) -> None:
    """A descriptor must be closed only once: its number may have been reused."""
    tls = server_tls(authority) if secure else None
    async with serve(echo, tls=tls) as server, wire_with() as wire:
        done = False
        steps = 0
        while not done:
            task = asyncio.ensure_future(wire.send(get(server, TLS(ca_file=ca_file))))
            for _ in range(steps):
                await asyncio.sleep(0)
            done = task.done()
            if not done:
                await cancel(task)
                await until(lambda: not server.open)
            steps += 1
        assert (await task).body == b"/"


@pytest.mark.parametrize("state", ["unread", "reading", "a cancelled read"])
async def test_aclose_while_a_stream_is_open(state: str) -> None:
    """Perhaps the reader is a suspended generator, which never closes its stream."""

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1")
        await peer.until_disconnected()

    async with serve(handler) as server, wire_with() as wire:
        async with wire.stream(get(server)) as response:
            view = memoryview(bytearray(10))
            assert await response.readinto(view) == 1
            reading = None
            if state != "unread":
                reading = asyncio.ensure_future(response.readinto(view))
                await asyncio.sleep(0.01)
            if state == "a cancelled read":
                assert reading is not None
                await cancel(reading)
            await wire.aclose()
            await until(lambda: not server.open)
            with pytest.raises(ClosedError):
                await (reading if state == "reading" and reading else response.readinto(view))
        assert wire._pool._open == 0
