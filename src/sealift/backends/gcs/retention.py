"""Find out whether a bucket keeps its objects, so that they cannot be deleted for some time.

Sources, under https://cloud.google.com/storage/docs/: bucket-lock, object-holds
"""

from collections.abc import Mapping
from typing import Any

from . import replies
from .bucket import Bucket

__all__ = ["RETENTION_FIELDS", "find_out", "find_out_by_object", "is_kept"]

RETENTION_FIELDS = "retentionExpirationTime,eventBasedHold,temporaryHold"
"""Fields of an object that `is_kept` needs."""

# Without the permission storage.buckets.get, which most roles for objects lack.
_UNKNOWN = {400, 401, 403, 404, 405, 501}


def is_kept(resource: Mapping[str, Any]) -> bool:
    """Whether an object cannot be deleted now.

    Args:
        resource: Its resource, with `RETENTION_FIELDS`.
    """
    return any(resource.get(field) for field in RETENTION_FIELDS.split(","))


async def find_out(bucket: Bucket) -> None:
    """Set `Bucket.keeps_objects`, unless it is known, or the service does not tell.

    Raises:
        StorageError: The service did not answer.
    """
    if bucket.keeps_objects is None and not bucket.hides_retention:
        query = {"fields": "retentionPolicy,defaultEventBasedHold"}
        reply = await bucket.send("GET", bucket.path().removesuffix("/o"), query)
        if reply.status == 200:
            resource = replies.json_object(reply)
            bucket.keeps_objects = bool(resource.get("retentionPolicy") or resource.get("defaultEventBasedHold"))
        elif reply.status in _UNKNOWN:
            bucket.hides_retention = True
        else:
            raise bucket.error(reply, None)


async def find_out_by_object(bucket: Bucket, key: str | None) -> None:
    """Set `Bucket.keeps_objects`, unless it is known, by an object of the bucket; None: there is none yet.

    Raises:
        StorageError: The service did not answer, or refused the request.
    """
    if bucket.keeps_objects is None and key is not None:
        reply = await bucket.send("GET", bucket.path(key), {"fields": RETENTION_FIELDS})
        if reply.status == 200:
            bucket.keeps_objects = is_kept(replies.json_object(reply))
        elif reply.status != 404:
            raise bucket.error(reply, key)
