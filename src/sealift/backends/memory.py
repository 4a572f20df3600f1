"""Backend that keeps objects in memory, for tests of the engine. No URI leads to it."""

import uuid
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from ..contract import EVERYTHING, Reader, Upload, Walk
from ..errors import ModelMissingError, ObjectChanged, ObjectExists, UnsupportedOperation
from ..integrity import checksums
from ..lane_contract import ByteCount, Sink, SmallObjects
from ..runtime.paging import one_level
from ..types import Capabilities, Head, ObjectInfo, Part, Receipt
from ..types.properties import NO_PROPERTIES, Properties
from ..types.write_options import HEADER_OPTIONS, WriteOptions, apply_options
from ..uri import Location

__all__ = ["MemoryBackend"]


class MemoryBackend:
    """A bucket in memory.

    Args:
        name: Name of the bucket, for messages.
        objects: Initial objects: key → content.

    Example:
        >>> backend = MemoryBackend("models", {"iris/weights.bin": b"..."})
    """

    small_objects: SmallObjects | None = None

    def __init__(self, name: str = "memory", objects: Mapping[str, bytes] | None = None) -> None:
        self.capabilities = Capabilities(
            server_copy=True,
            checksums=("crc64nvme",),
            compares=True,
            tags=True,
            write_options=(*HEADER_OPTIONS, "metadata", "tags"),
            copy_options=(*HEADER_OPTIONS, "metadata", "tags"),
        )
        self.location = Location("memory", name)
        self.service: Hashable = ("memory", id(self))
        self.address = ""
        self._objects: dict[str, tuple[ObjectInfo, bytes]] = {}
        for key, data in (objects or {}).items():
            self.store(key, data)

    def store(self, key: str, data: bytes, properties: Properties = NO_PROPERTIES) -> ObjectInfo:
        """Store an object without an event loop."""
        version = f'"{uuid.uuid4().hex}"'
        sums = {"crc64nvme": checksums.digest("crc64nvme", data)}
        stored = replace(properties, tags=properties.tags or {}, options=None)
        info = ObjectInfo(key, len(data), version, datetime.now(UTC), version, sums, stored)
        self._objects[key] = (info, data)
        return info

    def content(self, key: str) -> bytes:
        """Return the content of an object.

        Raises:
            ModelMissingError: The object does not exist.
        """
        return self._find(key)[1]

    def refuse_existing(self, key: str, *, overwrite: bool) -> None:
        """Raise ObjectExists if there is an object that must not be replaced."""
        if not overwrite and key in self._objects:
            raise ObjectExists(f"the object {key!r} exists already")

    def _find(self, key: str) -> tuple[ObjectInfo, bytes]:
        try:
            return self._objects[key]
        except KeyError:
            raise ModelMissingError(key, cause=f"there is no object {key!r}") from None

    def _pinned(self, obj: ObjectInfo) -> tuple[ObjectInfo, bytes]:
        info, data = self._find(obj.key)
        if obj.version is not None and info.version != obj.version:
            raise ObjectChanged(f"the object {obj.key!r} was replaced while it was read")
        return info, data

    async def stat(self, key: str) -> ObjectInfo:
        return self._find(key)[0]

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        for key in sorted(self._objects):
            if key.startswith(prefix):
                yield self._objects[key][0]

    def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return one_level(self.list(prefix), prefix)

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        assert isinstance(into, memoryview)  # noqa: S101 - `Capabilities.sinks` is False
        info, data = self._pinned(obj)
        into[:] = memoryview(data)[start : start + len(into)]
        sums = obj.checksums if len(into) == len(data) else {}
        return Head(obj.version, len(data), sums, properties=info.properties)

    async def checksums(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}  # there are no composite checksums

    async def tags(self, obj: ObjectInfo) -> Mapping[str, str]:
        properties = self._find(obj.key)[0].properties
        return (properties and properties.tags) or {}

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        yield _MemoryReader(self._pinned(obj)[1])

    def find_and_read(self, key: str, last: int | None = None) -> None:
        return None

    async def put(
        self,
        key: str,
        data: memoryview,
        properties: Properties = NO_PROPERTIES,
        *,
        overwrite: bool = True,
        sent: ByteCount | None = None,
    ) -> ObjectInfo:
        self.refuse_existing(key, overwrite=overwrite)
        return self.store(key, bytes(data), properties)

    def open_lane(self) -> None:
        return None

    async def open_upload(
        self,
        key: str,
        size: int | None,
        *,
        properties: Properties = NO_PROPERTIES,
        resume: str | None = None,
        overwrite: bool = True,
    ) -> "_MemoryUpload":
        return _MemoryUpload(self, key, properties, overwrite=overwrite)

    async def copy(
        self,
        src: Location,
        obj: ObjectInfo,
        key: str,
        options: WriteOptions | None = None,
        *,
        overwrite: bool = True,
        on_copied: Callable[[int], None] | None = None,
    ) -> ObjectInfo:
        info, data = self._pinned(obj)
        self.refuse_existing(key, overwrite=overwrite)
        return self.store(key, data, apply_options(options, info.properties or NO_PROPERTIES))

    async def delete(self, key: str, *, snapshots: bool = False, version: str | None = None) -> None:
        info, _ = self._find(key)
        if version not in {None, info.version}:
            raise ObjectChanged(f"the object {key!r} was replaced")
        del self._objects[key]

    async def delete_many(
        self, keys: Sequence[str], under: str, *, snapshots: bool = False, keep: Collection[str] = ()
    ) -> None:
        for key in keys:
            self._objects.pop(key, None)

    async def presign(self, key: str, method: str, seconds: int) -> str:
        raise UnsupportedOperation(f"{self.location.scheme}:// has no presigned URLs")

    async def aclose(self) -> None:
        """Release nothing: the objects live as long as the backend."""


class _MemoryReader:
    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    async def readinto(self, view: memoryview) -> int:
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class _MemoryUpload(Upload):
    token = ""

    def __init__(self, backend: MemoryBackend, key: str, properties: Properties, *, overwrite: bool) -> None:
        self._backend = backend
        self._key = key
        self._properties = properties
        self._overwrite = overwrite
        self._parts: dict[int, bytes] = {}

    async def write_part(self, part: Part, data: memoryview, sent: ByteCount | None = None) -> Receipt:
        self._parts[part.index] = bytes(data)
        return Receipt(part, checksums={"crc64nvme": checksums.digest("crc64nvme", data)})

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        self._backend.refuse_existing(self._key, overwrite=self._overwrite)
        data = b"".join(self._parts[receipt.part.index] for receipt in receipts)
        return self._backend.store(self._key, data, self._properties)

    async def abort(self) -> None:
        self._parts.clear()
