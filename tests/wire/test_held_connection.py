"""Connections that a lane holds for several requests: not while their host limits requests, which each need a turn."""

import asyncio

import pytest

from sealift.errors import TransportError
from sealift.lane_contract import ByteCount
from sealift.wire import TLS, Request, Wire
from sealift.wire.content_range import Expectation
from sealift.wire.head_codec import encode_request
from sealift.wire.held_connection import HeldConnection

from .servers import Peer, Server, serve, until, wire_with

pytestmark = pytest.mark.anyio


async def answer(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.respond(b"ok")


async def hold(wire: Wire, server: Server) -> None:
    async with wire.hold(server.origin, TLS()):
        pass


async def fetch(held: HeldConnection, server: Server) -> bytes:
    into = bytearray(2)

    def fetch() -> None:
        held.ask(encode_request(Request("GET", server.origin, "/")))
        held.fetch(memoryview(into), Expectation(0), ByteCount())

    await held.run(fetch)
    return bytes(into)


async def test_none_are_held_if_requests_are_limited() -> None:
    async with serve(answer) as server, wire_with() as wire:
        wire._pool.pace(server.origin).throttled(0)
        with pytest.raises(TransportError, match="limits its requests"):
            await hold(wire, server)
        assert server.peers == []


async def test_none_are_held_if_requests_were_limited_while_they_waited_for_one() -> None:
    async with serve(answer) as server, wire_with(connections=1) as wire:
        pace = wire._pool.pace(server.origin)
        async with wire.hold(server.origin, TLS()):
            waiting = asyncio.ensure_future(hold(wire, server))
            await until(lambda: wire._pool._waiters == 1)
            pace.throttled(0)
        with pytest.raises(TransportError, match="limits its requests"):
            await waiting
        assert wire._pool._host(server.origin).busy == 0


async def test_those_held_are_not_usable_once_requests_are_limited() -> None:
    async with serve(answer) as server, wire_with() as wire, wire.hold(server.origin, TLS()) as held:
        assert await fetch(held, server) == b"ok"
        assert held.usable
        wire._pool.pace(server.origin).throttled(0)
        assert not held.usable


async def test_a_refusal_is_told_with_its_status() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.request()
        await peer.respond(b"", status="503 Slow Down")

    async with serve(refuse) as server, wire_with() as wire, wire.hold(server.origin, TLS()) as held:
        with pytest.raises(TransportError, match=f"{server.origin.address} answered 503") as raised:
            await fetch(held, server)
        assert raised.value.throttled
