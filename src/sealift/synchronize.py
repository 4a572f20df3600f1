"""Make a destination hold what a source holds, and move only what differs."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from . import checksum, paths
from .backend import Backend
from .copy import copy
from .download import download
from .errors import InvalidConfig, Skipped, UnsupportedOperation
from .extras import Wanted, list_destination, remove_extras
from .read import chunks
from .resources import Resources
from .selection import Options
from .skips import under
from .types import ObjectInfo, Synced
from .uri import Location
from .verification import told_of

__all__ = ["differs", "synchronize"]

# Services tell times in whole seconds.
_CLOCK = timedelta(seconds=1)
_OWN_CHECKSUM = "crc64nvme"


async def synchronize(
    resources: Resources,
    source: Backend,
    location: Location,
    destination: Backend,
    target: Location,
    options: Options,
    *,
    delete: bool,
    by_checksum: bool,
) -> Synced:
    """See `AsyncStorage.sync`."""
    if not destination.capabilities.writable:
        raise UnsupportedOperation(f"{target.scheme}:// can only be read")
    base = under(target.key)
    if target.scheme == "file" and not base:
        raise InvalidConfig("the destination is the whole file system of this machine")
    if source.service == destination.service and source.location == destination.location:
        begin = under(location.key)
        if begin.startswith(base) or base.startswith(begin):
            raise InvalidConfig(f"{begin!r} and {base!r} overlap", hint="choose a prefix beside the source")
    there = await list_destination(destination, base, options.patterns)
    found = Wanted()
    copied = 0

    async def wanted(obj: ObjectInfo, path: str) -> bool:
        nonlocal copied
        if paths.is_directory_marker(obj.key, obj.size):
            found.markers.add(path)
            return path not in there.markers
        found.objects.add(path)
        old = there.objects.get(path)
        if by_checksum and old is not None and obj.size == old.size:
            different = not await _same_bytes(resources, source, obj, destination, old)
        else:
            different = old is None or differs(obj, old)
        copied += different
        return different

    def skip(skipped: Skipped) -> None:
        found.unknown.add(skipped.key[len(under(location.key)) :])

    chosen = replace(options, wanted=wanted, on_skip=skip)
    if target.scheme == "file":
        await download(resources, source, location, f"/{target.key}", chosen)
    else:
        await copy(resources, source, location, destination, target, chosen)
    if not delete:
        return Synced(copied, len(found.objects) - copied, 0)
    deleted = await remove_extras(resources, destination, target, there, found, options)
    return Synced(copied, len(found.objects) - copied, deleted)


def differs(new: ObjectInfo, old: ObjectInfo) -> bool:
    """Whether a listing leaves doubt that two objects have the same bytes.

    Args:
        new: At the source.
        old: At the destination.

    Returns:
        False if their sizes are equal, and also a checksum, the entity tags, or the order of their times: the
        destination's was written, with a second's margin, after the source's.
    """
    if new.size != old.size:
        return True
    told = checksum.common(new.checksums, old.checksums)
    if told is not None:
        return new.checksums[told] != old.checksums[told]
    if new.etag is not None and new.etag == old.etag:
        return False
    return new.modified is None or old.modified is None or old.modified - new.modified < _CLOCK


async def _same_bytes(
    resources: Resources, source: Backend, new: ObjectInfo, destination: Backend, old: ObjectInfo
) -> bool:
    """Whether the checksums of two objects are equal; a local file's is computed, a service's is asked for."""
    ends = [(source, new), (destination, old)]
    told: list[Mapping[str, str] | None] = [
        None if end.location.scheme == "file" else await _told(resources, end, obj) for end, obj in ends
    ]
    known = [sums for sums in told if sums is not None]
    match known:
        case []:
            algorithm: str | None = _OWN_CHECKSUM
        case [only]:
            algorithm = checksum.best(only, combinable=False)
        case _:
            algorithm = checksum.common(known[0], known[1])
    if algorithm is None:
        return False
    digests = [
        sums[algorithm] if sums is not None else await _computed(resources, end, obj, algorithm)
        for sums, (end, obj) in zip(told, ends, strict=True)
    ]
    return digests[0] == digests[1]


async def _told(resources: Resources, backend: Backend, obj: ObjectInfo) -> Mapping[str, str]:
    if obj.checksums:
        return obj.checksums
    found = await resources.retry(lambda: backend.stat(obj.key))
    return await resources.retry(lambda: told_of(backend, found))


async def _computed(resources: Resources, backend: Backend, obj: ObjectInfo, algorithm: str) -> str:
    found = chunks(resources, backend, obj, 0, obj.size)
    if algorithm in checksum.COMBINABLE:
        return checksum.combine(algorithm, [(checksum.digest(algorithm, chunk), len(chunk)) async for chunk in found])
    running = checksum.Running(algorithm)
    async for chunk in found:
        running.update(chunk)
    return running.digest
