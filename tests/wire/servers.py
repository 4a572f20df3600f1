"""Scripted servers over real sockets, and a `Wire` to talk to them."""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import trustme

from sealift.config import Proxies
from sealift.types import Limits
from sealift.wire import Origin, Request, Wire
from tests.services.closing import abort

DISCONNECTED = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, TimeoutError)


@dataclass
class Head:
    method: str
    target: str
    headers: dict[str, str]


class Peer:
    """The server side of one connection."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer
        self.requests = 0

    async def request(self) -> Head:
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        self.requests += 1
        return Head(
            method, target, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        )

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def respond(self, body: bytes = b"", *headers: str, status: str = "200 OK") -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        await self.write("\r\n".join(lines).encode() + body)

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        abort(self.writer)

    def at_once(self, data: bytes) -> None:
        """Send bytes, or an EOF if empty, directly on the socket, without waiting for the event loop."""
        with socket.socket(fileno=os.dup(self.writer.get_extra_info("socket").fileno())) as sock:
            if data:
                sock.send(data)
            else:
                sock.shutdown(socket.SHUT_WR)

    async def until_disconnected(self) -> bytes:
        """Wait for the client to disconnect; return what it still sends."""
        try:
            return await self.reader.read()
        except DISCONNECTED:
            return b""


Handler = Callable[[Peer], Awaitable[object]]


@dataclass
class Server:
    origin: Origin
    peers: list[Peer] = field(default_factory=list)
    open: int = 0
    most_open: int = 0


@contextlib.asynccontextmanager
async def serve(
    handler: Handler, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", name: str | None = None
) -> AsyncIterator[Server]:
    """Run a server that calls the handler for each connection; all handlers have ended when the context exits."""
    tasks: list[asyncio.Task[None]] = []

    async def run(peer: Peer) -> None:
        try:
            with contextlib.suppress(*DISCONNECTED):
                await handler(peer)
        finally:
            server.open -= 1
            peer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(len(server.peers), reader, writer)
        server.peers.append(peer)
        server.open += 1
        server.most_open = max(server.most_open, server.open)
        tasks.append(asyncio.ensure_future(run(peer)))

    listening = await asyncio.start_server(connected, host, 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    server = Server(Origin("https" if tls else "http", name or host, port))
    try:
        yield server
    finally:
        listening.close()
        for peer in server.peers:
            abort(peer.writer)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def wire_with(
    *,
    proxies: Proxies | None = None,
    run_blocking: Callable[..., Awaitable[object]] = asyncio.to_thread,
    **limits: float,
) -> AsyncIterator[Wire]:
    wire = Wire(Limits(**limits), run_blocking=run_blocking, proxies=proxies or Proxies())  # type: ignore[arg-type]
    # A tiny idle_timeout is meant for exchanges; on a busy machine, connecting may take longer.
    wire._dialer._timeout = Limits().idle_timeout
    try:
        yield wire
    finally:
        await wire.aclose()


async def receive(wire: Wire, call: str, request: Request, into: memoryview) -> None:
    """Receive a body with `fetch`, `send` or `stream`."""
    if call == "fetch":
        await wire.fetch(request, into)
    elif call == "send":
        await wire.send(request)
    else:
        async with wire.stream(request) as response:
            while await response.readinto(into):
                pass


def server_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(context)
    return context


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition that must become true; the test's timeout is the limit."""
    while not condition():
        await asyncio.sleep(0.001)


def pattern(size: int) -> bytes:
    """Bytes that do not repeat within 251 bytes, so that shifted data is detected."""
    unit = bytes(range(251))
    return (unit * (size // len(unit) + 1))[:size]
