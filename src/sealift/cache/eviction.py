"""Keeping a cache within its limits: the snapshots that were not used for longest are removed first; blocking."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from ..backends.local import free_space, taken_space
from ..config.cache import CacheSettings
from ..errors import LocalIOError
from ..frozen_dataclass import dataclass
from . import leases, ownership
from .directory import FULL, CacheDirectory, is_id
from .manifest import Manifest
from .unfinished import abandoned, unpacked

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


def _occupied(path: str, seen: set[tuple[int, int]]) -> int:
    """Bytes of the files below a path, without those that were seen already."""
    total = 0
    for status in _files(path):
        file = (status.st_dev, status.st_ino)
        if file not in seen:
            if status.st_nlink > 1:
                seen.add(file)
            total += taken_space(status)
    return total


def _unshared(path: str) -> int:
    """Bytes of the files below a path in `work/`, without links to blobs."""
    return sum(taken_space(status) for status in _files(path) if status.st_nlink == 1)


def _files(path: str) -> Iterator[os.stat_result]:
    pending = [path]
    while pending:
        each = pending.pop()
        with suppress(OSError):  # removed by another process, or another user's
            status = os.lstat(each)
            if stat.S_ISDIR(status.st_mode):
                pending += [os.path.join(each, name) for name in os.listdir(each)]
            elif stat.S_ISREG(status.st_mode):
                yield status


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
    manifest = cache.file("manifests", f"{snapshot}.json")
    if is_pinned(cache, snapshot) or leases.holders(cache, snapshot) or ownership.running_owner(cache, snapshot):
        return False
    try:
        aside = leases.announce_eviction(cache, snapshot)
    except OSError as error:
        if error.errno not in FULL:
            raise
        with suppress(FileNotFoundError):
            os.unlink(manifest)  # makes room for a directory on a full disk; without it, nobody finds the snapshot
        aside = leases.announce_eviction(cache, snapshot)
    if aside is None:
        return False
    gone = not is_pinned(cache, snapshot) and _moved(cache.snapshot(snapshot), aside)
    if gone:
        _moved(manifest, aside)
    cache.discard(aside)
    leases.clear(cache, snapshot)
    return gone


def _moved(path: str, aside: str) -> bool:
    """Move a file or directory, if it exists, into the directory of an eviction; False: that was prevented."""
    try:
        os.rename(path, os.path.join(aside, os.path.basename(path)))
    except FileNotFoundError:
        return os.path.isdir(aside)
    return True


def collect_garbage(cache: CacheDirectory) -> int:
    """Remove the blobs that no snapshot has, and what processes that were killed have left.

    Returns:
        The bytes that were freed.
    """
    leases.remove_ended(cache)
    ownership.remove_ended(cache)
    there = set(os.listdir(cache.file("snapshots")))
    described = {name.removesuffix(".json") for name in os.listdir(cache.file("manifests"))}
    for snapshot in there ^ {name for name in described if is_id(name)}:
        manifest = cache.file("manifests", f"{snapshot}.json")
        if os.path.isdir(cache.snapshot(snapshot)) != os.path.exists(manifest):  # still so
            evict(cache, snapshot)  # a process was killed while it published or removed it
    for snapshot in set(os.listdir(cache.file("leases"))) - there:
        leases.clear(cache, snapshot)
    cache.empty_trash()
    freed, now = 0, cache.file_system_time()
    for part in ("work", "manifests", "processes", "requests", "owners", "pins", "boots"):
        for name in os.listdir(cache.file(part)):
            path = cache.file(part, name)
            if name.endswith((".tmp", ".time")):
                with suppress(OSError):
                    if os.lstat(path).st_mtime < now - _KEPT:
                        os.unlink(path)
    blobs = [os.path.join(directory, name) for directory, _, names in os.walk(cache.file("blobs")) for name in names]
    # Links elsewhere, such as those of `download` with `dest`, do not keep a blob.
    used = set[tuple[int, int]]()
    for part in ("work", "snapshots"):  # in the order in which files move
        _occupied(cache.file(part), used)
    for path in blobs:
        name = os.path.basename(path)
        with suppress(OSError):  # another process removes it too
            status = os.lstat(path)
            if name.startswith("claim-") or name.endswith(".tmp"):
                if status.st_mtime < now - _KEPT:
                    os.unlink(path)
            elif (status.st_dev, status.st_ino) not in used:
                os.unlink(path)
                freed += taken_space(status)
    return freed


def make_room(cache: CacheDirectory, settings: CacheSettings, snapshot: str, needed: int) -> list[tuple[str, int]]:
    """Evict snapshots until a download fits. Downloads that nobody continues go first.

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
    for path in abandoned(cache, snapshot):
        with suppress(OSError):  # another user's
            cache.discard(path)
    collect_garbage(cache)
    evicted, candidates = list[tuple[str, int]](), _candidates(cache, snapshot)
    more = 1
    while (excess := _excess(cache, settings, snapshot, needed)) > 0:
        chosen, enough = list[Manifest](), 0
        for manifest in candidates:  # nothing is removed if all together are not enough
            chosen.append(manifest)
            enough += manifest.occupied
            if enough >= more * excess:
                break
        if enough < excess and not evicted:
            raise _no_room(cache, settings, snapshot, needed, excess)
        gone = [(each.uri, each.size) for each in chosen if evict(cache, each.snapshot)]
        evicted += gone
        collect_garbage(cache)
        more *= 2  # what was freed is less if other snapshots share files, and it takes a while to find out
        if not gone and (excess := _excess(cache, settings, snapshot, needed)) > 0:
            raise _no_room(cache, settings, snapshot, needed, excess)
    return evicted


