"""Copying inside an account: no byte comes here.

Source: https://learn.microsoft.com/rest/api/storageservices/copy-blob
"""

from contextlib import suppress
from dataclasses import replace

import anyio

from ...errors import AccessDenied, ModelMissingError, ServiceError, StorageError
from ...types import ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...wire import Response
from . import replies
from .container import Container
from .properties import tag_header
from .tags import tags

__all__ = ["copy"]

# Seconds between two questions whether a copy is done.
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0
# How long the cleanup after a failure may take, in seconds.
_ABORT_DEADLINE = 10.0


async def copy(container: Container, source: Container, obj: ObjectInfo, key: str) -> ObjectInfo:
    """Copy an object, in the version that is known; see `Backend.copy`."""
    properties = await _properties(source, obj)
    headers = [("x-ms-copy-source", await source.url(obj.key)), *tag_header(properties.tags or {})]
    if obj.etag is not None:
        headers.append(("x-ms-source-if-match", obj.etag))
    reply = await container.ask("PUT", key, headers)
    if reply.status == 404 and replies.code(reply) != "ContainerNotFound":
        raise ModelMissingError(obj.key, cause=f"there is no object {obj.key!r}", status=404, code=replies.code(reply))
    if reply.status != 202:
        raise container.error(reply, obj.key)
    name = replies.header(reply, "x-ms-copy-id")
    try:
        reply = await _done(container, reply, key, name)
    except BaseException:
        with anyio.move_on_after(_ABORT_DEADLINE, shield=True), suppress(StorageError):
            abort = {"comp": "copy", "copyid": name}
            await container.ask("PUT", key, [("x-ms-copy-action", "abort")], abort)
        raise
    tag = replies.quoted(reply.header("etag"))
    told = replies.md5(reply.header("content-md5"))
    return ObjectInfo(key, obj.size, tag, etag=tag, checksums=told, properties=properties)


async def _properties(source: Container, obj: ObjectInfo) -> Properties:
    """The properties of a copy. The service copies them by itself, all but the tags; those may be refused."""
    properties = obj.properties or (await source.stat(obj.key)).properties or NO_PROPERTIES
    if properties.tags is not None:
        return properties
    try:
        return replace(properties, tags=await tags(source, obj))
    except AccessDenied:
        return properties


async def _done(container: Container, reply: Response, key: str, name: str) -> Response:
    """Wait until the service has copied.

    Returns:
        The reply that says so.
    """
    wait = _FIRST_WAIT
    while (status := replies.header(reply, "x-ms-copy-status")) == "pending":
        await anyio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
        # A question that fails is asked again by itself: the copy goes on meanwhile.
        reply = await container.instance.retry(lambda: container.head(key))
        if replies.header(reply, "x-ms-copy-id") != name:
            raise ServiceError(f"{key!r} was replaced while it was copied")
    if status != "success":
        why = replies.header(reply, "x-ms-copy-status-description")
        raise ServiceError(f"the copy to {key!r} was {status or 'lost'}" + (f": {why}" if why else ""))
    return reply
