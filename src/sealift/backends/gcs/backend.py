"""A bucket as a backend: each verb is a request, sent by the wire, and its reply read."""

from collections.abc import AsyncGenerator, Collection, Hashable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

from ...contract import EVERYTHING, Reader, Walk
from ...errors import ObjectChanged, StorageError
from ...runtime.paging import Page, paginate
from ...types import Capabilities, Head, ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...uri import Location
from ...wire import Response, check_range
from . import replies
from .bucket import Bucket
from .delete_objects import delete, delete_many
from .server_copy import copy
from .upload import PARTS, GCSUpload, put

__all__ = ["GCSBackend"]


class GCSBackend:
    """One bucket.

    Args:
        bucket: How to ask it.
    """

    # https://cloud.google.com/storage/quotas#objects
    capabilities = Capabilities(server_copy=True, checksums=replies.CHECKSUMS, compares=True)

    def __init__(self, bucket: Bucket) -> None:
        self.location = bucket.location
        self.address = bucket.address
        self._bucket = bucket

    @property
    def service(self) -> Hashable:
        # The configuration names the endpoint and who asks; the service copies between all buckets of it.
        return ("gs", self._bucket.config)

    async def stat(self, key: str) -> ObjectInfo:
        return await self._bucket.stat(key)

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        async def page(token: str | None) -> Page:
            query = {"prefix": prefix, "maxResults": "1000", "fields": f"nextPageToken,items({replies.FIELDS})"}
            if token is not None:
                query["pageToken"] = token
            reply = await self._bucket.ask("GET", self._bucket.path(), query)
            if reply.status != 200:
                raise self._bucket.error(reply, None)
            return replies.page(reply)

        async with aclosing(paginate(page, self._bucket.instance.retry)) as objects:
            async for obj in objects:
                # Parts on their way to be joined are nobody's objects, unless asked for.
                if not obj.key.startswith(PARTS) or prefix.startswith(PARTS):
                    yield obj

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview) -> Head:
        whole = start == 0 and len(into) == obj.size
        headers = [] if whole else [("range", f"bytes={start}-{start + len(into) - 1}")]
        reply = await self._bucket.fetch(obj.key, _pinned(obj), headers, into)
        if reply.status not in {200, 206}:
            raise await self._refusal(reply, obj)
        version = reply.header("x-goog-generation") or obj.version
        if obj.version is not None and version != obj.version:
            raise ObjectChanged(f"the object {obj.key!r} was replaced while it was read")
        size = check_range(reply, start, len(into))
        if obj.size is not None and size is not None and size != obj.size:
            raise ObjectChanged(f"the object {obj.key!r} has another size than before")
        return Head(version, size, replies.hashes(reply) if whole else {})

    async def checksums(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}  # nothing is composite

    async def tags(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        async with self._bucket.stream(obj.key, _pinned(obj)) as reply:
            if isinstance(reply, Response):
                raise await self._refusal(reply, obj)
            yield reply

    async def _refusal(self, reply: Response, obj: ObjectInfo) -> StorageError:
        """Why an object was not read."""
        gone = await self._bucket.gone(obj) if reply.status == 404 else None
        return gone or self._bucket.error(reply, obj.key)

    async def put(self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES) -> ObjectInfo:
        return await put(self._bucket, key, data, properties)

    async def open_upload(
        self, key: str, size: int | None, *, properties: Properties = NO_PROPERTIES, resume: str | None = None
    ) -> GCSUpload:
        if resume is None:
            return GCSUpload(self._bucket, key, properties)
        upload = GCSUpload(self._bucket, key, properties, resume)
        async with aclosing(self.list(upload.prefix)) as parts:
            upload.found([part async for part in parts])
        return upload

    async def copy(self, src: Location, obj: ObjectInfo, key: str) -> ObjectInfo:
        stored = await copy(self._bucket, src, obj, key)
        if isinstance(stored, Response):  # the source is gone, or this bucket is
            gone = await self._bucket.at(src).gone(obj)
            raise gone or self._bucket.error(stored, None)
        return stored

    async def delete(self, key: str, *, snapshots: bool = False) -> None:
        await delete(self._bucket, key)

    async def delete_many(
        self, keys: Sequence[str], under: str, *, snapshots: bool = False, keep: Collection[str] = ()
    ) -> None:
        await delete_many(self._bucket, keys)

    async def aclose(self) -> None:
        """Nothing of its own to release."""


def _pinned(obj: ObjectInfo) -> dict[str, str]:
    return {} if obj.version is None else {"generation": obj.version}
