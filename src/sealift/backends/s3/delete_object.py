"""Delete one object, whatever its version or only if it has a given one.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
"""

from ...errors import ObjectChanged
from .bucket import Bucket, Headers

__all__ = ["delete"]

_NOT_IMPLEMENTED = 501


async def delete(bucket: Bucket, key: str, version: str | None) -> None:
    """Delete an object; see `Backend.delete`."""
    found = await bucket.stat(key)  # DELETE succeeds even if the object does not exist
    headers: Headers = []
    if version is not None:
        if found.version != version:
            raise ObjectChanged(f"the object {key!r} was replaced")
        # Some services ignore the condition. If-Match never matches a weak ETag.
        headers = [("if-match", version)] if version.startswith('"') else []
    reply = await bucket.send("DELETE", key, headers)
    if reply.status == _NOT_IMPLEMENTED and headers:  # the version was compared just before
        reply = await bucket.send("DELETE", key)
    if reply.status == 412:
        raise ObjectChanged(f"the object {key!r} was replaced", status=reply.status)
    if reply.status not in {200, 204}:
        raise bucket.error(reply, key)
