"""Read the files of compressed layers. A layer is decompressed once while its files are read in their order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ...contract import Reader
from ...errors import TransportError
from ...runtime.shielded import shielded
from ...types import MiB
from .blob_stream import BlobStream
from .decoder import SLICE, Decoder, decoder_for
from .manifest import Blob
from .registry import Registry

__all__ = ["LayerStreams"]

# Layers that are open at the same time, each some MiB ahead.
_MOST = 4
# Bytes to decompress in one call of a thread.
_BATCH = MiB


class LayerStreams:
    """The compressed layers of one image.

    Args:
        registry: Sends the requests.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._streams: dict[str, _LayerStream] = {}
        self._turns = asyncio.Semaphore(_MOST)

    @asynccontextmanager
    async def open(self, blob: Blob, offset: int, size: int) -> AsyncGenerator[Reader]:
        """Open a range of a decompressed layer for one sequential read.

        Args:
            blob: The layer.
            offset: Where the range begins, in bytes.
            size: How many bytes it has. The caller must not read more.
        """
        if blob.digest not in self._streams:
            self._streams[blob.digest] = _LayerStream(self._registry, blob)
        stream = self._streams[blob.digest]
        async with stream.lock, self._turns:
            await self._close_idle(except_for=stream)
            try:
                await stream.seek(offset)
                yield _Range(stream, size)
            except BaseException:  # where it stands is not certain
                await shielded(stream.aclose())
                raise

    async def _close_idle(self, *, except_for: "_LayerStream") -> None:
        """Close streams that nobody reads, if too many are open."""
        others = [each for each in self._streams.values() if each.is_open and each is not except_for]
        excess = len(others) + 1 - _MOST
        for each in others:
            if excess > 0 and not each.lock.locked():
                excess -= 1
                async with each.lock:
                    await shielded(each.aclose())

    async def aclose(self) -> None:
        """Close all layers. Nobody reads them."""
        for stream in self._streams.values():
            await stream.aclose()


class _LayerStream:
    """The decompressed bytes of one layer.

    Attributes:
        lock: Held by who reads.
    """

    def __init__(self, registry: Registry, blob: Blob) -> None:
        self.lock = asyncio.Lock()
        self._registry = registry
        self._blob = blob
        self._source: BlobStream | None = None
        self._decoder: Decoder | None = None
        self._window = memoryview(b"")
        self._pieces: deque[memoryview] = deque()
        self._decoded = 0  # bytes in `_pieces`
        self._position = 0

    @property
    def is_open(self) -> bool:
        return self._source is not None

    async def seek(self, offset: int) -> None:
        """Go to an offset: forward, or from the beginning again."""
        if offset < self._position:
            await self.aclose()
        while self._position < offset:
            if not self._take(offset - self._position):
                await self._decode()

    async def readinto(self, view: memoryview) -> int:
        while not (piece := self._take(len(view))):
            await self._decode()
        view[: len(piece)] = piece
        return len(piece)

    def _take(self, size: int) -> memoryview:
        """Take up to so many bytes of those that are decoded."""
        if not self._pieces:
            return memoryview(b"")
        piece = self._pieces.popleft()
        if len(piece) > size:
            self._pieces.appendleft(piece[size:])
            piece = piece[:size]
        self._position += len(piece)
        self._decoded -= len(piece)
        return piece

    async def _decode(self) -> None:
        """Decode more bytes, at least one."""
        while not self._pieces:
            if not self._window:
                self._source = self._source or BlobStream(self._registry, self._blob)
                self._window = await self._source.next()
                if not self._window:
                    raise TransportError(f"the layer {self._blob.digest} is shorter than before", retryable=True)
            await self._registry.instance.disk.run(self._decode_batch)

    def _decode_batch(self) -> None:
        if self._decoder is None:
            self._decoder = decoder_for(self._window, self._write)
        while self._window and self._decoded < _BATCH:
            piece, self._window = self._window[:SLICE], self._window[SLICE:]
            self._decoder.feed(piece)

    def _write(self, data: bytes | memoryview) -> None:
        if data:
            self._pieces.append(memoryview(data))
            self._decoded += len(data)

    async def aclose(self) -> None:
        source, self._source, self._decoder = self._source, None, None
        self._window, self._position, self._decoded = memoryview(b""), 0, 0
        self._pieces.clear()
        if source is not None:
            await source.aclose()


class _Range:
    """Reader of a range of a layer."""

    def __init__(self, stream: _LayerStream, size: int) -> None:
        self._stream = stream
        self._rest = size

    async def readinto(self, view: memoryview) -> int:
        """See `Reader.readinto`."""
        if not self._rest:
            return 0
        count = await self._stream.readinto(view[: self._rest])
        self._rest -= count
        return count
