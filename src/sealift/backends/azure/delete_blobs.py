"""Delete objects, with or without their snapshots."""

import asyncio
from collections.abc import Sequence

from ...errors import IncompleteError, ModelMissingError, ObjectChanged, ServiceError, Skipped, StorageError
from ...runtime.shielded import cancelled_once
from ...wire import Response
from . import replies
from .container import Container
from .errors import NO_CONTAINER, error_code

__all__ = ["delete", "delete_many"]

# Concurrent deletions.
_CONCURRENCY = 32
# Number of snapshots named in an error.
_NAMED = 3


async def delete(container: Container, key: str, *, snapshots: bool, version: str | None = None) -> None:
    """Delete an object; see `Backend.delete`."""
    headers = [("x-ms-delete-snapshots", "include")] if snapshots else []
    if version is not None:
        headers.append(("if-match", version))
    reply = await container.send("DELETE", key, headers)
    if reply.status == 202:
        return
    if error_code(reply) == "SnapshotsPresent":
        raise await _has_snapshots(container, key, reply)
    error = container.error(reply, key)
    if isinstance(error, ObjectChanged):
        await container.head(key)  # a missing object also fails the condition; report it as missing
        raise ObjectChanged(f"the object {key!r} was replaced", status=reply.status)
    raise error


async def _has_snapshots(container: Container, key: str, reply: Response) -> ServiceError:
    query = {"restype": "container", "comp": "list", "include": "snapshots", "prefix": key, "maxresults": "1000"}
    listing = await container.send("GET", None, query=query)
    times = replies.snapshots(listing.body, key) if listing.status == 200 else []  # listing may not be permitted
    named = ", ".join(times[:_NAMED]) + (f" and {len(times) - _NAMED} more" if len(times) > _NAMED else "")
    return ServiceError(
        f"the object {key!r} has snapshots, which would be deleted with it" + (f": {named}" if named else ""),
        hint="to delete them too, pass delete_snapshots=True",
        status=reply.status,
        code="SnapshotsPresent",
    )


async def delete_many(container: Container, keys: Sequence[str], *, snapshots: bool) -> None:
    """Delete objects; see `Backend.delete_many`.

    Each object takes one request: batches need another permission, and are limited and billed like single requests.
    """
    limit = asyncio.Semaphore(_CONCURRENCY)
    retry = container.instance.retry
    failed: list[Skipped] = []

    async def remove(key: str) -> None:
        async with limit:
            try:
                await retry(lambda: delete(container, key, snapshots=snapshots))
            except ModelMissingError as error:
                if error.path == container.location.root and error.code in NO_CONTAINER:
                    raise
            except StorageError as error:
                if error.retryable:  # the failure is not specific to this object
                    error.retryable = False  # it has been retried already
                    raise
                failed.append(Skipped(key, "not deleted", error.cause, error))

    async def remove_all() -> None:
        async with asyncio.TaskGroup() as group:
            for key in keys:
                group.create_task(remove(key))

    try:
        await cancelled_once(remove_all())
    except BaseExceptionGroup as failures:
        error: BaseException = failures
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
    if failed:
        raise IncompleteError("could not delete everything", failed)
