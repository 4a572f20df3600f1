"""Under which keys the objects of a copy go."""

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..contract import Backend
from ..engine.job import Job
from ..engine.transfer import Transfer, one
from ..errors import InvalidConfig, ModelMissingError, Skipped, UnsafeKey, UnsupportedOperation
from ..instance import Instance
from ..types import ObjectInfo
from ..uri import Location
from .resolve import Prefix, resolve
from .selection import Options, Selection
from .skipped import Skips, under

__all__ = ["copy", "overlap_on_disk", "same_root"]


async def copy(
    instance: Instance,
    source: Backend,
    location: Location,
    destination: Backend,
    target: Location,
    options: Options,
) -> Location:
    """Copy what a location names to a bucket, container or repository; see `AsyncStorage.copy`.

    Returns:
        Where the object is now, or the prefix.
    """
    if not destination.capabilities.writable:
        raise UnsupportedOperation(f"{target.scheme}:// can only be read")
    skips = options.skips(location.key)
    found = await resolve(source, location.key, instance.retry, skips.walk)
    job = Job(
        source,
        destination,
        instance,
        options.on_event,
        dry_run=options.dry_run,
        verify=options.verify,
        on_stored=options.on_stored,
    )
    same = same_root(source, destination)
    if isinstance(found, Prefix):
        async with aclosing(found.objects):
            base = under(target.key)
            if same and (base.startswith(found.key) or found.key.startswith(base)):
                raise InvalidConfig(f"{found.key!r} and {base!r} overlap", hint="choose a prefix beside the source")
            selection = Selection(found, options, skips)
            on_disk = source.location.scheme == "file"
            await job.run(_transfers(selection, base, skips if on_disk else None))
            skips.check("copied everything but")
            selection.check()
            if on_disk and not selection.found and options.wanted is None:
                cause = f"the directory /{found.key} is empty: there is nothing to copy"
                raise ModelMissingError(f"/{found.key}", cause=cause)
            return target.at(base)
    name = location.name if found.name is None else found.name
    options.let_object(location.key, name)
    key = target.key + name if not target.key or target.key.endswith("/") else target.key
    if not key or key.endswith("/"):
        raise InvalidConfig("the object has no name to be stored under", hint="write it into the destination")
    if same and key == found.key:
        raise InvalidConfig("source and destination are the same object")
    await job.run(one(Transfer(found, _checked(key))))
    return target.at(key)


def same_root(source: Backend, destination: Backend) -> bool:
    """Whether both are the same bucket, container or directory, by whatever URI and credentials they are reached."""
    if source.address and source.address == destination.address:
        return True
    return source.service == destination.service and source.location == destination.location


def overlap_on_disk(source: Location, target: Location) -> bool:
    """Blocking: whether two local paths are the same file, or one directory is in the other; links are followed."""
    from_, to = os.path.realpath(f"/{source.key}"), os.path.realpath(f"/{target.key}")
    many = os.path.isdir(from_)
    if not many and (target.key.endswith("/") or os.path.isdir(to)):
        to = os.path.join(to, source.name)  # a link of that name is replaced, not followed
    from_, to = under(from_), under(to)
    return to.startswith(from_) or (many and from_.startswith(to))


async def _transfers(selection: Selection, base: str, skips: Skips | None) -> AsyncGenerator[Transfer]:
    """What to move.

    Args:
        selection: The objects.
        base: What their new keys begin with.
        skips: Where to report empty directories, which are left out. None: directory markers are copied.
    """
    start = len(selection.prefix.key)

    def path_of(obj: ObjectInfo) -> str:
        return obj.key[start:]

    async for obj, path in selection.objects(path_of):
        if path:
            yield Transfer(obj, _checked(base + path), listed=True)
        elif len(obj.key) > start and skips is not None:
            skips.note(Skipped(obj.key, "empty directory", "empty directory, which object stores do not have"))
        elif len(obj.key) > start:  # a directory marker
            yield Transfer(obj, base + obj.key[start:], listed=True)


def _checked(key: str) -> str:
    try:
        key.encode()
    except UnicodeEncodeError:  # a file's name may hold any bytes, a key may not
        raise UnsafeKey(f"the name {key!r} is not UTF-8", hint="rename the file") from None
    return key
