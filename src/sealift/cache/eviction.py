"""Keeping a cache within its limits: the snapshots that were not used for longest are removed first; blocking."""

import os
import stat
from contextlib import suppress

from ..backends.local import free_space, taken_space
from ..config.cache import CacheSettings
from ..errors import LocalIOError
from ..frozen_dataclass import dataclass
from . import leases, ownership
from .directory import CacheDirectory, is_id
from .manifest import Manifest

__all__ = ["Usage", "collect_garbage", "evict", "is_pinned", "make_room", "snapshots", "usage"]

# The share of the disk that stays free if there is no other limit.
_STAYS_FREE = 0.1
_NAMED = 3  # snapshots that an error names
_KEPT = 7 * 24 * 3600.0  # seconds that claims and temporary files are kept


@dataclass(frozen=True, slots=True)
class Usage:
    """What a cache occupies.

    Attributes:
        bytes: Bytes of all snapshots; files that are shared count once.
        unfinished: Bytes of unfinished downloads.
    """

    bytes: int
    unfinished: int


def usage(cache: CacheDirectory) -> Usage:
    """Add up the files of a cache."""
    seen = set[tuple[int, int]]()
    kept = _occupied(cache.file("snapshots"), seen) + _occupied(cache.file("blobs"), seen)
    return Usage(kept, _occupied(cache.file("work"), seen))


def _occupied(directory: str, seen: set[tuple[int, int]]) -> int:
    total, pending = 0, [directory]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:  # removed by another process
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                    continue
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    file = (status.st_dev, status.st_ino)
                    if stat.S_ISREG(status.st_mode) and file not in seen:
                        if status.st_nlink > 1:
                            seen.add(file)
                        total += taken_space(status)
    return total


def snapshots(cache: CacheDirectory) -> list[tuple[float, str]]:
    """The snapshots: time of the last use, and ID; those that were not used for longest first."""
    found = list[tuple[float, str]]()
    with suppress(FileNotFoundError), os.scandir(cache.file("manifests")) as entries:
        for entry in entries:
            name = entry.name.removesuffix(".json")
            if is_id(name):
                with suppress(OSError):
                    found.append((entry.stat().st_mtime, name))
    return sorted(found)


def is_pinned(cache: CacheDirectory, snapshot: str) -> bool:
    """Whether a snapshot is pinned."""
    return os.path.exists(cache.file("pins", snapshot))


def evict(cache: CacheDirectory, snapshot: str) -> bool:
    """Remove a snapshot, unless a process uses it or it is pinned.

    Returns:
        Whether it was removed.
    """
    if is_pinned(cache, snapshot) or leases.holders(cache, snapshot):
        return False
    with leases.evicting(cache, snapshot) as allowed:
        if not allowed:
            return False
        aside = cache.file("trash", os.urandom(8).hex())
        with suppress(FileNotFoundError):
            os.rename(cache.snapshot(snapshot), aside)
        with suppress(FileNotFoundError):
            os.unlink(cache.file("manifests", f"{snapshot}.json"))
    cache.empty_trash()
    return True


def collect_garbage(cache: CacheDirectory) -> int:
    """Remove the blobs that no snapshot has, and what processes that were killed have left.

    Returns:
        The bytes that were freed.
    """
    cache.empty_trash()
    leases.remove_ended(cache)
    ownership.remove_ended(cache)
    for snapshot in os.listdir(cache.file("snapshots")):
        if not os.path.exists(cache.file("manifests", f"{snapshot}.json")):
            evict(cache, snapshot)  # a process was killed while it removed it
    freed, now = 0, cache.file_system_time()
    for part in ("work", "manifests", "requests", "owners", "pins", "boots"):
        for name in os.listdir(cache.file(part)):
            path = cache.file(part, name)
            if name.endswith((".tmp", ".time")):
                with suppress(OSError):
                    if os.lstat(path).st_mtime < now - _KEPT:
                        os.unlink(path)
    for directory, _, names in os.walk(cache.file("blobs")):
        for name in names:
            path = os.path.join(directory, name)
            with suppress(OSError):  # another process removes it too
                status = os.lstat(path)
                if name.startswith("claim-") or name.endswith(".tmp"):
                    if status.st_mtime < now - _KEPT:
                        os.unlink(path)
                elif status.st_nlink == 1:
                    os.unlink(path)
                    freed += taken_space(status)
    return freed


