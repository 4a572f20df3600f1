"""What only the destination of a sync has: finding it, and removing it."""

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from ..contract import Backend, Walk
from ..errors import Skipped
from ..instance import Instance
from ..keys import paths
from ..keys.patterns import Patterns
from ..types import ObjectInfo
from ..uri import Location
from .delete import delete_keys, refuse_links
from .selection import Options
from .skipped import under

__all__ = ["There", "Wanted", "list_destination", "remove_extras"]


@dataclass(slots=True)
class There:
    """What the destination holds; all paths are relative to it.

    Attributes:
        objects: By their paths.
        markers: Directory markers, each with its "/".
        links: Links to files that are also listed under another path.
        odd: What is left out of a local listing: broken links, FIFOs … and directories that cannot be read.
    """

    objects: dict[str, ObjectInfo] = field(default_factory=dict)
    markers: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    odd: list[Skipped] = field(default_factory=list)


@dataclass(slots=True)
class Wanted:
    """What the source holds; all paths are relative to it.

    Attributes:
        objects: Paths.
        markers: Directory markers, each with its "/".
        unknown: Where the source could not be listed.
    """

    objects: set[str] = field(default_factory=set)
    markers: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


async def list_destination(instance: Instance, destination: Backend, base: str, patterns: Patterns) -> There:
    """List what a sync would replace or remove.

    Args:
        instance: Of the instance.
        destination: Where.
        base: What the keys begin with.
        patterns: Directories of which they exclude everything are not read.
    """
    there = There()
    walk = Walk(lambda key: patterns.may_match_below(key[len(base) :]), there.odd.append)
    async for obj in destination.list(base, walk):
        if paths.is_directory_marker(obj.key, obj.size):
            there.markers.add(obj.key[len(base) :])
        else:
            there.objects[obj.key[len(base) :]] = obj
    if destination.location.scheme == "file":
        there.links = await instance.disk.run(lambda: _links(there.objects))
    return there


def _links(objects: Mapping[str, ObjectInfo]) -> set[str]:
    """Blocking: links to other files of the same listing; replacing the one would change the other."""
    paths: dict[str | None, list[str]] = {}
    for path, obj in objects.items():
        paths.setdefault(obj.version, []).append(path)  # which contains the inode
    alike = [path for group in paths.values() if len(group) > 1 for path in group]
    return {path for path in alike if os.path.islink(f"/{objects[path].key}")}


async def remove_extras(
    instance: Instance, destination: Backend, target: Location, there: There, wanted: Wanted, options: Options
) -> int:
    """Remove what only the destination has. At or below what is unknown of the source, nothing is removed.

    Args:
        instance: Of the instance.
        destination: Where.
        target: The prefix or directory.
        there: What it holds.
        wanted: What the source holds.
        options: Of the sync.

    Returns:
        How many objects were removed.

    Raises:
        IncompleteError: Some could not be removed, or some directories not be listed. Everything else is gone.
        UnsafeKey: One lies behind a link. Nothing was removed.
    """
    base, let, on_disk = under(target.key), options.patterns.matches, target.scheme == "file"
    skips = options.skips(target.key, destination=True)
    extras = [path for path in there.objects if let(paths.collapse(path))]
    if on_disk:
        extras += _empty_directories(there, wanted, options.patterns)
        for skipped in there.odd:
            path = skipped.key[len(base) :]
            if skipped.reason == "unreadable directory":
                skips.fail(skipped)
            elif skipped.reason != "vanished" and let(path):
                extras.append(path)
    gone = [base + path for path in extras if path not in wanted.objects and not _is_below(path, wanted.unknown)]
    if on_disk:
        await instance.disk.run(lambda: refuse_links(gone, base))
        needed = await instance.disk.run(lambda: _needed(gone, [base + path for path in wanted.objects]))
        gone = [key for key in gone if key not in needed]
    keep = {base, *(base + marker for marker in wanted.markers)}  # they are empty at the source, too
    deleted = await delete_keys(instance, destination, gone, base, options, skips, keep)
    skips.check_removal(deleted)
    return deleted


def _empty_directories(there: There, wanted: Wanted, patterns: Patterns) -> list[str]:
    """The markers of those that the source does not have."""
    if not there.markers:
        return []
    needed = {directory for path in wanted.objects | wanted.markers for directory in _directories(path)}
    return [path for path in there.markers if path and path not in needed and patterns.matches(path)]


def _directories(path: str) -> Iterator[str]:
    """The markers of all directories on the way to a path, and of the path itself."""
    for index, character in enumerate(path):
        if character == "/":
            yield path[: index + 1]


def _is_below(path: str, places: Collection[str]) -> bool:
    """Whether a path is one of these, or lies below one."""
    return path.rstrip("/") in places or any(directory[:-1] in places for directory in _directories(path))


def _needed(gone: Iterable[str], wanted: Iterable[str]) -> set[str]:
    """Blocking: those of some files that are also found under a key that stays, as behind a link to their directory."""
    files: dict[tuple[int, int], list[str]] = {}
    for key in gone:
        with suppress(OSError):
            status = os.lstat(f"/{key}")
            if stat.S_ISREG(status.st_mode):
                files.setdefault((status.st_dev, status.st_ino), []).append(key)
    needed: set[str] = set()
    for key in wanted if files else ():
        with suppress(OSError):
            status = os.lstat(f"/{key}")
            for other in files.get((status.st_dev, status.st_ino), ()):
                # With one name only, it is that file however its name is spelled; else it may be another hard link.
                if status.st_nlink == 1 or os.path.realpath(f"/{key}") == os.path.realpath(f"/{other}"):
                    needed.add(other)
    return needed
