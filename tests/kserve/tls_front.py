"""Accepts TLS for a server that has none."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.services.closing import abort, close

__all__ = ["tls_front"]

_STEP = 1 << 16


@contextlib.contextmanager
def tls_front(url: str, tls: ssl.SSLContext) -> Iterator[str]:
    """Accept TLS with this certificate, and pass all bytes on to a server. Yields the https URL."""
    address = urlsplit(url)
    loop, started, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()
    port = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            inner_reader, inner_writer = await asyncio.open_connection(address.hostname, address.port)
            try:
                await asyncio.gather(_pass(reader, inner_writer), _pass(inner_reader, writer))
            finally:
                abort(inner_writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            abort(writer)

    async def listen() -> None:
        nonlocal port
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        await close(server, tasks)

    thread = threading.Thread(target=lambda: loop.run_until_complete(listen()), name="tls-front")
    thread.start()
    try:
        started.wait()
        yield f"https://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_STEP):
        writer.write(data)
        await writer.drain()
    writer.close()
