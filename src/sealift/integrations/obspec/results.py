"""What `get` returns, and the metadata of objects in obspec's form."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...api.facade_thread import Chunks, run
from ...types import MiB, ObjectInfo
from ...types.properties import HEADERS, Properties
from .exceptions import renamed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ...api.async_file import AsyncReadableFile

__all__ = ["GetResult", "GetResultAsync", "attributes_of", "meta_of"]

_CHUNK = 8 * MiB
# The attributes that obspec names, as HTTP header fields.
_ATTRIBUTES = ("Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Cache-Control")


def meta_of(path: str, obj: ObjectInfo) -> dict[str, Any]:
    """The metadata of an object: an `obspec.ObjectMeta`.

    Args:
        path: Its path in the store.
        obj: The object.
    """
    return {
        "path": path, "last_modified": obj.modified, "size": obj.size, "e_tag": obj.etag,
        "version": obj.version_id or obj.version,
    }  # fmt: skip


def attributes_of(properties: Properties | Mapping[str, Any]) -> dict[str, str]:
    """The headers and user metadata of an object: `obspec.Attributes`.

    Args:
        properties: The properties, or what `get_object_metadata` returns.
    """
    facts: Mapping[str, Any]
    if isinstance(properties, Properties):
        facts = {name: getattr(properties, name) for name in (*HEADERS.values(), "metadata")}
    else:
        facts = properties
    found = {header: facts[HEADERS[header]] for header in _ATTRIBUTES}
    return {header: value for header, value in found.items() if value is not None} | dict(facts["metadata"])


class _Result:
    """An object that was found, or a range of it. Read it once: at once, or by iterating.

    Args:
        file: The object, open for reading.
        meta: Its metadata.
        attributes: Its attributes.
        span: The range, as offsets of its first byte and after its last one.

    Attributes:
        meta: The metadata of the object.
        attributes: Its headers and user metadata.
        range: The range, as offsets of its first byte and after its last one.
    """

    def __init__(
        self, file: "AsyncReadableFile", meta: dict[str, Any], attributes: dict[str, str], span: tuple[int, int]
    ) -> None:
        self.meta = meta
        self.attributes = attributes
        self.range = span
        self._file = file

    async def _read(self) -> bytes:
        with renamed():
            async with self._file as file:
                await file.seek(self.range[0])
                return await file.read(self.range[1] - self.range[0])

    async def _chunks(self) -> "AsyncGenerator[bytes]":
        with renamed():
            async with self._file as file:
                await file.seek(self.range[0])
                left = self.range[1] - self.range[0]
                while left and (chunk := await file.read(min(left, _CHUNK))):
                    left -= len(chunk)
                    yield chunk

    def __del__(self) -> None:
        if not self._file.closed:
            self._file.opened.abandon()


class GetResult(_Result):
    """What `SealiftStore.get` returns: an `obspec.GetResult`."""

    def buffer(self) -> bytes:
        """Return all bytes."""
        return run(lambda _: self._read())

    def __iter__(self) -> Iterator[bytes]:
        return Chunks(lambda _: self._chunks())


class GetResultAsync(_Result):
    """What `SealiftStore.get_async` returns: an `obspec.GetResultAsync`."""

    async def buffer_async(self) -> bytes:
        """Return all bytes."""
        return await self._read()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks()
