"""TLS connections that end without TLS's closing message: an attacker may have cut them off."""

from typing import Any

import pytest

from sealift.errors import TransportError
from sealift.wire import TLS, Request, Wire

from .servers import Peer, serve, server_tls, wire_with

pytestmark = pytest.mark.anyio

RESPONSES = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
    "head": b"HTTP/1.1 200 OK\r\nConn",
    "nothing": b"",
}


async def received(wire: Wire, call: str, request: Request, length: int) -> bytes:
    if call == "fetch":
        memory = bytearray(length)
        await wire.fetch(request, memoryview(memory))
        return bytes(memory)
    if call == "send":
        return (await wire.send(request)).body
    async with wire.stream(request) as response:
        view, got = memoryview(bytearray(100)), b""
        while count := await response.readinto(view):
            got += view[:count]
        return got


@pytest.mark.parametrize("framing", RESPONSES)
@pytest.mark.parametrize("call", ["fetch", "send", "stream"])
async def test_a_ragged_end_is_an_error(framing: str, call: str, authority: Any, ca_file: str) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(RESPONSES[framing])
        peer.at_once(b"")
        await peer.until_disconnected()

    async with serve(handler, tls=server_tls(authority)) as server, wire_with() as wire:
        request = Request("GET", server.origin, "/", (), TLS(ca_file=ca_file))
        with pytest.raises(TransportError, match=r"lost|closed") as caught:
            await received(wire, call, request, 5 if framing == "close" else 10)
        assert caught.value.retryable


@pytest.mark.parametrize("call", ["fetch", "send", "stream"])
async def test_a_body_that_ends_with_the_connection(call: str, authority: Any, ca_file: str) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.write(RESPONSES["close"])

    async with serve(handler, tls=server_tls(authority)) as server, wire_with() as wire:
        request = Request("GET", server.origin, "/", (), TLS(ca_file=ca_file))
        assert await received(wire, call, request, 5) == b"hello"


async def test_a_complete_response_needs_no_end(authority: Any, ca_file: str) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.respond(b"hello")
        peer.at_once(b"")
        await peer.until_disconnected()

    async with serve(handler, tls=server_tls(authority)) as server, wire_with() as wire:
        request = Request("GET", server.origin, "/", (), TLS(ca_file=ca_file))
        for number in (1, 2, 3):
            assert await received(wire, "fetch", request, 5) == b"hello"
            assert len(server.peers) == number
