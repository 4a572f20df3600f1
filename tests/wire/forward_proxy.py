"""A minimal forward proxy: absolute-form requests and CONNECT tunnels, with optional credentials."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from tests.services.closing import abort

from .servers import DISCONNECTED, Head, Peer, Server, serve


class ForwardProxy:
    """Records the requests it forwards in `seen`."""

    def __init__(self, credentials: str | None = None) -> None:
        self.seen: list[Head] = []
        self._expected = credentials and "Basic " + base64.b64encode(credentials.encode()).decode()

    async def __call__(self, peer: Peer) -> None:
        async with contextlib.AsyncExitStack() as stack:
            upstream: asyncio.StreamWriter | None = None
            while True:
                head = await peer.request()
                self.seen.append(head)
                if self._expected and head.headers.get("proxy-authorization") != self._expected:
                    await peer.respond(status="407 Proxy Authentication Required")
                    continue
                if head.method == "CONNECT":
                    await peer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                url = urlsplit(f"//{head.target}" if head.method == "CONNECT" else head.target)
                if upstream is None:
                    upstream = await stack.enter_async_context(_connected_to(peer, url.hostname or "", url.port or 80))
                if head.method == "CONNECT":
                    await _copy(peer.reader, upstream)
                    return
                target = head.target.partition(url.netloc)[2]
                lines = [f"{name}: {value}" for name, value in head.headers.items() if name]
                upstream.write("\r\n".join([f"{head.method} {target} HTTP/1.1", *lines, "", ""]).encode())
                upstream.write(await peer.reader.readexactly(int(head.headers.get("content-length", 0))))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        async with serve(self) as server:
            yield server


@contextlib.asynccontextmanager
async def _connected_to(peer: Peer, host: str, port: int) -> AsyncIterator[asyncio.StreamWriter]:
    """Connect to a host and copy everything it sends to the client."""
    reader, writer = await asyncio.open_connection(host, port)
    back = asyncio.ensure_future(_copy(reader, peer.writer))
    try:
        yield writer
    finally:
        abort(writer)
        await asyncio.wait([back])


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(*DISCONNECTED):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
    sink.close()
