"""Copy objects within the service, without downloading them.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite
"""

from ...types import ObjectInfo
from ...uri import Location
from ...wire import Response
from . import replies
from .bucket import Bucket
from .upload import condition, refuse_existing, stored_object

__all__ = ["copy"]


async def copy(
    bucket: Bucket, src: Location, obj: ObjectInfo, key: str, *, overwrite: bool = True
) -> ObjectInfo | Response:
    """Copy the given version of an object; see `Backend.copy`.

    A copy within one location and storage class takes one request. Otherwise, each request copies some of the bytes and
    returns a token to continue with.

    Returns:
        The stored object, or the reply if its status is 404: the source object or the destination bucket is missing.
    """
    path = f"{bucket.at(src).path(obj.key)}/rewriteTo{bucket.path(key).removeprefix('/storage/v1')}"
    query = dict(condition(overwrite=overwrite))
    if obj.version is not None:
        query["sourceGeneration"] = obj.version
    while True:
        reply = await bucket.send("POST", path, query)
        if reply.status == 404:
            return reply
        refuse_existing(reply, key, overwrite=overwrite)
        if reply.status != 200:
            raise bucket.error(reply, obj.key)
        progress = replies.json_object(reply)
        if progress.get("done"):
            return stored_object(progress.get("resource") or {}, key, obj.size, obj.checksums.get("crc32c"))
        query["rewriteToken"] = str(progress.get("rewriteToken"))
