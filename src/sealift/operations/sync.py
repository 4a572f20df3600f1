"""Making a destination hold the objects of a source, copying only those that differ."""

from collections.abc import Iterator
from dataclasses import replace

from ..errors import InvalidConfig, ModelMissingError, Skipped
from ..keys import paths
from ..runtime.shielded import shielded
from ..types import ObjectInfo, Synced
from .call_options import By, CallOptions
from .copy import check_writable, copy_to_storage, overlap_on_disk, same_root
from .download import download_to
from .open_location import OpenLocation
from .skip_report import as_prefix
from .sync_comparison import Comparison
from .sync_deletion import SourcePaths, delete_extras, list_destination

__all__ = ["synchronize"]


async def synchronize(
    source: OpenLocation, destination: OpenLocation, options: CallOptions, *, delete: bool, by: By
) -> Synced:
    """Copy new and changed objects, and delete extra ones; see `AsyncStorage.sync`.

    Args:
        source: Prefix or directory.
        destination: Prefix or directory.
        options: Options of the call.
        delete: Delete objects that only the destination has.
        by: How objects are compared.
    """
    await _check_ends(source, destination, options)
    source_prefix, target_prefix = as_prefix(source.location.key), as_prefix(destination.location.key)
    listing = await list_destination(destination, target_prefix, options.patterns)
    seen = SourcePaths()
    found = copied = 0

    def near(key: str) -> Iterator[tuple[str, str]]:
        for old in listing.objects.near(key[len(target_prefix) :]):
            yield source_prefix + old.key[len(target_prefix) :], old.key

    comparison = Comparison(source, destination, near, by=by, dry_run=options.dry_run)

    async def needs_copy(obj: ObjectInfo, path: str) -> bool:
        nonlocal found, copied
        if paths.is_directory_marker(obj.key, obj.size):
            seen.markers.add(path)
            return path not in listing.markers
        found += 1
        if delete and destination.on_disk:
            seen.objects.append(path)
        old = listing.objects.find(path)
        different = old is None or path in listing.links or not await comparison.equal(obj, old)
        if different:
            copied += 1
            await comparison.before_reading(obj)
        await comparison.flush()
        return different

    def on_stored(obj: ObjectInfo, key: str, stored: ObjectInfo) -> None:
        comparison.copied(obj, target_prefix + key if destination.on_disk else key, stored)

    def on_skip(skipped: Skipped) -> None:
        seen.unknown.add(skipped.key[len(source_prefix) :])

    copy_options = replace(options, needs_copy=needs_copy, on_stored=on_stored, on_skip=on_skip)
    try:
        if destination.on_disk:
            await download_to(source, f"/{destination.location.key}", copy_options)
        else:
            await copy_to_storage(source, destination, copy_options)
    finally:
        await shielded(comparison.flush(force=True))
    # Neither a file nor a directory: perhaps a volume that is not mounted.
    if delete and not found and not any(seen.markers) and len(listing.objects):
        raise ModelMissingError(
            source.location.key,
            cause="the source is empty, so that nothing is deleted",
            hint="to empty the destination, use delete(recursive=True)",
        )
    deleted = await delete_extras(destination, listing, seen, options) if delete else 0
    return Synced(copied, found - copied, deleted)


async def _check_ends(source: OpenLocation, destination: OpenLocation, options: CallOptions) -> None:
    """Raise if the destination cannot be written as asked, is the whole file system, or overlaps with the source."""
    check_writable(destination, options.write_options)
    source_prefix, target_prefix = as_prefix(source.location.key), as_prefix(destination.location.key)
    if destination.on_disk and not target_prefix:
        raise InvalidConfig("the destination is the root of this machine's file system")
    if same_root(source.backend, destination.backend) and (
        source_prefix.startswith(target_prefix) or target_prefix.startswith(source_prefix)
    ):
        raise InvalidConfig(
            f"{source_prefix!r} and {target_prefix!r} overlap", hint="choose a prefix outside the source"
        )
    if source.on_disk and destination.on_disk:
        overlap = await source.instance.disk.run(lambda: overlap_on_disk(source.location, destination.location))
        if overlap:
            raise InvalidConfig(f"/{source_prefix} and /{target_prefix} overlap: a link leads from one to the other")
