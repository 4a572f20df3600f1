"""Finding and deleting what only the destination of a sync has."""

import os
import stat
from array import array
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, pairwise

from ..compressed_list import CompressedList
from ..contract import Walk
from ..errors import Skipped
from ..keys import paths
from ..keys.patterns import Patterns
from ..types import ObjectInfo
from .call_options import CallOptions
from .delete import delete_keys, refuse_links
from .listed_objects import ListedObjects
from .open_location import OpenLocation
from .skip_report import as_prefix

__all__ = ["DestinationListing", "SourcePaths", "delete_extras", "list_destination"]


@dataclass(slots=True)
class DestinationListing:
    """The content of the destination; all paths are relative to it.

    Attributes:
        objects: Objects by path. Those that the source has are looked up.
        markers: Paths of directory markers, each with its final "/".
        links: Paths of links to files that are also listed under another path.
        skipped: Entries that a local listing leaves out: broken links, FIFOs …, and unreadable directories.
    """

    objects: ListedObjects = field(default_factory=ListedObjects)
    markers: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(slots=True)
class SourcePaths:
    """The content of the source; all paths are relative to it.

    Attributes:
        objects: Paths of objects. Needed only to delete files on a disk.
        markers: Paths of directory markers, each with its final "/".
        unknown: Paths that could not be listed.
    """

    objects: CompressedList[str] = field(default_factory=CompressedList)
    markers: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


async def list_destination(destination: OpenLocation, prefix: str, patterns: Patterns) -> DestinationListing:
    """List what a sync may replace or delete.

    Args:
        destination: The prefix or directory.
        prefix: Common prefix of its keys.
        patterns: Directories in which they exclude everything are not read.
    """
    listing = DestinationListing()
    versions = array("q")
    walk = Walk(lambda key: patterns.may_match_below(key[len(prefix) :]), listing.skipped.append)
    async for obj in destination.backend.list(prefix, walk):
        if paths.is_directory_marker(obj.key, obj.size):
            listing.markers.add(obj.key[len(prefix) :])
        else:
            listing.objects.add(obj.key[len(prefix) :], obj)
            if destination.on_disk:
                versions.append(hash(obj.version))
    listing.objects.sort()
    if destination.on_disk:
        listing.links = await destination.instance.disk.run(lambda: _links(listing.objects, versions))
    return listing


def _links(objects: Iterable[tuple[str, ObjectInfo]], versions: Iterable[int]) -> set[str]:
    """Blocking: links to other files of the same listing, where replacing one would change the other.

    Args:
        objects: The objects by path.
        versions: Hashes of their versions, which contain the inode, in any order.
    """
    shared = {one for one, other in pairwise(sorted(versions)) if one == other}
    if not shared:
        return set()
    return {path for path, obj in objects if hash(obj.version) in shared and os.path.islink(f"/{obj.key}")}


async def delete_extras(
    destination: OpenLocation, listing: DestinationListing, source: SourcePaths, options: CallOptions
) -> int:
    """Delete what only the destination has. Nothing is deleted at or below a path that is unknown at the source.

    Args:
        destination: The prefix or directory.
        listing: Its content.
        source: The content of the source.
        options: Options of the sync.

    Returns:
        Number of objects that were deleted.

    Raises:
        IncompleteError: Some objects could not be deleted, or some directories could not be listed. All others were
            deleted.
        UnsafeKey: An object is behind a link. Nothing was deleted.
    """
    key, matches, disk = destination.location.key, options.patterns.matches, destination.instance.disk
    prefix = as_prefix(key)
    report = options.skip_report(key, destination=True)
    extras = [path for path in listing.objects.not_found() if matches(paths.collapse(path))]
    if destination.on_disk:
        extras += _extra_directories(listing, source, options.patterns)
        for skipped in listing.skipped:
            path = skipped.key[len(prefix) :]
            if skipped.reason == "unreadable directory":
                report.fail(skipped)
            elif skipped.reason != "vanished" and matches(path):
                extras.append(path)
    keys = [prefix + path for path in extras if not _is_below(path, source.unknown)]
    if destination.on_disk:
        await disk.run(lambda: refuse_links(keys, prefix))
        needed = await disk.run(lambda: _needed(keys, (prefix + path for path in source.objects)))
        keys = [key for key in keys if key not in needed]
    keep = {prefix, *(prefix + marker for marker in source.markers)}  # directories that are empty at the source, too
    deleted = await delete_keys(destination, keys, prefix, options, report, keep)
    report.check_removal(deleted)
    return deleted


def _extra_directories(listing: DestinationListing, source: SourcePaths, patterns: Patterns) -> list[str]:
    """Markers of the directories that the source does not have."""
    if not listing.markers:
        return []
    extra = listing.markers.copy()
    for path in chain(source.objects, source.markers):
        extra.difference_update(_directories(path))
    return [path for path in extra if path and patterns.matches(path)]


def _directories(path: str) -> Iterator[str]:
    """The markers of all parent directories of a path, and of the path itself if it is a directory."""
    for index, character in enumerate(path):
        if character == "/":
            yield path[: index + 1]


def _is_below(path: str, roots: Collection[str]) -> bool:
    """Whether a path is one of these roots, or below one."""
    return path.rstrip("/") in roots or any(directory[:-1] in roots for directory in _directories(path))


def _needed(extras: Iterable[str], wanted: Iterable[str]) -> set[str]:
    """Blocking: the extra files that are also reachable under a wanted key, as through a link to their directory."""
    files: dict[tuple[int, int], list[str]] = {}
    for key in extras:
        with suppress(OSError):
            status = os.lstat(f"/{key}")
            if stat.S_ISREG(status.st_mode):
                files.setdefault((status.st_dev, status.st_ino), []).append(key)
    needed: set[str] = set()
    for key in wanted if files else ():
        with suppress(OSError):
            status = os.lstat(f"/{key}")
            for other in files.get((status.st_dev, status.st_ino), ()):
                # With a single hard link it is the same file, however its path is spelled; else compare real paths.
                if status.st_nlink == 1 or os.path.realpath(f"/{key}") == os.path.realpath(f"/{other}"):
                    needed.add(other)
    return needed
