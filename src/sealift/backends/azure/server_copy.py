"""Server-side copy within a storage account.

Source: https://learn.microsoft.com/rest/api/storageservices/copy-blob
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from ...errors import AccessDenied, ModelMissingError, ServiceError, StorageError
from ...types import ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...types.write_options import WriteOptions, apply_options
from ...wire import Response
from ...wire.service_message import service_message
from . import replies
from .container import Container
from .errors import error_code
from .properties import metadata_headers, tag_header, tier_headers, to_headers
from .tags import tags
from .upload import condition, refuse_existing

__all__ = ["copy"]

# Seconds between two checks of a copy's status.
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0
# Time limit for the cleanup after a failure, in seconds.
_ABORT_DEADLINE = 10.0


async def copy(
    container: Container,
    source: Container,
    obj: ObjectInfo,
    key: str,
    options: WriteOptions | None = None,
    *,
    overwrite: bool = True,
    on_copied: Callable[[int], None] | None = None,
) -> ObjectInfo:
    """Copy the given version of an object; see `Backend.copy`."""
    properties = await _properties(source, obj, options)
    headers = [("x-ms-copy-source", await source.url(obj)), *tag_header(properties.tags or {})]
    if options is not None:
        kept, _ = to_headers(properties, obj.key)  # fails for options that the service cannot store
        # Metadata in the request replaces that of the source.
        if options.metadata is not None:
            headers += metadata_headers(kept, obj.key)[1]
        headers += tier_headers(options)
    if obj.etag is not None:
        headers.append(("x-ms-source-if-match", obj.etag))
    reply = await container.send("PUT", key, [*headers, *condition(overwrite=overwrite)])
    refuse_existing(reply, key, overwrite=overwrite)
    if reply.status == 404 and error_code(reply) != "ContainerNotFound":
        raise ModelMissingError(obj.key, cause=f"there is no object {obj.key!r}", status=404, code=error_code(reply))
    if reply.status != 202:
        raise container.error(reply, obj.key)
    copy_id = replies.header(reply, "x-ms-copy-id")
    try:
        reply = await _wait_until_copied(container, reply, key, copy_id, on_copied)
    except BaseException:
        import anyio  # noqa: PLC0415 - most copies succeed

        with anyio.move_on_after(_ABORT_DEADLINE, shield=True), suppress(StorageError):
            abort = {"comp": "copy", "copyid": copy_id}
            await container.send("PUT", key, [("x-ms-copy-action", "abort")], abort)
        raise
    tag = replies.quoted(reply.header("etag"))
    checksums = replies.md5(reply.header("content-md5"))
    stored = replace(properties, options=None)
    return ObjectInfo(key, obj.size, tag, etag=tag, checksums=checksums, properties=stored)


async def _properties(source: Container, obj: ObjectInfo, options: WriteOptions | None) -> Properties:
    """Return the properties of a copy. The service copies all but the tags, which may not be readable."""
    known = obj.properties or (await source.stat(obj.key, obj.version_id)).properties or NO_PROPERTIES
    properties = apply_options(options, known)
    if properties.tags is not None:
        return properties
    try:
        return replace(properties, tags=await tags(source, obj))
    except AccessDenied:
        return properties


async def _wait_until_copied(
    container: Container, reply: Response, key: str, copy_id: str, on_copied: Callable[[int], None] | None
) -> Response:
    """Poll until the copy has completed.

    Returns:
        The last response.
    """
    wait = _FIRST_WAIT
    while (status := replies.header(reply, "x-ms-copy-status")) == "pending":
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
        # Retry only the status request: the copy continues on the server.
        reply = await container.instance.retry(lambda: container.head(key))
        if replies.header(reply, "x-ms-copy-id") != copy_id:
            raise ServiceError(f"{key!r} was replaced while it was copied")
        copied = (reply.header("x-ms-copy-progress") or "").partition("/")[0]  # such as "1024/4096"
        if on_copied is not None and copied.isdecimal():
            on_copied(int(copied))
    if status != "success":
        why = service_message(replies.header(reply, "x-ms-copy-status-description"), reply)
        raise ServiceError(f"the copy to {key!r} was {status or 'lost'}" + (f": {why}" if why else ""))
    return reply
