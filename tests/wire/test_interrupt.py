"""Interrupted lanes: what they write to memory and to the network, and that they end in every state."""

import asyncio
import os
import socket
import ssl
from typing import Any

import pytest

from sealift.errors import ClosedError, TransportError
from sealift.wire import TLS, Origin, Request
from sealift.wire.connection import Connection
from sealift.wire.dns import Address
from sealift.wire.exchange import Exchange
from sealift.wire.head_codec import encode_request
from sealift.wire.sinks import MemorySink

from .relay import assert_only_tls, relay
from .servers import Peer, pattern, serve, server_tls, until, wire_with

pytestmark = pytest.mark.anyio

BODY = pattern(4_000_000)


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def in_common(data: bytes | bytearray, other: bytes) -> int:
    """How many bytes are the same at the beginning of both."""
    return next((index for index, (one, two) in enumerate(zip(data, other, strict=True)) if one != two), len(data))


async def transfer(peer: Peer) -> None:
    while True:
        request = await peer.request()
        if request.method == "PUT":
            await peer.reader.readexactly(int(request.headers["content-length"]))
            await peer.respond(b"ok")
        else:
            await peer.respond(BODY)


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_under_tls_neither_ciphertext_in_memory_nor_plain_text_on_the_wire(
    method: str, version: ssl.TLSVersion, authority: Any, ca_file: str
) -> None:
    context = server_tls(authority)
    context.maximum_version = version
    async with serve(transfer, tls=context) as server, relay(server.origin) as (origin, relayed):
        request = Request(method, origin, "/", (), TLS(ca_file=ca_file))
        for moment in (1, 300, 1000, 2000, 3000, 5000, 20_000, 100_000, 500_000, 1_000_000, 3_000_000):
            memory = bytearray(len(BODY))
            async with wire_with() as wire:
                relayed.clear()
                task: asyncio.Task[Any] = asyncio.ensure_future(
                    wire.fetch(request, memoryview(memory)) if method == "GET" else wire.send(request, memoryview(BODY))
                )
                await until(lambda moment=moment: sum(len(each.sent + each.received) for each in relayed) >= moment)
                task.cancel()
                await asyncio.wait([task])
                afterwards = bytes(memory)
            await until(lambda: not any(each.open for each in relayed))
            assert memory == afterwards
            if method == "GET":
                written = in_common(afterwards, BODY)
                assert not any(afterwards[written:])
            assert_only_tls(relayed[0].sent)
            assert_only_tls(relayed[0].received)


