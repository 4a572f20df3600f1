"""Copying inside the service: no byte comes here.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html
"""

import asyncio
from contextlib import suppress
from dataclasses import replace

import anyio

from ...errors import ObjectChanged, StorageError
from ...runtime import part_sizes
from ...types import GiB, MiB, ObjectInfo, Part, Receipt
from ...types.properties import NO_PROPERTIES, Properties
from ...uri import Location
from . import replies
from .bucket import Bucket, Headers
from .identity import resolve
from .signature import quote_key
from .tags import tags
from .upload import S3Upload

__all__ = ["copy"]

# The largest object that one request copies, and the parts of a larger one.
_ONE_REQUEST = 5 * GiB
_PART = 512 * MiB
_AT_ONCE = 8
# How long the cleanup after a failure may take, in seconds.
_ABORT_DEADLINE = 10.0


async def copy(bucket: Bucket, src: Location, obj: ObjectInfo, key: str) -> ObjectInfo:
    """Copy an object, in the version that is known; see `Backend.copy`."""
    headers = _source(src, obj)
    if (obj.size or 0) > _ONE_REQUEST:
        return await _in_parts(bucket, src, obj, key, headers)
    reply = await bucket.ask("PUT", key, headers, iam=True)
    if reply.status != 200:
        raise bucket.error(reply, obj.key)
    tag = replies.quoted(bucket.field(reply, "ETag"))
    return ObjectInfo(key, obj.size, tag, etag=tag, checksums=replies.copied(reply, md5_tags=not bucket.directory))


def _source(src: Location, obj: ObjectInfo) -> list[tuple[str, str]]:
    name = f"{src.root}/{obj.key}"
    if src.root.startswith("arn:"):  # in this header only the form with a slash is documented
        name = f"{src.root.replace(':accesspoint:', ':accesspoint/')}/object/{obj.key}"
    headers = [("x-amz-copy-source", quote_key(name))]
    if obj.etag is not None:
        headers.append(("x-amz-copy-source-if-match", obj.etag))
    return headers


async def _in_parts(bucket: Bucket, src: Location, obj: ObjectInfo, key: str, headers: Headers) -> ObjectInfo:
    size = obj.size or 0
    # Unlike a copy in one request, this one takes nothing but bytes along.
    upload = await _begin(bucket, key, await _properties(bucket, src, obj))
    retry = bucket.instance.retry
    receipts: dict[int, Receipt] = {}
    limit = anyio.Semaphore(_AT_ONCE)

    async def take(part: Part) -> None:
        ranged = [*headers, ("x-amz-copy-source-range", f"bytes={part.start}-{part.start + part.size - 1}")]
        async with limit:
            # A part that failed is asked for again by itself: the others have cost minutes.
            receipts[part.index] = await retry(lambda: upload.copy_part(part, obj.key, ranged))

    try:
        try:
            async with anyio.create_task_group() as group:
                for part in part_sizes.parts(size, max(_PART, -(-size // 10_000))):
                    group.start_soon(take, part)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return await retry(lambda: upload.complete([receipts[index] for index in sorted(receipts)]))
    except BaseException as error:
        with anyio.move_on_after(_ABORT_DEADLINE, shield=True), suppress(StorageError):
            await upload.abort()
        if isinstance(error, StorageError):
            error.retryable = False  # what failed has been tried again; not all of it once more
        raise


async def _begin(bucket: Bucket, key: str, properties: Properties) -> S3Upload:
    """Begin an upload, and abort it if the call is cancelled in this very moment."""
    beginning = asyncio.ensure_future(S3Upload.begin(bucket, key, properties))
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        with anyio.move_on_after(_ABORT_DEADLINE, shield=True), suppress(StorageError):
            await (await beginning).abort()
        raise


async def _properties(bucket: Bucket, src: Location, obj: ObjectInfo) -> Properties:
    """What the source's object has beside its bytes, in the version that is copied."""
    identity = await resolve(src.root, bucket.config, bucket.instance)
    source = Bucket(src, bucket.config, identity, bucket.instance)
    found = await source.stat(obj.key)
    if obj.etag not in {None, found.etag}:
        raise ObjectChanged(f"the object {obj.key!r} was replaced before it was copied")
    properties = found.properties or NO_PROPERTIES
    return properties if properties.tags is not None else replace(properties, tags=await tags(source, obj))
