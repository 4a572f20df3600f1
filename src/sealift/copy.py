"""Under which keys the objects of a copy go."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from .backend import Backend
from .engine import Job
from .errors import InvalidConfig, UnsafeKey, UnsupportedOperation
from .resolve import Prefix, resolve
from .resources import Resources
from .selection import Options, Selection
from .transfer import Transfer, one
from .types import ObjectInfo
from .uri import Location

__all__ = ["below", "copy", "same_root"]


async def copy(
    resources: Resources,
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
    found = await resolve(source, location.key, resources.retry)
    job = Job(
        source,
        destination,
        resources,
        options.on_event,
        dry_run=options.dry_run,
        verify=options.verify,
        on_stored=options.on_stored,
    )
    same = same_root(source, destination)
    if isinstance(found, Prefix):
        async with aclosing(found.objects):
            base = below(target.key)
            if same and (base.startswith(found.key) or found.key.startswith(base)):
                raise InvalidConfig(f"{found.key!r} and {base!r} overlap", hint="choose a prefix beside the source")
            selection = Selection(found, options)
            await job.run(_transfers(selection, base))
            selection.check()
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


def below(key: str) -> str:
    """What the keys of objects begin with that are put under a key."""
    return key if not key or key.endswith("/") else f"{key}/"


async def _transfers(selection: Selection, base: str) -> AsyncGenerator[Transfer]:
    start = len(selection.prefix.key)

    def path_of(obj: ObjectInfo) -> str:
        return obj.key[start:]

    async for obj, path in selection.objects(path_of):
        if path:
            yield Transfer(obj, _checked(base + path), listed=True)
        elif len(obj.key) > start:  # a directory marker
            yield Transfer(obj, base + obj.key[start:], listed=True)


def _checked(key: str) -> str:
    try:
        key.encode()
    except UnicodeEncodeError:  # a file's name may hold any bytes, a key may not
        raise UnsafeKey(f"the name {key!r} is not UTF-8", hint="rename the file") from None
    return key
