"""A TCP relay in front of a server, which records the raw bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sealift.wire import Origin

_TLS_CONTENT_TYPES = {20, 21, 22, 23}


class Relayed:
    """One relayed connection.

    Attributes:
        sent: What the client has sent.
        received: What the client was sent.
    """

    def __init__(self) -> None:
        self.sent = bytearray()
        self.received = bytearray()
        self.open = True


def assert_only_tls(data: bytes | bytearray) -> None:
    """Check that data is a sequence of TLS records, the last one perhaps truncated."""
    while data:
        assert data[0] in _TLS_CONTENT_TYPES
        assert data[1:2].strip(b"\x03") == b""
        if len(data) < 5:
            return
        data = data[5 + int.from_bytes(data[3:5]) :]


@contextlib.asynccontextmanager
async def relay(to: Origin) -> AsyncIterator[tuple[Origin, list[Relayed]]]:
    """Run a relay; yield its origin and the connections so far."""
    relayed: list[Relayed] = []
    tasks: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: bytearray) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(64 << 10):
                record += data
                writer.write(data)
                await writer.drain()
        writer.close()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: Relayed) -> None:
        other_reader, other_writer = await asyncio.open_connection(to.host, to.port)
        await asyncio.gather(
            copy(reader, other_writer, connection.sent), copy(other_reader, writer, connection.received)
        )
        connection.open = False

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relayed.append(Relayed())
        task = asyncio.ensure_future(run(reader, writer, relayed[-1]))
        tasks.add(task)

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield Origin(to.scheme, "127.0.0.1", listening.sockets[0].getsockname()[1]), relayed
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
