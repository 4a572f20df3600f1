"""The bytes of a blob in order, received by several requests at a time."""

import asyncio
from collections import deque
from contextlib import AsyncExitStack
from functools import partial

from ...contract import Reader
from ...errors import TransportError
from ...runtime.shielded import shielded
from ...types import MiB
from ...wire import fill_buffer
from .manifest import Blob
from .registry import NoRanges, Registry

__all__ = ["BlobStream"]

_WINDOW = MiB
_AHEAD = 4


class BlobStream:
    """Reads a blob once, from its beginning, and up to 4 MiB ahead. Requests that fail are repeated here.

    Args:
        registry: Sends the requests.
        blob: The blob.
    """

    def __init__(self, registry: Registry, blob: Blob) -> None:
        self._registry = registry
        self._blob = blob
        self._requested = 0
        self._pending: deque[asyncio.Task[bytearray]] = deque()
        self._position = 0
        self._body: Reader | None = None  # of a registry without ranges
        self._closing = AsyncExitStack()

    async def next(self) -> memoryview:
        """Return the next bytes; an empty buffer at the end.

        Raises:
            StorageError: The registry or its storage returned an error.
        """
        if self._body is not None:
            return await self._next_of(self._body)
        while self._requested < self._blob.size and len(self._pending) < _AHEAD:
            size = min(_WINDOW, self._blob.size - self._requested)
            self._pending.append(asyncio.ensure_future(self._receive(self._requested, size)))
            self._requested += size
        if not self._pending:
            return memoryview(b"")
        await asyncio.wait([self._pending[0]])
        try:
            received = memoryview(self._pending.popleft().result())
        except NoRanges:
            await self._cancel()
            return await self._next_of(await self._open())
        self._position += len(received)
        return received

    async def _receive(self, start: int, size: int) -> bytearray:
        buffer = bytearray(size)
        await self._registry.instance.retry(partial(self._registry.read, self._blob, start, memoryview(buffer)))
        return buffer

    async def _open(self) -> Reader:
        """Open the whole blob, and skip what has been read."""
        body = await self._closing.enter_async_context(self._registry.stream(self._blob))
        scratch, skip = memoryview(bytearray(_WINDOW)), self._position
        while skip and (count := await body.readinto(scratch[:skip])):
            skip -= count
        self._body = body
        return body

    async def _next_of(self, body: Reader) -> memoryview:
        buffer = memoryview(bytearray(_WINDOW))
        count = await fill_buffer(body, buffer)
        self._position += count
        if count < len(buffer) and self._position != self._blob.size:
            raise TransportError(
                f"the layer {self._blob.digest} has another size than its manifest says", retryable=True
            )
        return buffer[:count]

    async def aclose(self) -> None:
        """Cancel what is still being received."""
        try:
            await self._cancel()
        finally:
            await self._closing.aclose()

    async def _cancel(self) -> None:
        pending, self._pending = list(self._pending), deque()
        for task in pending:
            task.cancel()
        await shielded(asyncio.gather(*pending, return_exceptions=True))
