"""Deleting objects.

The service takes a hundred deletions in one HTTP request, but counts and answers each by itself, and one after the
other: as many at once on connections of their own are as fast, and each can be tried again.
"""

from collections.abc import Sequence

from ...errors import IncompleteError, Skipped, StorageError
from .bucket import Bucket
from .parallel import at_once

__all__ = ["delete", "delete_many"]


async def delete(bucket: Bucket, key: str, *, generation: str | None = None, missing_ok: bool = False) -> None:
    """Delete an object, or one version of it; see `Backend.delete`."""
    query = {} if generation is None else {"generation": generation}
    reply = await bucket.ask("DELETE", bucket.path(key), query)
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

    await at_once(remove, keys, bucket.instance.retry)
    if failed:
        raise IncompleteError("could not delete everything", failed)
