"""Copy objects within the service, without downloading them.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite
"""

import json
from collections.abc import Callable

from ...types import ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...types.write_options import WriteOptions, apply_options, given_options
from ...uri import Location
from ...wire import Response
from . import replies
from .bucket import Bucket
from .customer_key import copy_source_headers
from .preconditions import condition, refuse_existing
from .properties import to_resource, write_query
from .stored_object import stored_object

__all__ = ["copy"]

# Statuses for a token that is not valid any more: the copy begins anew, once. Tokens are valid for a week.
_REFUSED = {400, 410}


async def copy(
    bucket: Bucket,
    src: Location,
    obj: ObjectInfo,
    key: str,
    options: WriteOptions | None = None,
    *,
    overwrite: bool = True,
    on_copied: Callable[[int], None] | None = None,
) -> ObjectInfo | Response:
    """Copy the given version of an object; see `Backend.copy`.

    A copy within one location and storage class takes one request. Otherwise, each request copies some of the bytes and
    returns a token to continue with, also after a failure.

    Returns:
        The stored object, or the reply if its status is 404: the source object or the destination bucket is missing.
    """
    path = f"{bucket.at(src).path(obj.key)}/rewriteTo{bucket.path(key).removeprefix('/storage/v1')}"
    query = dict(condition(overwrite=overwrite))
    if obj.version is not None:
        query["sourceGeneration"] = obj.version
    query |= write_query(Properties(options=options), key="destinationKmsKeyName")
    headers = copy_source_headers(bucket.config)
    body: memoryview | None = None
    if not {"acl", "kms_key_id"}.issuperset(given_options(options)):
        # A resource in the body replaces all properties of the source.
        known = obj.properties or (await bucket.at(src).stat(obj.key, obj.version)).properties or NO_PROPERTIES
        body = memoryview(json.dumps(to_resource(apply_options(options, known), obj.key)).encode())
        headers.append(("content-type", "application/json"))
    refused = False

    async def step() -> Response:
        reply = await bucket.send("POST", path, query, headers, body=body)
        if reply.status in {200, 404} or (reply.status in _REFUSED and "rewriteToken" in query and not refused):
            return reply
        refuse_existing(reply, key, overwrite=overwrite)
        raise bucket.error(reply, obj.key)

    while True:
        # Retried here and not by the caller, who would begin anew: a copy may take many requests of 30 s each.
        reply = await bucket.instance.retry(step)
        if reply.status == 404:
            return reply
        refuse_existing(reply, key, overwrite=overwrite)
        if reply.status != 200:
            refused = True
            del query["rewriteToken"]
            continue
        progress = replies.json_object(reply)
        if progress.get("done"):
            return stored_object(progress.get("resource") or {}, key, obj.size, obj.checksums.get("crc32c"))
        if on_copied is not None:
            on_copied(int(progress.get("totalBytesRewritten") or 0))
        query["rewriteToken"] = str(progress.get("rewriteToken"))
