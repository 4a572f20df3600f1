"""Server-side copy within a storage account.

Source: https://learn.microsoft.com/rest/api/storageservices/copy-blob
"""

import asyncio
from contextlib import suppress
from dataclasses import replace

from ...errors import AccessDenied, ModelMissingError, ServiceError, StorageError
from ...types import ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...wire import Response
from ...wire.service_message import service_message
from . import replies
from .container import Container
from .properties import tag_header
from .tags import tags
from .upload import condition, refuse_existing

__all__ = ["copy"]

# Seconds between two checks of a copy's status.
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0
# Time limit for the cleanup after a failure, in seconds.
_ABORT_DEADLINE = 10.0


async def copy(
    container: Container, source: Container, obj: ObjectInfo, key: str, *, overwrite: bool = True
) -> ObjectInfo:
    """Copy the given version of an object; see `Backend.copy`."""
    properties = await _properties(source, obj)
    headers = [("x-ms-copy-source", await source.url(obj.key)), *tag_header(properties.tags or {})]
    if obj.etag is not None:
        headers.append(("x-ms-source-if-match", obj.etag))
    reply = await container.send("PUT", key, [*headers, *condition(overwrite=overwrite)])
    refuse_existing(reply, key, overwrite=overwrite)
    if reply.status == 404 and replies.code(reply) != "ContainerNotFound":
        raise ModelMissingError(obj.key, cause=f"there is no object {obj.key!r}", status=404, code=replies.code(reply))
    if reply.status != 202:
        raise container.error(reply, obj.key)
    copy_id = replies.header(reply, "x-ms-copy-id")
    try:
        reply = await _wait_until_copied(container, reply, key, copy_id)
    except BaseException:
        import anyio  # noqa: PLC0415 - most copies succeed

        with anyio.move_on_after(_ABORT_DEADLINE, shield=True), suppress(StorageError):
            abort = {"comp": "copy", "copyid": copy_id}
            await container.send("PUT", key, [("x-ms-copy-action", "abort")], abort)
        raise
    tag = replies.quoted(reply.header("etag"))
    checksums = replies.md5(reply.header("content-md5"))
    return ObjectInfo(key, obj.size, tag, etag=tag, checksums=checksums, properties=properties)


async def _properties(source: Container, obj: ObjectInfo) -> Properties:
    """Return the properties of a copy. The service copies all but the tags, which may not be readable."""
    properties = obj.properties or (await source.stat(obj.key)).properties or NO_PROPERTIES
    if properties.tags is not None:
        return properties
    try:
        return replace(properties, tags=await tags(source, obj))
    except AccessDenied:
        return properties


async def _wait_until_copied(container: Container, reply: Response, key: str, copy_id: str) -> Response:
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
    if status != "success":
        why = service_message(replies.header(reply, "x-ms-copy-status-description"), reply)
        raise ServiceError(f"the copy to {key!r} was {status or 'lost'}" + (f": {why}" if why else ""))
    return reply
