"""A proxy that corrupts one byte between a real server and the code under test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from tests.services.closing import abort, close

# The mark in an object, and what arrives in its place.
MARK, OTHER = b"<this byte changes: 0>", b"<this byte changes: 1>"


@contextlib.asynccontextmanager
async def flipping(endpoint: str) -> AsyncIterator[str]:
    """Run a proxy in front of the server that corrupts its responses. Yields the proxy's endpoint."""
    there = urlsplit(endpoint)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        upstream_reader, upstream_writer = await asyncio.open_connection(there.hostname, there.port)
        pumps = [
            asyncio.ensure_future(_pump(reader, upstream_writer)),
            asyncio.ensure_future(_pump(upstream_reader, writer, change=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass
        finally:
            tasks.discard(task)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            abort(upstream_writer)
            abort(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield there._replace(netloc=f"127.0.0.1:{port}").geturl()
    finally:
        await close(server, tasks)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, change: bool = False) -> None:
    kept = b""
    with contextlib.suppress(ConnectionError):
        while data := await source.read(1 << 16):
            data = (kept + data).replace(MARK, OTHER) if change else data
            # Hold back a partial mark until the rest of it arrives.
            cut = next((size for size in range(len(MARK) - 1, 0, -1) if change and data.endswith(MARK[:size])), 0)
            kept = data[len(data) - cut :]
            sink.write(data[: len(data) - cut])
            await sink.drain()
        sink.write(kept)
