"""Make a destination hold what a source holds, and move only what differs."""

from dataclasses import replace

import anyio

from . import paths
from .backend import Backend
from .comparison import By, Comparison
from .copy import below, copy, same_root
from .delete import delete_keys, refuse_links
from .download import download
from .errors import InvalidConfig, UnsupportedOperation
from .resources import Resources
from .selection import Options
from .types import ObjectInfo, Synced
from .uri import Location

__all__ = ["synchronize"]


async def synchronize(
    resources: Resources,
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
    base = below(target.key)
    if target.scheme == "file" and not base:
        raise InvalidConfig("the destination is the whole file system of this machine")
    if same_root(source, destination):
        begin = below(location.key)
        if begin.startswith(base) or base.startswith(begin):
            raise InvalidConfig(f"{begin!r} and {base!r} overlap", hint="choose a prefix beside the source")
    there: dict[str, ObjectInfo] = {}
    markers: set[str] = set()
    async for obj in destination.list(base):
        if paths.is_directory_marker(obj.key, obj.size):
            markers.add(obj.key[len(base) :])
        else:
            there[obj.key[len(base) :]] = obj
    seen: set[str] = set()
    copied = 0
    comparison = Comparison(resources, source, destination, by=by, dry_run=options.dry_run)
    await comparison.prepare((below(location.key) + path, old.key) for path, old in there.items())

    async def wanted(obj: ObjectInfo, path: str) -> bool:
        nonlocal copied
        if paths.is_directory_marker(obj.key, obj.size):
            return path not in markers
        seen.add(path)
        old = there.get(path)
        different = old is None or not await comparison.equal(obj, old)
        if different:
            copied += 1
            await comparison.before_reading(obj)
        await comparison.flush()
        return different

    def stored(obj: ObjectInfo, key: str, result: ObjectInfo) -> None:
        comparison.copied(obj, base + key if target.scheme == "file" else key, result)

    chosen = replace(options, wanted=wanted, on_stored=stored)
    try:
        if target.scheme == "file":
            await download(resources, source, location, f"/{target.key}", chosen)
        else:
            await copy(resources, source, location, destination, target, chosen)
    finally:
        with anyio.CancelScope(shield=True):
            await comparison.flush(all_of_it=True)
    let = options.patterns.let
    extras = [path for path in there if path not in seen and let(paths.collapse(path))] if delete else []
    gone = [base + path for path in extras]
    if target.scheme == "file":
        await resources.disk.run(lambda: refuse_links(gone, base))
    await delete_keys(resources, destination, gone, base, options)
    return Synced(copied, len(seen) - copied, len(extras))
