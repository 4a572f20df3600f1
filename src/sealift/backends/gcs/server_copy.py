"""Copying inside the service: no byte comes here.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite
"""

from ...types import ObjectInfo
from ...uri import Location
from ...wire import Response
from . import replies
from .bucket import Bucket
from .upload import stored

__all__ = ["copy"]


async def copy(bucket: Bucket, src: Location, obj: ObjectInfo, key: str) -> ObjectInfo | Response:
    """Copy an object, in the version that is known; see `Backend.copy`. A reply: 404, of whichever end.

    One request copies at once what stays in one place and class; else each copies some of it, and tells how to go on.
    """
    path = f"{bucket.at(src).path(obj.key)}/rewriteTo{bucket.path(key).removeprefix('/storage/v1')}"
    query = {} if obj.version is None else {"sourceGeneration": obj.version}
    while True:
        reply = await bucket.ask("POST", path, query)
        if reply.status == 404:
            return reply
        if reply.status != 200:
            raise bucket.error(reply, obj.key)
        told = replies.body(reply)
        if told.get("done"):
            return stored(told.get("resource") or {}, key, obj.size, obj.checksums.get("crc32c"))
        query["rewriteToken"] = str(told.get("rewriteToken"))
