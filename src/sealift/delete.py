"""Removing objects: one, or all below a prefix."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing

import anyio

from .backend import Backend
from .errors import InvalidConfig, UnsafeKey, UnsupportedOperation, first_of
from .resolve import Prefix, resolve
from .resources import Resources
from .selection import Options, Selection
from .types import Event, ObjectInfo
from .uri import Location

__all__ = ["delete", "delete_keys", "refuse_links"]

# Objects of one step: what S3 takes in a request.
_BATCH = 1000
_AT_ONCE = 4


async def delete(resources: Resources, backend: Backend, location: Location, options: Options) -> int:
    """Remove what a location names; see `AsyncStorage.delete`.

    Returns:
        How many objects.
    """
    if not backend.capabilities.writable:
        raise UnsupportedOperation(f"{location.scheme}:// can only be read")
    found = await resolve(backend, location.key, resources.retry)
    if isinstance(found, ObjectInfo):
        options.let_object(location.key, location.name)
        if not options.dry_run:
            await resources.retry(lambda: backend.delete(location.key))
        _tell(options, [found.key])
        return 1
    async with aclosing(found.objects):
        if location.scheme == "file" and not found.key:
            raise InvalidConfig("this would remove every file of the machine")
        return await _delete_prefix(resources, backend, found, options)


async def _delete_prefix(resources: Resources, backend: Backend, prefix: Prefix, options: Options) -> int:
    selection = Selection(prefix, options)
    on_disk = backend.location.scheme == "file"
    removed = 0
    batch: list[str] = []
    limit = anyio.Semaphore(_AT_ONCE)

    async def step(keys: Sequence[str]) -> None:
        try:
            if on_disk and not options.dry_run:
                files = await resources.disk.run(lambda: _without_links(keys, prefix.key))
                await resources.retry(lambda: backend.delete_many(files, prefix.key))
                _tell(options, keys)
            else:
                await delete_keys(resources, backend, keys, prefix.key, options)
        finally:
            limit.release()

    try:
        async with anyio.create_task_group() as group:
            async for obj, _ in selection.objects(lambda obj: obj.key):
                batch.append(obj.key)
                removed += 1
                if len(batch) == _BATCH:
                    await limit.acquire()
                    group.start_soon(step, batch)
                    batch = []
            selection.check()
            await limit.acquire()
            group.start_soon(step, batch)
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
    return removed


async def delete_keys(
    resources: Resources, backend: Backend, keys: Sequence[str], under: str, options: Options
) -> None:
    """Remove objects that a listing has told of.

    Args:
        resources: Of the instance.
        backend: Where they are.
        keys: Which.
        under: As in `Backend.delete_many`.
        options: Of the verb.
    """
    if keys and not options.dry_run:
        await resources.retry(lambda: backend.delete_many(keys, under))
    _tell(options, keys)


def _without_links(keys: Iterable[str], under: str) -> list[str]:
    """Blocking: what to remove so that these files are no longer there.

    Where one lies behind a link to a directory, that is the link: what it leads to is not below the prefix.
    """
    return list(dict.fromkeys(link or key for key, link in _links_above(keys, under)))


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