def _candidates(cache: CacheDirectory, snapshot: str) -> Iterator[Manifest]:
    """The snapshots that may be evicted for another one; those that were not used for longest first."""
    for _, each in snapshots(cache):
        if each != snapshot and not is_pinned(cache, each) and not leases.holders(cache, each):
            yield Manifest.read(cache, each) or Manifest(each, "an unknown URI", "", ())


def _protected(cache: CacheDirectory, snapshot: str) -> Iterator[tuple[int, str]]:
    """The bytes of each snapshot that may not be evicted for another one, and why."""
    for _, each in snapshots(cache):
        pinned, users = is_pinned(cache, each), leases.holders(cache, each)
        why = "pinned" if pinned else f"used by {', '.join(users)}"
        if each != snapshot and (pinned or users) and (manifest := Manifest.read(cache, each)) is not None:
            yield manifest.size, f"{manifest.uri} is {why}"


def _excess(cache: CacheDirectory, settings: CacheSettings, snapshot: str, needed: int) -> int:
    """How many bytes must be freed before a download fits; 0 or less: none."""
    disk = os.statvfs(cache.root)
    size = disk.f_blocks * disk.f_frsize
    reserved, arrived = ownership.reserved_before(cache, snapshot), unpacked(cache)
    # An archive may have grown beyond what was reserved for it.
    needed += sum(max(size, sum(map(_unshared, arrived.get(each, ())))) for each, size in reserved.items())
    limit = settings.size if settings.share is None else int(size * settings.share)
    stays_free = int(size * _STAYS_FREE) if limit is None else 0
    ended = sum(map(_unshared, abandoned(cache, snapshot)))
    # The unfinished files of downloads that run are part of what those need.
    excess = needed + stays_free - free_space(cache.root) - (_unshared(cache.file("work")) - ended)
    return excess if limit is None else max(excess, usage(cache).bytes + ended + needed - limit)


def _no_room(cache: CacheDirectory, settings: CacheSettings, snapshot: str, needed: int, excess: int) -> LocalIOError:
    limit = (
        f"is limited to {settings.size} bytes"
        if settings.size is not None
        else f"is limited to {settings.share:.0%} of its disk"
        if settings.share is not None
        else f"leaves {_STAYS_FREE:.0%} of its disk free"
    )
    protected = sorted(_protected(cache, snapshot), reverse=True)
    largest = [f"{text} ({size} bytes)" for size, text in protected[:_NAMED]]
    holds = f"; {'; '.join(largest)}" if largest else ""
    return LocalIOError(
        f"{needed} bytes do not fit into the cache {cache.path}, which {limit}: {excess} bytes too many{holds}",
        hint="set SEALIFT_CACHE_SIZE, unpin or release models, or download to a path",
    )