@pytest.mark.parametrize("moment", ["before a receive", "after a receive"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_queued_bytes_are_not_taken_over_after_an_interruption(
    moment: str, secure: bool, authority: Any, ca_file: str
) -> None:
    """The kernel still delivers what was queued before a shutdown."""

    class Interrupting(MemorySink):
        def space(self) -> memoryview:
            if moment == "before a receive":
                self.interrupt()
            return super().space()

        def filled(self, count: int) -> None:
            super().filled(count)
            if moment == "after a receive":
                self.interrupt()

        def interrupt(self) -> None:
            if len(self) < 3_000_000 and not seen:
                seen.append(len(self))
                connection.interrupt(ClosedError("cancelled"))

    seen: list[int] = []
    context = server_tls(authority) if secure else None
    async with serve(transfer, tls=context) as server, wire_with() as wire:
        connection = await wire._dialer.dial(server.origin, TLS(ca_file=ca_file))
        request = Request("GET", server.origin, "/")
        memory = bytearray(len(BODY))
        sink = Interrupting(memoryview(memory))
        exchange = Exchange(connection, request, encode_request(request))
        with pytest.raises(ClosedError):
            await wire._lanes.run(connection, lambda: exchange.receive_into(sink))
        connection.close()
        assert len(sink) == seen[0]
        written = in_common(memory, BODY)
        assert not any(memory[written:])  # perhaps bytes of the body, but no ciphertext


@pytest.fixture
def unanswered() -> Any:
    """The origin of a listener whose queue is full: the kernel does not answer further connections."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        fillers = []
        while True:
            filler = socket.socket()
            fillers.append(filler)
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
            if len(fillers) == 4:
                break
        yield Origin("http", *listening.getsockname())
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("end", ["cancel", "aclose"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_connecting_to_an_address_that_does_not_answer(end: str, scheme: str, unanswered: Origin) -> None:
    origin = Origin(scheme, unanswered.host, unanswered.port)
    async with wire_with(connections=1) as wire:
        task = asyncio.ensure_future(wire.send(Request("GET", origin, "/")))
        waiting = asyncio.ensure_future(wire.send(Request("GET", origin, "/")))
        await until(lambda: any(each._tried for each in wire._dialer._opening))
        await cancel(waiting)
        if end == "cancel":
            await cancel(task)
            assert wire._pool._open == 0
        else:
            await wire.aclose()
            with pytest.raises(ClosedError):
                await task


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_interrupted_in_the_moment_of_connecting(
    moment: str, unanswered: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop cannot shut down a socket that it cannot see yet."""

    def connect_ex(sock: socket.socket, address: Any) -> int:
        if moment == "before":
            connection.interrupt(ClosedError("cancelled"))
        error = super(socket.socket, sock).connect_ex(address)
        if moment == "after":
            connection.interrupt(ClosedError("cancelled"))
        return error

    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)
    connection = Connection(unanswered, TLS())
    address = Address(socket.AF_INET, (unanswered.host, unanswered.port))
    with pytest.raises(ClosedError):
        await asyncio.to_thread(connection.open, [address], 1000, None)
    connection.close()


async def test_interrupted_before_the_handshake(authority: Any, ca_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrap_bio(self: ssl.SSLContext, *bios: ssl.MemoryBIO, **options: Any) -> ssl.SSLObject:
        wrapped = original(self, *bios, **options)
        if not interrupted:
            interrupted.append(next(iter(wire._dialer._opening)))
            interrupted[0].interrupt(ClosedError("cancelled"))
        return wrapped

    original = ssl.SSLContext.wrap_bio
    interrupted: list[Connection] = []
    async with serve(transfer, tls=server_tls(authority)) as server, wire_with(connections=1) as wire:
        monkeypatch.setattr(ssl.SSLContext, "wrap_bio", wrap_bio)
        request = Request("PUT", server.origin, "/", (), TLS(ca_file=ca_file))
        with pytest.raises(ClosedError):
            await wire.send(request, memoryview(b"body"))
        await until(lambda: not server.open)
        assert (await wire.send(request, memoryview(b"body"))).body == b"ok"


async def test_connecting_takes_no_longer_than_the_timeout(unanswered: Origin) -> None:
    async with wire_with() as wire:
        wire._dialer._timeout = 0.2
        with pytest.raises(TransportError, match="no response") as caught:
            await wire.send(Request("GET", unanswered, "/"))
        assert caught.value.retryable


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_no_descriptor_leaks(secure: bool, authority: Any, ca_file: str) -> None:
    """500 calls, cancelled in all kinds of states."""

    async def handler(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(50_000))
            if int(request.target[1:]) % 3:
                await peer.write(bytes(50_000))

    tls = TLS(ca_file=ca_file)
    async with serve(handler, tls=server_tls(authority) if secure else None) as server:
        before = set(os.listdir("/proc/self/fd"))
        async with wire_with(connections=10) as wire:
            calls = []
            for number in range(500):
                request = Request("GET", server.origin, f"/{number}", (), tls)
                calls.append(asyncio.ensure_future(wire.fetch(request, memoryview(bytearray(100_000)))))
                await asyncio.sleep(number % 7 / 1000)
                if number >= 10:
                    calls[number - 10].cancel()
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            assert wire._pool._open == len(wire._pool._connections) <= 10
        await until(lambda: not server.open)
        await until(lambda: set(os.listdir("/proc/self/fd")) <= before)


async def test_a_closed_connection_is_an_error() -> None:
    """A lane that comes late, after the loop has closed the connection."""
    async with serve(transfer) as server, wire_with() as wire:
        request = Request("PUT", server.origin, "/")
        for body in (None, memoryview(b"small"), memoryview(BODY)):
            connection = await wire._dialer.dial(server.origin, TLS())
            connection.interrupt(ClosedError("closed"))
            connection.close()
            exchange = Exchange(connection, request, encode_request(request, len(body or b"")), body)
            with pytest.raises(ClosedError):
                await wire._lanes.run(connection, exchange.receive_small)
