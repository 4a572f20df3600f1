"""Backend for an image or artifact in a container registry."""

from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from ...contract import EVERYTHING, OnlyInOrder, Reader, Walk
from ...errors import ObjectChanged, TransportError
from ...lane_contract import Sink
from ...runtime.paging import one_level
from ...runtime.read_only import ReadOnlyBackend
from ...types import Capabilities, Head, ObjectInfo
from ...types.properties import NO_PROPERTIES
from ...wire import fill, fill_buffer
from .file_tree import File
from .image import ImageReader
from .layer_stream import LayerStreams
from .registry import NoRanges

__all__ = ["OCIBackend"]


class OCIBackend(ReadOnlyBackend):
    """One image or artifact, at the manifest that its tag names first. Its content cannot change.

    Args:
        reader: Reads the manifest and the lists of files.
    """

    capabilities = Capabilities(writable=False, checksums=("sha256",), sinks=True)
    write_hint = "to push an artifact, use oras or modctl"

    def __init__(self, reader: ImageReader) -> None:
        self._reader = reader
        self._registry = reader.registry
        self.location = self._registry.location
        self._streams = LayerStreams(self._registry)

    @property
    def service(self) -> Hashable:
        return ("oci", self._registry.origin)

    @property
    def address(self) -> str:
        return self._registry.address

    async def stat(self, key: str) -> ObjectInfo:
        image = await self._reader.image()
        return image.info(key, image.file(key))

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        image = await self._registry.instance.retry(self._reader.image)
        for obj in await image.list(prefix, walk):
            yield obj

    def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return one_level(self.list(prefix, walk), prefix)

    async def _file(self, obj: ObjectInfo) -> File:
        image = await self._reader.image()
        if obj.version not in {None, image.digest}:
            raise ObjectChanged(f"{self.location} has the digest {image.digest} now")
        return image.file(obj.key)

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        file, length = await self._file(obj), len(into)
        whole = start == 0 and length == file.size
        if file.compressed:
            await self._read_compressed(file, start, into)
        else:
            try:
                await self._registry.read(file.blob, file.offset + start, into)
            except NoRanges:
                raise OnlyInOrder(
                    "the registry sent the whole layer instead of a range", replace(obj, ranged=False)
                ) from None
        return Head(obj.version, file.size, {"sha256": file.sha256} if whole else {}, properties=NO_PROPERTIES)

    async def _read_compressed(self, file: File, start: int, into: memoryview | Sink) -> None:
        buffer = into if isinstance(into, memoryview) else memoryview(bytearray(len(into)))
        async with self._streams.open(file.blob, file.offset + start, len(buffer)) as reader:
            await fill_buffer(reader, buffer)
        if not isinstance(into, memoryview):
            await self._registry.instance.disk.run(partial(_store, into, buffer))

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        file = await self._file(obj)
        if not file.size:
            yield _Limited(None, 0)
        elif file.compressed:
            async with self._streams.open(file.blob, file.offset, file.size) as reader:
                yield reader
        else:
            async with self._registry.stream(file.blob, file.offset) as reply:
                yield _Limited(reply, file.size)

    async def aclose(self) -> None:
        """Release the layers that are open. The instance owns the connections."""
        await self._streams.aclose()


class _Limited:
    """Reader of the first bytes of a body."""

    def __init__(self, body: Reader | None, size: int) -> None:
        self._body = body
        self._rest = size

    async def readinto(self, view: memoryview) -> int:
        """See `Reader.readinto`."""
        if self._body is None or not self._rest:
            return 0
        count = await self._body.readinto(view[: self._rest])
        if not count:
            raise TransportError(f"the layer ends {self._rest} bytes before its size", retryable=True)
        self._rest -= count
        return count


def _store(sink: Sink, data: memoryview) -> None:
    fill(sink, data)
    sink.flush()