def make_room(cache: CacheDirectory, settings: CacheSettings, snapshot: str, needed: int) -> list[tuple[str, int]]:
    """Evict snapshots until a download fits.

    Args:
        cache: The cache.
        settings: Its limits.
        snapshot: The snapshot that will be downloaded.
        needed: Bytes that it needs.

    Returns:
        URI and size of those that were evicted.

    Raises:
        LocalIOError: It cannot fit, since what remains is in use or pinned.
    """
    if needed <= 0 or (excess := _excess(cache, settings, snapshot, needed)) <= 0:
        return []
    collect_garbage(cache)
    candidates, protected = _candidates(cache, snapshot)
    if (excess := _excess(cache, settings, snapshot, needed)) > sum(each.occupied for each in candidates):
        raise _no_room(cache, settings, needed, excess, protected)
    evicted, remaining = list[tuple[str, int]](), iter(candidates)
    more = 1
    while excess > 0:
        freed = 0  # at most: other snapshots may share files
        for manifest in remaining:
            if evict(cache, manifest.snapshot):
                evicted.append((manifest.uri, manifest.size))
                freed += manifest.occupied
            if freed >= more * excess:
                break
        collect_garbage(cache)
        excess = _excess(cache, settings, snapshot, needed)
        more *= 2  # it takes a while to find out how much was freed
        if not freed:
            break
    if excess > 0:
        raise _no_room(cache, settings, needed, excess, protected)
    return evicted


def _candidates(cache: CacheDirectory, snapshot: str) -> tuple[list[Manifest], list[tuple[int, str]]]:
    """Which snapshots may be evicted for another one; and for the others, the bytes of each, and why it stays."""
    candidates, protected = list[Manifest](), list[tuple[int, str]]()
    for _, each in snapshots(cache):
        manifest = Manifest.read(cache, each) or Manifest(each, "an unknown URI", "", ())
        if each == snapshot:
            continue
        if is_pinned(cache, each):
            protected.append((manifest.size, f"{manifest.uri} is pinned"))
        elif users := leases.holders(cache, each):
            protected.append((manifest.size, f"{manifest.uri} is used by {', '.join(users)}"))
        else:
            candidates.append(manifest)
    return candidates, protected


def _excess(cache: CacheDirectory, settings: CacheSettings, snapshot: str, needed: int) -> int:
    """How many bytes must be freed before a download fits; 0 or less: none."""
    disk = os.statvfs(cache.root)
    size = disk.f_blocks * disk.f_frsize
    needed += ownership.reserved_before(cache, snapshot)
    limit = settings.size if settings.share is None else int(size * settings.share)
    stays_free = int(size * _STAYS_FREE) if limit is None else 0
    unfinished = _occupied(cache.file("work"), set())  # part of what those downloads need
    excess = needed + stays_free - free_space(cache.root) - unfinished
    return excess if limit is None else max(excess, usage(cache).bytes + needed - limit)


def _no_room(
    cache: CacheDirectory, settings: CacheSettings, needed: int, excess: int, protected: list[tuple[int, str]]
) -> LocalIOError:
    limit = (
        f"is limited to {settings.size} bytes"
        if settings.size is not None
        else f"is limited to {settings.share:.0%} of its disk"
        if settings.share is not None
        else f"leaves {_STAYS_FREE:.0%} of its disk free"
    )
    largest = [f"{text} ({size} bytes)" for size, text in sorted(protected, reverse=True)[:_NAMED]]
    holds = f"; {'; '.join(largest)}" if largest else ""
    return LocalIOError(
        f"{needed} bytes do not fit into the cache {cache.path}, which {limit}: {excess} bytes too many{holds}",
        hint="set SEALIFT_CACHE_SIZE, unpin or release models, or download to a path",
    )
