"""Keep-alive connections: stale ones are replaced, and idle ones closed."""

import asyncio
import threading
from typing import Any

import pytest

from sealift.errors import TransportError
from sealift.wire import TLS, Request
from sealift.wire.connection import Connection
from sealift.wire.socket_state import unread_bytes

from .servers import Handler, Peer, Server, serve, server_tls, until, wire_with

pytestmark = pytest.mark.anyio


def request(server: Server, method: str = "GET") -> Request:
    return Request(method, server.origin, "/")


def closing_on_the_second_request(how: str) -> Handler:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.respond(b"ok")
        await peer.request()
        if peer.number < 3:
            peer.reset() if how == "reset" else peer.close()
        else:
            await peer.respond(b"ok")

    return handler


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("call", ["fetch", "send", "stream", "put"])
async def test_a_stale_connection_is_replaced(how: str, call: str) -> None:
    async with serve(closing_on_the_second_request(how)) as server, wire_with() as wire:

        async def once() -> None:
            body = bytearray(2)
            if call == "fetch":
                await wire.fetch(request(server), memoryview(body))
            elif call == "stream":
                async with wire.stream(request(server)) as response:
                    await response.readinto(memoryview(body))
            elif call == "put":
                body[:] = (await wire.send(request(server, "PUT"), memoryview(b""))).body
            else:
                body[:] = (await wire.send(request(server))).body
            assert body == b"ok"

        await once()
        await once()
        assert len(server.peers) == 2
        assert server.peers[0].requests == 2
        await once()
        assert len(server.peers) == 3


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_post_is_never_sent_twice(how: str) -> None:
    async with serve(closing_on_the_second_request(how)) as server, wire_with() as wire:
        await wire.send(request(server, "POST"))
        with pytest.raises(TransportError) as caught:
            await wire.send(request(server, "POST"))
        assert caught.value.retryable
        assert len(server.peers) == 1


async def test_a_new_connection_that_is_closed_is_an_error_and_not_replaced() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()

    async with serve(handler) as server, wire_with() as wire:
        with pytest.raises(TransportError):
            await wire.send(request(server))
        assert len(server.peers) == 1


async def test_a_partial_response_on_a_kept_connection_is_an_error() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.respond(b"ok")
        await peer.request()
        await peer.write(b"H")

    async with serve(handler) as server, wire_with() as wire:
        await wire.send(request(server))
        with pytest.raises(TransportError):
            await wire.send(request(server))
        assert len(server.peers) == 1


@pytest.mark.parametrize("what", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", b""], ids=["a response", "EOF"])
@pytest.mark.parametrize("noticed", ["by the sweep", "in the kernel", "by a peek"])
async def test_data_or_eof_on_an_idle_connection_closes_it(
    what: bytes, noticed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if noticed == "by a peek":  # for kernels that do not report received bytes
        monkeypatch.setattr("sealift.wire.connection.tcp_state", lambda sock: None)

    async def handler(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.respond(b"ok")
            if peer.number == 0:
                await may_come.wait()
                peer.at_once(what)
                if noticed == "by the sweep":
                    await peer.until_disconnected()
                came.set()

    may_come, came = asyncio.Event(), asyncio.Event()
    async with serve(handler) as server, wire_with() as wire:
        assert (await wire.send(request(server))).body == b"ok"
        may_come.set()
        await came.wait()
        assert (await wire.send(request(server, "POST"))).body == b"ok"
        assert len(server.peers) == 2


async def test_idle_connections_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealift.wire.pool._IDLE_SECONDS", 0.05)

    async def handler(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.respond(b"ok")

    async with serve(handler) as server, wire_with(idle_timeout=0.2) as wire:
        await wire.send(request(server))
        assert server.open == 1
        await until(lambda: not server.open)
        await wire.send(request(server))
        assert len(server.peers) == 2


async def echo(peer: Peer) -> None:
    while True:
        await peer.respond((await peer.request()).target.encode())


async def test_waiting_session_tickets_do_not_end_a_connection(authority: Any, ca_file: str) -> None:
    """Servers send them after the handshake (TLS 1.3)."""
    tls = TLS(ca_file=ca_file)
    async with serve(echo, tls=server_tls(authority)) as server, wire_with() as wire:
        connection = await wire._pool.acquire(server.origin, tls)
        assert connection._sock is not None
        await until(lambda: unread_bytes(connection._sock))  # type: ignore[arg-type]  # the tickets
        connection.reusable = True
        wire._pool.release(connection)
        for target in ("/1", "/2", "/3"):
            assert (await wire.send(Request("POST", server.origin, target, (), tls))).body == target.encode()
        assert len(server.peers) == 1


@pytest.mark.parametrize("when", ["with the response", "while it is idle"])
@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", b"H"])
async def test_unsolicited_data_under_tls_ends_the_connection(
    when: str, extra: bytes, authority: Any, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(peer: Peer) -> None:
        while True:
            target = (await peer.request()).target
            await peer.respond(target.encode())
            if target == "/1":
                if when == "while it is idle":
                    await finished.wait()
                await peer.write(extra)
            came.set()

    def finish(connection: Connection, *, reusable: bool) -> None:
        if when == "with the response":
            came.wait()
        original(connection, reusable=reusable)

    original = Connection.finish
    monkeypatch.setattr(Connection, "finish", finish)
    came, finished = threading.Event(), asyncio.Event()
    async with serve(handler, tls=server_tls(authority)) as server, wire_with() as wire:
        for number in (1, 2, 3):
            request = Request("POST", server.origin, f"/{number}", (), TLS(ca_file=ca_file))
            assert (await wire.send(request)).body == f"/{number}".encode()
            finished.set()
            await until(came.is_set)
        assert [peer.requests for peer in server.peers] == [1, 2]
