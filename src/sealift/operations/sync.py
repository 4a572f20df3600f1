"""Make a destination hold what a source holds, and move only what differs."""

from dataclasses import replace

import anyio

from ..contract import Backend
from ..errors import InvalidConfig, Skipped, UnsupportedOperation
from ..instance import Instance
from ..keys import paths
from ..types import ObjectInfo, Synced
from ..uri import Location
from .copy import copy, overlap_on_disk, same_root
from .download import download
from .selection import Options
from .skipped import under
from .sync_comparison import By, Comparison
from .sync_deletion import Wanted, list_destination, remove_extras

__all__ = ["synchronize"]


async def synchronize(
    instance: Instance,
    source: Backend,
    location: Location,
    destination: Backend,
    target: Location,
    options: Options,
    *,
    delete: bool,
    by: By,
) -> Synced:
    """See `AsyncStorage.sync`."""
    if not destination.capabilities.writable:
        raise UnsupportedOperation(f"{target.scheme}:// can only be read")
    begin, base = under(location.key), under(target.key)
    if target.scheme == "file" and not base:
        raise InvalidConfig("the destination is the whole file system of this machine")
    if same_root(source, destination) and (begin.startswith(base) or base.startswith(begin)):
        raise InvalidConfig(f"{begin!r} and {base!r} overlap", hint="choose a prefix beside the source")
    if location.scheme == target.scheme == "file" and await instance.disk.run(
        lambda: overlap_on_disk(location, target)
    ):
        raise InvalidConfig(f"/{begin} and /{base} overlap: a link leads from one to the other")
    there = await list_destination(instance, destination, base, options.patterns)
    found = Wanted()
    copied = 0
    comparison = Comparison(instance, source, destination, by=by, dry_run=options.dry_run)
    await comparison.prepare((begin + path, old.key) for path, old in there.objects.items())

    async def wanted(obj: ObjectInfo, path: str) -> bool:
        nonlocal copied
        if paths.is_directory_marker(obj.key, obj.size):
            found.markers.add(path)
            return path not in there.markers
        found.objects.add(path)
        old = there.objects.get(path)
        different = old is None or path in there.links or not await comparison.equal(obj, old)
        if different:
            copied += 1
            await comparison.before_reading(obj)
        await comparison.flush()
        return different

    def stored(obj: ObjectInfo, key: str, result: ObjectInfo) -> None:
        comparison.copied(obj, base + key if target.scheme == "file" else key, result)

    def skip(skipped: Skipped) -> None:
        found.unknown.add(skipped.key[len(begin) :])

    chosen = replace(options, wanted=wanted, on_stored=stored, on_skip=skip)
    try:
        if target.scheme == "file":
            await download(instance, source, location, f"/{target.key}", chosen)
        else:
            await copy(instance, source, location, destination, target, chosen)
    finally:
        with anyio.CancelScope(shield=True):
            await comparison.flush(all_of_it=True)
    if not delete:
        return Synced(copied, len(found.objects) - copied, 0)
    deleted = await remove_extras(instance, destination, target, there, found, options)
    return Synced(copied, len(found.objects) - copied, deleted)
