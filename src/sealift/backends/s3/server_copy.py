"""Copy objects within the service, without downloading them.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import anyio

from ...errors import ObjectChanged, StorageError
from ...runtime import part_sizes
from ...types import GiB, MiB, ObjectInfo, Part, Receipt
from ...types.properties import HEADERS, NO_PROPERTIES, Properties
from ...types.write_options import WriteOptions, apply_options, given_options
from ...uri import Location
from . import xml
from .access import resolve_access
from .access_headers import copy_source_headers
from .bucket import Bucket, Headers
from .object_info import quoted_etag, version_query
from .properties import to_headers
from .put import condition, refuse_existing
from .reply_checksums import copy_checksums
from .signature import quote_key, quote_query
from .tags import fetch_tags
from .upload import S3Upload

__all__ = ["copy"]

# The largest object that one request can copy. Larger objects are copied in parts.
_LARGEST_SINGLE_COPY = 5 * GiB
_PART_SIZE = 512 * MiB
_CONCURRENCY = 8
# Seconds that aborting after a failure may take.
_ABORT_TIMEOUT = 10.0


async def copy(
    bucket: Bucket,
    src: Location,
    obj: ObjectInfo,
    key: str,
    options: WriteOptions | None = None,
    *,
    overwrite: bool = True,
    on_copied: Callable[[int], None] | None = None,
) -> ObjectInfo:
    """Copy the given version of an object; see `Backend.copy`."""
    headers = [*_source_headers(src, obj), *copy_source_headers(bucket.object_headers)]
    if (obj.size or 0) > _LARGEST_SINGLE_COPY:
        return await _copy_in_parts(bucket, src, obj, key, headers, options, overwrite=overwrite, on_copied=on_copied)
    written = [] if options is None else await _written_headers(bucket, src, obj, options)
    reply = await bucket.send("PUT", key, [*headers, *written, *condition(overwrite=overwrite)], iam=True)
    if "source" not in xml.fields(reply).get("Condition", "").lower():  # the condition that failed
        refuse_existing(reply, key, overwrite=overwrite)
    if reply.status != 200:
        raise bucket.error(reply, obj.key)
    tag = quoted_etag(bucket.required_field(reply, "ETag"))
    return ObjectInfo(key, obj.size, tag, etag=tag, checksums=copy_checksums(reply, md5_tags=not bucket.directory))


def _source_headers(src: Location, obj: ObjectInfo) -> list[tuple[str, str]]:
    name = f"{src.root}/{obj.key}"
    if src.root.startswith("arn:"):  # in this header, only the form with a slash is documented
        name = f"{src.root.replace(':accesspoint:', ':accesspoint/')}/object/{obj.key}"
    version = quote_query(version_query(obj))
    headers = [("x-amz-copy-source", quote_key(name) + (f"?{version}" if version else ""))]
    if obj.etag is not None:
        headers.append(("x-amz-copy-source-if-match", obj.etag))
    return headers


async def _written_headers(bucket: Bucket, src: Location, obj: ObjectInfo, options: WriteOptions) -> Headers:
    """The headers of a CopyObject that stores something else than the source has.

    Headers and metadata are either all copied or all replaced:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """
    properties = NO_PROPERTIES
    directives: list[tuple[str, str]] = []
    if not {*HEADERS.values(), "metadata"}.isdisjoint(given_options(options)):
        known = obj.properties or (await _source_object(bucket, src, obj)).properties or NO_PROPERTIES
        properties = replace(known, tags={})  # tags have a directive of their own
        directives.append(("x-amz-metadata-directive", "REPLACE"))
    if options.tags is not None:
        directives.append(("x-amz-tagging-directive", "REPLACE"))
    _, headers = to_headers(apply_options(options, properties), obj.key)
    return [*directives, *headers]


async def _copy_in_parts(
    bucket: Bucket,
    src: Location,
    obj: ObjectInfo,
    key: str,
    headers: Headers,
    options: WriteOptions | None,
    *,
    overwrite: bool,
    on_copied: Callable[[int], None] | None,
) -> ObjectInfo:
    size = obj.size or 0
    # Unlike CopyObject, a multipart copy does not copy the properties.
    properties = await _source_properties(bucket, src, obj, options)
    upload = await _begin(bucket, key, properties)
    upload.overwrite = overwrite
    retry = bucket.instance.retry
    receipts: dict[int, Receipt] = {}
    limit = anyio.Semaphore(_CONCURRENCY)

    async def copy_part(part: Part) -> None:
        ranged = [*headers, ("x-amz-copy-source-range", f"bytes={part.start}-{part.start + part.size - 1}")]
        async with limit:
            # Retry only the part that failed: copying the others took minutes.
            receipts[part.index] = await retry(lambda: upload.copy_part(part, obj.key, ranged))
        if on_copied is not None:
            on_copied(sum(receipt.part.size for receipt in receipts.values()))

    try:
        try:
            async with anyio.create_task_group() as group:
                for part in part_sizes.parts(size, max(_PART_SIZE, -(-size // 10_000))):
                    group.start_soon(copy_part, part)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return await retry(lambda: upload.complete([receipts[index] for index in sorted(receipts)]))
    except BaseException as error:
        with anyio.move_on_after(_ABORT_TIMEOUT, shield=True), suppress(StorageError):
            await upload.abort()
        if isinstance(error, StorageError):
            error.retryable = False  # the parts were retried already; do not retry the whole copy
        raise


async def _begin(bucket: Bucket, key: str, properties: Properties) -> S3Upload:
    """Begin an upload; abort it if the call is cancelled while it begins."""
    beginning = asyncio.ensure_future(S3Upload.begin(bucket, key, properties))
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        with anyio.move_on_after(_ABORT_TIMEOUT, shield=True), suppress(StorageError):
            await (await beginning).abort()
        raise


async def _source_properties(
    bucket: Bucket, src: Location, obj: ObjectInfo, options: WriteOptions | None
) -> Properties:
    """The properties to write: those of the source object in the version that is copied, replaced by the options."""
    current = await _source_object(bucket, src, obj)
    properties = apply_options(options, current.properties or NO_PROPERTIES)
    if properties.tags is not None:
        return properties
    return replace(properties, tags=await fetch_tags(await _source_bucket(bucket, src), obj))


async def _source_object(bucket: Bucket, src: Location, obj: ObjectInfo) -> ObjectInfo:
    """The source object with its properties."""
    current = await (await _source_bucket(bucket, src)).stat(obj.key, obj.version_id)
    if obj.etag not in {None, current.etag}:
        raise ObjectChanged(f"the object {obj.key!r} was replaced before it was copied")
    return current


async def _source_bucket(bucket: Bucket, src: Location) -> Bucket:
    access = await resolve_access(src.root, bucket.config, bucket.instance)
    return Bucket(src, bucket.config, access, bucket.instance)
