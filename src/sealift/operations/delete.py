"""Deleting one object, or all objects under a prefix."""

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import aclosing

import anyio

from ..errors import IncompleteError, InvalidConfig, InvalidURI, ModelMissingError, UnsafeKey, first_of
from ..types import Event, ObjectInfo
from .call_options import CallOptions
from .copy import check_writable
from .open_location import OpenLocation
from .resolve import Prefix, resolve
from .selection import Selection
from .skip_report import SkipReport

__all__ = ["delete", "delete_keys", "delete_object", "refuse_links"]

# Objects per request: the maximum of S3's DeleteObjects.
_BATCH = 1000
_MAX_CONCURRENT = 4


async def delete(place: OpenLocation, options: CallOptions) -> int:
    """Delete an object or a prefix; see `AsyncStorage.delete`.

    Returns:
        Number of objects that were deleted.
    """
    instance, backend, location = place.instance, place.backend, place.location
    check_writable(place)
    report = options.skip_report(location.key, follow=False)
    found: ObjectInfo | Prefix
    if place.on_disk and await instance.disk.run(lambda: _is_file(location.key)):
        found = ObjectInfo(location.key, None)
    else:
        found = await resolve(backend, location.key, instance.retry, report.walk)
    if isinstance(found, ObjectInfo):
        options.check_object(location.key, location.name)
        if not options.dry_run:
            await instance.retry(lambda: backend.delete(location.key, snapshots=options.delete_snapshots))
        _report_deleted(options, [found.key])
        return 1
    async with aclosing(found.objects):
        if place.on_disk and not found.key:
            raise InvalidConfig("this would delete every file of the machine")
        deleted = await _delete_prefix(place, found, options, report)
    report.check_removal(deleted)
    return deleted


async def delete_object(place: OpenLocation, *, delete_snapshots: bool) -> bool:
    """Delete one object; see `AsyncStorage.delete_object`.

    Returns:
        Whether the object existed.
    """
    key = place.location.key
    if not key:
        raise InvalidURI("the URI names a bucket, not an object", uri=str(place.location))
    try:
        await place.instance.retry(lambda: place.backend.delete(key, snapshots=delete_snapshots))
    except ModelMissingError:
        return False
    return True


def _is_file(key: str) -> bool:
    """Blocking: whether a path is a file, a link or a special file; links are not followed."""
    try:
        return not key.endswith("/") and not stat.S_ISDIR(os.lstat(f"/{key}").st_mode)
    except (OSError, ValueError):
        return False


async def _delete_prefix(place: OpenLocation, prefix: Prefix, options: CallOptions, report: SkipReport) -> int:
    selection = Selection(prefix, options, report)
    deleted = 0
    batch: list[str] = []
    limit = anyio.Semaphore(_MAX_CONCURRENT)

    async def delete_batch(keys: Sequence[str]) -> None:
        nonlocal deleted
        try:
            count = await delete_keys(place, keys, prefix.key, options, report)
            deleted += count
            if options.on_error == "stop":
                report.check_removal(deleted)
        finally:
            limit.release()

    try:
        async with anyio.create_task_group() as group:
            async for obj, _ in selection.objects(lambda obj: obj.key):
                if place.on_disk and obj.key == prefix.key:
                    continue  # the directory itself is deleted last
                batch.append(obj.key)
                if len(batch) == _BATCH:
                    await limit.acquire()
                    group.start_soon(delete_batch, batch)
                    batch = []
            selection.check_patterns()
            await limit.acquire()
            group.start_soon(delete_batch, batch)
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
    if place.on_disk and not selection.found and not options.dry_run:
        await place.backend.delete_many([prefix.key], prefix.key)
    return deleted


async def delete_keys(
    place: OpenLocation,
    keys: Sequence[str],
    under: str,
    options: CallOptions,
    report: SkipReport,
    keep: Collection[str] = (),
) -> int:
    """Delete objects that a listing found.

    Args:
        place: Their bucket, container or directory.
        keys: Their keys.
        under: As in `Backend.delete_many`.
        options: Options of the call.
        report: Receives the objects that could not be deleted.
        keep: As in `Backend.delete_many`.

    Returns:
        Number of objects that were deleted.
    """
    failed: set[str] = set()
    if keys and not options.dry_run:
        try:
            await place.instance.retry(
                lambda: place.backend.delete_many(keys, under, snapshots=options.delete_snapshots, keep=keep)
            )
        except IncompleteError as error:
            for skipped in error.skipped:
                report.fail(skipped)
                failed.add(skipped.key)
    deleted = [key for key in keys if key not in failed]
    _report_deleted(options, deleted)
    return len(deleted)


def refuse_links(keys: Iterable[str], under: str) -> None:
    """Blocking: refuse to delete files behind a link: they may be outside the directory, or belong to another key.

    Args:
        keys: Keys that begin with `under`.
        under: "" or a prefix that ends in "/".

    Raises:
        UnsafeKey: A file is behind a link.
    """
    for key, link in _links_above(keys, under):
        if link is not None:
            raise UnsafeKey(f"/{key} would be deleted, but is behind the link /{link}", hint="remove the link")


def _links_above(keys: Iterable[str], under: str) -> Iterator[tuple[str, str | None]]:
    """Each key with the outermost link among its parent directories below the prefix."""
    links: dict[str, str | None] = {}

    def link_above(directory: str) -> str | None:
        if len(directory) < len(under):
            return None
        if directory not in links:
            above = link_above(os.path.dirname(directory))
            links[directory] = above or (directory if os.path.islink(f"/{directory}") else None)
        return links[directory]

    for key in keys:
        yield key, link_above(os.path.dirname(key))


def _report_deleted(options: CallOptions, keys: Sequence[str]) -> None:
    if options.on_event is not None:
        for key in keys:
            options.on_event(Event("deleted", key))
