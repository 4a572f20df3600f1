"""Removing objects: one, or all below a prefix."""

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import aclosing

import anyio

from ..contract import Backend
from ..errors import IncompleteError, InvalidConfig, UnsafeKey, UnsupportedOperation, first_of
from ..instance import Instance
from ..types import Event, ObjectInfo
from ..uri import Location
from .resolve import Prefix, resolve
from .selection import Options, Selection
from .skipped import Skips

__all__ = ["delete", "delete_keys", "refuse_links"]

# Objects of one step: what S3 takes in a request.
_BATCH = 1000
_AT_ONCE = 4


async def delete(instance: Instance, backend: Backend, location: Location, options: Options) -> int:
    """Remove what a location names; see `AsyncStorage.delete`.

    Returns:
        How many objects.
    """
    if not backend.capabilities.writable:
        raise UnsupportedOperation(f"{location.scheme}:// can only be read")
    on_disk = backend.location.scheme == "file"
    skips = options.skips(location.key, follow=False)
    found: ObjectInfo | Prefix
    if on_disk and await instance.disk.run(lambda: _is_entry(location.key)):
        found = ObjectInfo(location.key, None)
    else:
        found = await resolve(backend, location.key, instance.retry, skips.walk)
    if isinstance(found, ObjectInfo):
        options.let_object(location.key, location.name)
        if not options.dry_run:
            await instance.retry(lambda: backend.delete(location.key, snapshots=options.snapshots))
        _tell(options, [found.key])
        return 1
    async with aclosing(found.objects):
        if on_disk and not found.key:
            raise InvalidConfig("this would remove every file of the machine")
        removed = await _delete_prefix(instance, backend, found, options, skips)
    skips.check_removal(removed)
    return removed


def _is_entry(key: str) -> bool:
    """Blocking: whether a path names a file, a link or a special file. What a link leads to is not asked."""
    try:
        return not key.endswith("/") and not stat.S_ISDIR(os.lstat(f"/{key}").st_mode)
    except (OSError, ValueError):
        return False


async def _delete_prefix(instance: Instance, backend: Backend, prefix: Prefix, options: Options, skips: Skips) -> int:
    selection = Selection(prefix, options, skips)
    on_disk = backend.location.scheme == "file"
    removed = 0
    batch: list[str] = []
    limit = anyio.Semaphore(_AT_ONCE)

    async def step(keys: Sequence[str]) -> None:
        nonlocal removed
        try:
            gone = await delete_keys(instance, backend, keys, prefix.key, options, skips)
            removed += gone
        finally:
            limit.release()

    try:
        async with anyio.create_task_group() as group:
            async for obj, _ in selection.objects(lambda obj: obj.key):
                if on_disk and obj.key == prefix.key:
                    continue  # the directory itself, which goes in the end
                batch.append(obj.key)
                if len(batch) == _BATCH:
                    await limit.acquire()
                    group.start_soon(step, batch)
                    batch = []
            selection.check_patterns()
            await limit.acquire()
            group.start_soon(step, batch)
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
    if on_disk and not selection.found and not options.dry_run:
        await backend.delete_many([prefix.key], prefix.key)
    return removed


async def delete_keys(
    instance: Instance,
    backend: Backend,
    keys: Sequence[str],
    under: str,
    options: Options,
    skips: Skips,
    keep: Collection[str] = (),
) -> int:
    """Remove objects that a listing has found.

    Args:
        instance: Of the instance.
        backend: Where they are.
        keys: Which.
        under: As in `Backend.delete_many`.
        options: Of the verb.
        skips: Where to report those that could not be removed.
        keep: As in `Backend.delete_many`.

    Returns:
        How many are gone.
    """
    failed: set[str] = set()
    if keys and not options.dry_run:
        try:
            await instance.retry(lambda: backend.delete_many(keys, under, snapshots=options.snapshots, keep=keep))
        except IncompleteError as error:
            for skipped in error.skipped:
                skips.fail(skipped)
                failed.add(skipped.key)
    gone = [key for key in keys if key not in failed]
    _tell(options, gone)
    return len(gone)


def refuse_links(keys: Iterable[str], under: str) -> None:
    """Blocking: raise if one of these files lies behind a link: it may be outside, or the file of another key.

    Args:
        keys: All begin with `under`.
        under: "" or what ends in "/".

    Raises:
        UnsafeKey: One does.
    """
    for key, link in _links_above(keys, under):
        if link is not None:
            raise UnsafeKey(f"/{key} would be removed, but lies behind the link /{link}", hint="remove the link")


def _links_above(keys: Iterable[str], under: str) -> Iterator[tuple[str, str | None]]:
    """Each key with the outermost link on the way to it, below the prefix."""
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


def _tell(options: Options, keys: Sequence[str]) -> None:
    if options.on_event is not None:
        for key in keys:
            options.on_event(Event("deleted", key))
