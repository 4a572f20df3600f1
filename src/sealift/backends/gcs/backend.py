"""Implement the backend contract for a Cloud Storage bucket."""

from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace

from ...contract import EVERYTHING, Reader, Walk
from ...errors import ModelMissingError, ObjectChanged, StorageError
from ...lane_contract import ByteCount, Sink, SmallObjects
from ...runtime.paging import Page, paginate
from ...types import Capabilities, Head, ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...types.write_options import HEADER_OPTIONS, WriteOptions
from ...uri import Location
from ...wire import Response, check_read, check_suffix
from . import replies
from .bucket import Bucket
from .delete_objects import delete, delete_many
from .lane import GCSLane, expectation, generation_query, open_lane
from .put_request import PutRequest
from .resumable_session import ResumableSession
from .retention import find_out, find_out_by_object
from .server_copy import copy
from .upload import PARTS_PREFIX, GCSUpload

__all__ = ["GCSBackend"]


class GCSBackend:
    """One bucket.

    Args:
        bucket: Sends the requests.
        version_id: The generation of an object to read. None: the current one.
    """

    small_objects: SmallObjects | None = None

    def __init__(self, bucket: Bucket, version_id: str | None = None) -> None:
        options: tuple[str, ...] = (*HEADER_OPTIONS, "metadata", "storage_class", "acl")
        if bucket.config.customer_key is None:
            options = (*options, "kms_key_id")
        # https://cloud.google.com/storage/quotas#objects
        self.capabilities = Capabilities(
            server_copy=True,
            listable=version_id is None,
            checksums=replies.CHECKSUMS,
            compares=True,
            sinks=True,
            counts_sent=True,
            write_options=options,
            copy_options=options,
        )
        self.location = bucket.location
        self.address = bucket.address
        self._bucket = bucket
        self._version_id = version_id

    @property
    def service(self) -> Hashable:
        # The configuration decides the endpoint and the credentials. The service copies between all its buckets.
        return ("gs", self._bucket.config)

    async def stat(self, key: str) -> ObjectInfo:
        return await self._bucket.stat(key, self._version_id)

    def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return self._listing(prefix, {})

    def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return self._listing(prefix, {"delimiter": "/"})

    async def _listing(self, prefix: str, options: Mapping[str, str]) -> AsyncGenerator[ObjectInfo]:
        fields = f"nextPageToken,prefixes,items({replies.FIELDS})"

        async def page(token: str | None) -> Page:
            query = {"prefix": prefix, "maxResults": "1000", "fields": fields, **options}
            if token is not None:
                query["pageToken"] = token
            reply = await self._bucket.send("GET", self._bucket.path(), query)
            if reply.status != 200:
                raise self._bucket.error(reply, None)
            return replies.parse_listing(reply)

        async with aclosing(paginate(page, self._bucket.instance.retry)) as objects:
            async for obj in objects:
                # The parts of unfinished uploads are listed only under their own prefix.
                hidden = obj.key.startswith(PARTS_PREFIX) or (obj.is_prefix and PARTS_PREFIX.startswith(obj.key))
                if not hidden or prefix.startswith(PARTS_PREFIX):
                    yield obj

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        length = len(into)
        whole = start == 0 and length == obj.size
        headers = [] if whole else [("range", f"bytes={start}-{start + length - 1}")]
        reply = await self._bucket.fetch(obj.key, generation_query(obj), headers, into, expectation(obj, start))
        if reply.status not in {200, 206}:
            raise await self._read_error(reply, obj)
        version = reply.header("x-goog-generation") or obj.version
        if obj.version is not None and version != obj.version:
            raise ObjectChanged(f"the object {obj.key!r} was replaced while it was read")
        size = check_read(reply, obj, start, length)
        return Head(version, size, replies.header_checksums(reply) if whole else {})

    async def checksums(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}  # composed objects have a CRC32C of the whole object

    async def tags(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        async with self._bucket.stream(obj.key, generation_query(obj)) as reply:
            if isinstance(reply, Response):
                raise await self._read_error(reply, obj)
            yield reply

    @asynccontextmanager
    async def find_and_read(self, key: str, last: int | None = None) -> AsyncGenerator[tuple[ObjectInfo, Reader]]:
        query = {} if self._version_id is None else {"generation": self._version_id}
        headers = [] if last is None else [("range", f"bytes=-{last}")]
        async with self._bucket.stream(key, query, headers) as reply:
            if isinstance(reply, Response):
                raise self._bucket.version_error(reply, key, self._version_id)
            head = Response(reply.status, reply.headers)
            obj = replace(replies.read_info(key, head), version_id=self._version_id)
            yield obj if last is None else replace(obj, size=check_suffix(head, last)), reply

    async def _read_error(self, reply: Response, obj: ObjectInfo) -> StorageError:
        """The error for a reply to a failed read."""
        missing = await self._bucket.missing_error(obj) if reply.status == 404 else None
        return missing or self._bucket.error(reply, obj.key)

    async def put(
        self,
        key: str,
        data: memoryview,
        properties: Properties = NO_PROPERTIES,
        *,
        overwrite: bool = True,
        sent: ByteCount | None = None,
    ) -> ObjectInfo:
        put = PutRequest.of(self._bucket, key, data, properties, overwrite=overwrite)
        reply = await self._bucket.send(put.method, put.path, put.query, put.headers, body=put.body, sent=sent)
        return put.stored(self._bucket, reply)

    def open_lane(self) -> AbstractAsyncContextManager[GCSLane] | None:
        return open_lane(self._bucket) if self._bucket.is_direct else None

    async def open_upload(
        self,
        key: str,
        size: int | None,
        *,
        properties: Properties = NO_PROPERTIES,
        resume: str | None = None,
        overwrite: bool = True,
    ) -> GCSUpload | ResumableSession:
        await find_out(self._bucket)
        if resume is None and self._bucket.keeps_objects:
            return ResumableSession(self._bucket, key, properties, overwrite=overwrite)
        upload = GCSUpload(self._bucket, key, properties, resume, overwrite=overwrite)
        if resume is None:
            return upload
        async with aclosing(self.list(upload.prefix)) as parts:
            upload.adopt([part async for part in parts])
        if not upload.same_key:
            await upload.abort()
            raise ModelMissingError(key, cause=f"the upload of {key!r} was created with another customer key")
        await find_out_by_object(self._bucket, next(iter(upload.stored_names), None))
        if self._bucket.keeps_objects:  # the parts cannot be used in a session
            raise ModelMissingError(key, cause=f"the upload of {key!r} cannot be resumed")
        return upload

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
        stored = await copy(self._bucket, src, obj, key, options, overwrite=overwrite, on_copied=on_copied)
        if isinstance(stored, Response):  # the source object or this bucket does not exist
            missing = await self._bucket.at(src).missing_error(obj)
            raise missing or self._bucket.error(stored, None)
        return stored

    async def delete(self, key: str, *, snapshots: bool = False, version: str | None = None) -> None:
        await delete(self._bucket, key, only=version)

    async def delete_many(
        self, keys: Sequence[str], under: str, *, snapshots: bool = False, keep: Collection[str] = ()
    ) -> None:
        await delete_many(self._bucket, keys)

    async def presign(self, key: str, method: str, seconds: int) -> str:
        from .presign import presign  # noqa: PLC0415 - loads cryptography

        return await presign(self._bucket, key, method, seconds)

    async def aclose(self) -> None:
        """Do nothing: the instance closes the connections."""
