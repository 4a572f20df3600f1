"""Delete objects, with one request each.

A batch request takes a hundred deletions, but the service runs them one after the other and bills each one. Concurrent
requests are as fast, and each can be retried.
"""

from collections.abc import Sequence

from ...errors import IncompleteError, Skipped, StorageError
from .bucket import Bucket
from .concurrent_requests import for_each

__all__ = ["delete", "delete_many"]


async def delete(
    bucket: Bucket, key: str, *, generation: str | None = None, only: str | None = None, missing_ok: bool = False
) -> None:
    """Delete an object, or one version of it; see `Backend.delete`.

    Args:
        bucket: The bucket.
        key: Key of the object.
        generation: The version to delete, current or not. None: the current one.
        only: Delete the current version only if it is this one.
        missing_ok: Whether a missing object is no error.
    """
    query = {} if generation is None else {"generation": generation}
    if only is not None:
        query["ifGenerationMatch"] = only
    reply = await bucket.send("DELETE", bucket.path(key), query)
    if reply.status not in {200, 204} and not (missing_ok and reply.status == 404):
        raise bucket.error(reply, key)


async def delete_many(bucket: Bucket, keys: Sequence[str]) -> None:
    """Delete objects; see `Backend.delete_many`."""
    failed: list[Skipped] = []

    async def remove(key: str) -> None:
        try:
            await delete(bucket, key, missing_ok=True)
        except StorageError as error:
            if error.retryable:
                raise
            failed.append(Skipped(key, "not deleted", error.cause, error))

    await for_each(remove, keys, bucket.instance.retry)
    if failed:
        raise IncompleteError("could not delete everything", failed)
