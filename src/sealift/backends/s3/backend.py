"""Implement the backend contract for an S3 bucket. What only some calls need is imported when it is used."""

from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ...contract import EVERYTHING, Reader, Walk
from ...errors import ObjectChanged
from ...lane_contract import ByteCount, Sink, SmallObjects
from ...runtime.module_loading import load_modules
from ...runtime.paging import Page, paginate
from ...types import Capabilities, Head, MiB, ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...types.write_options import HEADER_OPTIONS, WriteOptions
from ...uri import Location
from ...wire import Response
from .bucket import Bucket
from .listing_page import parse_listing
from .object_info import object_info, quoted_etag
from .read import WHOLE_HEADERS, head_of_reply, of_suffix, read_headers, suffix_headers
from .reply_checksums import CHECKSUMS

if TYPE_CHECKING:
    from .lane import S3Lane
    from .upload import S3Upload

__all__ = ["S3Backend"]


class S3Backend:
    """One bucket.

    Args:
        bucket: Sends the requests.
        version_id: The version of an object to read. None: the current one.
    """

    small_objects: SmallObjects | None = None

    def __init__(self, bucket: Bucket, version_id: str | None = None) -> None:
        write_options = _write_options(bucket)
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
        self.capabilities = Capabilities(
            min_part=5 * MiB,
            server_copy=bucket.general or bucket.directory,
            listable=version_id is None,
            checksums=CHECKSUMS if bucket.directory else (*CHECKSUMS, "md5"),
            compares=bucket.checksum is not None,
            tags=not bucket.directory,
            sinks=True,
            counts_sent=True,
            write_options=write_options,
            copy_options=write_options,
        )
        self.location = bucket.location
        self.address = bucket.address
        self._bucket = bucket
        self._version_id = version_id

    @property
    def service(self) -> Hashable:
        # The configuration decides the endpoint and the credentials. Amazon copies between general purpose buckets,
        # even in different regions, but not between buckets of other kinds.
        return ("s3", self._bucket.config, None if self._bucket.general else self.location.root)

    async def stat(self, key: str) -> ObjectInfo:
        return await self._bucket.stat(key, self._version_id)

    def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return self._listing(prefix, {})

    def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return self._listing(prefix, {"delimiter": "/"})

    def _listing(self, prefix: str, options: Mapping[str, str]) -> AsyncGenerator[ObjectInfo]:
        # Directory buckets accept only prefixes that end in "/": https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
        sent_prefix = prefix[: prefix.rfind("/") + 1] if self._bucket.directory else prefix

        async def page(token: str | None) -> Page:
            parameters = {"list-type": "2", "encoding-type": "url", "prefix": sent_prefix, **options}
            if token is not None:
                parameters["continuation-token"] = token
            reply = await self._bucket.send("GET", None, query=parameters)
            if reply.status != 200:
                raise self._bucket.error(reply, None)
            objects, next_token = parse_listing(reply.body)
            if sent_prefix != prefix:
                objects = [obj for obj in objects if obj.key.startswith(prefix)]
            return objects, next_token

        return paginate(page, self._bucket.instance.retry)

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        length = len(into)
        headers, expectation = read_headers(obj, start, length)
        reply = await self._bucket.fetch(obj, headers, into, expectation)
        return head_of_reply(self._bucket, obj, start, length, reply)

    async def checksums(self, obj: ObjectInfo) -> Mapping[str, str]:
        from .part_checksums import fetch_checksums

        return await fetch_checksums(self._bucket, obj)

    async def tags(self, obj: ObjectInfo) -> Mapping[str, str]:
        from .tags import fetch_tags

        return await fetch_tags(self._bucket, obj)

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        async with self._bucket.stream(obj, [("accept-encoding", "identity")]) as reply:
            if obj.version is not None and quoted_etag(reply.header("etag")) != obj.version:
                raise ObjectChanged(f"the object {obj.key!r} was replaced before it was read")
            yield reply

    @asynccontextmanager
    async def find_and_read(self, key: str, last: int | None = None) -> AsyncGenerator[tuple[ObjectInfo, Reader]]:
        headers = WHOLE_HEADERS if last is None else suffix_headers(last)
        wanted = ObjectInfo(key, None, version_id=self._version_id)
        async with self._bucket.stream(wanted, headers, success={200} if last is None else {200, 206}) as reply:
            head = Response(reply.status, reply.headers)
            obj = object_info(key, head, md5_tags=not self._bucket.directory, version_id=self._version_id)
            yield obj if last is None else of_suffix(obj, head, last), reply

    async def put(
        self,
        key: str,
        data: memoryview,
        properties: Properties = NO_PROPERTIES,
        *,
        overwrite: bool = True,
        sent: ByteCount | None = None,
    ) -> ObjectInfo:
        await self._load("put")
        from .put import condition, put_headers, refuse_existing, stored_object

        kept, digests, headers = put_headers(self._bucket, key, data, properties)
        headers = [*headers, *condition(overwrite=overwrite)]
        reply = await self._bucket.send("PUT", key, headers, body=data, sent=sent)
        refuse_existing(reply, key, overwrite=overwrite)
        return replace(stored_object(self._bucket, reply, key, len(data), digests), properties=kept)

    def open_lane(self) -> "AbstractAsyncContextManager[S3Lane] | None":
        from .lane import open_lane

        return open_lane(self._bucket) if self._bucket.is_direct else None

    async def open_upload(
        self,
        key: str,
        size: int | None,
        *,
        properties: Properties = NO_PROPERTIES,
        resume: str | None = None,
        overwrite: bool = True,
    ) -> "S3Upload":
        await self._load("upload")
        from .upload import S3Upload

        if resume is not None:
            upload = await S3Upload.reopen(self._bucket, key, resume, properties)
        else:
            upload = await S3Upload.begin(self._bucket, key, properties)
        upload.overwrite = overwrite
        return upload

    async def _load(self, module: str) -> None:
        """Import a module that a lane may be importing, too."""
        await load_modules(self._bucket.instance.disk, f"{__package__}.{module}")

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
        await self._load("server_copy")
        from .server_copy import copy

        return await copy(self._bucket, src, obj, key, options, overwrite=overwrite, on_copied=on_copied)

    async def delete(self, key: str, *, snapshots: bool = False, version: str | None = None) -> None:
        from .delete_object import delete

        await delete(self._bucket, key, version)

    async def delete_many(
        self, keys: Sequence[str], under: str, *, snapshots: bool = False, keep: Collection[str] = ()
    ) -> None:
        from .delete_objects import delete_many

        await delete_many(self._bucket, keys)

    async def presign(self, key: str, method: str, seconds: int) -> str:
        from .presign import presign

        return await presign(self._bucket, key, method, seconds)

    async def aclose(self) -> None:
        """Do nothing: the instance closes the connections."""


def _write_options(bucket: Bucket) -> tuple[str, ...]:
    """The names of the `WriteOptions` that a bucket has."""
    options = (*HEADER_OPTIONS, "expires", "metadata", "storage_class")
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-specifying-kms-encryption.html
    if bucket.directory:  # encryption belongs to the session
        return options
    encryption = () if bucket.config.customer_key is not None else ("sse", "kms_key_id", "bucket_key")
    return (*options, "tags", "acl", *encryption)
