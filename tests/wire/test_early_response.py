"""Responses that arrive while the request body is still being sent."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sealift.errors import TransportError
from sealift.wire import TLS, Request, Wire

from .servers import Peer, Server, pattern, serve, server_tls, wire_with

pytestmark = pytest.mark.anyio

BODY = pattern(64 << 20)
SMALLER = pattern(5_000_000)


@pytest.fixture(params=["plain", "tls"])
def security(request: Any, authority: Any) -> ssl.SSLContext | None:
    return server_tls(authority) if request.param == "tls" else None


@pytest.fixture
def put(ca_file: str) -> Callable[[Wire, Server, bytes], Awaitable[Any]]:
    def send(wire: Wire, server: Server, body: bytes) -> Awaitable[Any]:
        return wire.send(Request("PUT", server.origin, "/", (), TLS(ca_file=ca_file)), memoryview(body))

    return send


@pytest.mark.parametrize("headers", [[], ["Connection: close"]], ids=["keep-alive", "close"])
async def test_the_connection_is_not_reused_and_the_rest_is_not_sent(
    security: Any, put: Any, headers: list[str]
) -> None:
    received = []

    async def handler(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.reader.readexactly(1000)
            await peer.respond(b"enough", *headers, status="413 Content Too Large")
            received.append(len(await peer.until_disconnected()))

    async with serve(handler, tls=security) as server, wire_with() as wire:
        for number in (1, 2):
            response = await put(wire, server, BODY)
            assert (response.status, response.body) == (413, b"enough")
            assert len(server.peers) == number
    assert all(length < len(BODY) // 2 for length in received)


async def test_a_success_without_the_whole_body_is_an_error(security: Any, put: Any) -> None:
    """What the server has stored is not the body."""

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.reader.readexactly(1000)
        await peer.respond(b"stored")
        await peer.until_disconnected()

    async with serve(handler, tls=security) as server, wire_with() as wire:
        with pytest.raises(TransportError, match="answered 200 before it had received the whole body") as caught:
            await put(wire, server, BODY)
        assert caught.value.retryable


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_response_followed_by_the_end_of_the_connection(security: Any, put: Any, how: str) -> None:
    """The server does not read the body: the kernel reports a broken pipe or a reset, after the response."""

    async def handler(peer: Peer) -> None:
        await peer.request()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await peer.respond(b"no", "Connection: close", status="413 Content Too Large")
        if how == "close":
            peer.at_once(b"") if security is None else peer.close()
        else:
            peer.close()

    async with serve(handler, tls=security) as server, wire_with() as wire:
        for _ in range(5):
            response = await put(wire, server, BODY)
            assert (response.status, response.body) == (413, b"no")


async def test_100_continue_and_then_the_response(security: Any, put: Any) -> None:
    async def handler(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await peer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            got = await peer.reader.readexactly(int(request.headers["content-length"]))
            await peer.respond(b"same" if got == SMALLER else b"different")

    async with serve(handler, tls=security) as server, wire_with() as wire:
        for _ in range(3):
            assert (await put(wire, server, SMALLER)).body == b"same"


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_success_that_begins_before_the_body_is_sent(security: Any, put: Any, framing: str) -> None:
    """S3 responds to some requests with a head, then spaces, then the result."""
    size = 200_000
    piece, end = (b"%b", b"") if framing == "length" else (b"3e8\r\n%b\r\n", b"0\r\n\r\n")
    head = b"Content-Length: %d" % size if framing == "length" else b"Transfer-Encoding: chunked"

    async def handler(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await peer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + piece % bytes(1000))
            for _ in range(size // 1000 - 2):
                await asyncio.sleep(0)
                await peer.write(piece % bytes(1000))
            got = await peer.reader.readexactly(int(request.headers["content-length"]))
            await peer.write(piece % (b"same" if got == SMALLER else b"diff").ljust(1000) + end)

    async with serve(handler, tls=security) as server, wire_with() as wire:
        for _ in range(2):
            response = await put(wire, server, SMALLER)
            assert response.status == 200
            assert len(response.body) == size
            assert response.body[-1000:].strip() == b"same"


async def test_an_end_of_the_connection_without_a_response(security: Any, put: Any) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    async with serve(handler, tls=security) as server, wire_with() as wire:
        with pytest.raises(Exception, match=r"closed the connection|was reset|was lost") as caught:
            await put(wire, server, BODY)
        assert caught.value.retryable  # type: ignore[attr-defined]
        assert len(server.peers) == 1
