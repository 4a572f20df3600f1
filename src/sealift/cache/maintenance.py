"""List, remove, pin and verify what is in a cache; blocking."""

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from ..frozen_dataclass import dataclass
from ..integrity.checksums import crc_digest
from ..integrity.crc import extend_crc
from ..types import MiB
from . import leases
from .blobs import digest_of, remove_blob
from .directory import CacheDirectory
from .eviction import collect_garbage, is_pinned, snapshots
from .manifest import CachedFile, Manifest
from .ownership import running_owner

__all__ = [
    "CacheEntry",
    "Checked",
    "entries",
    "entries_by_uri",
    "pin",
    "remove_stale_requests",
    "remove_unfinished",
    "unpin",
    "verify",
]

# Checksums that `verify` compares, best first.
_HASHES = ("sha256", "sha1", "md5", "git")
_CRCS = ("crc64nvme", "crc32c", "crc32")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A snapshot in a cache.

    Attributes:
        manifest: Its content.
        uris: The URIs that it was downloaded from, the first one first.
        path: Path of its file or directory.
        last_used: When it was last used, in seconds since the epoch.
        pinned: Whether it is pinned.
        used_by: The processes that use it.
    """

    manifest: Manifest
    uris: tuple[str, ...]
    path: str
    last_used: float
    pinned: bool
    used_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of reading a cached file back.

    Attributes:
        uri: URI of its snapshot.
        path: Path of the file.
        result: "intact"; "damaged": it was moved aside, and the next download replaces it; "missing"; "recorded": the
            service had no checksum, so its SHA-256 was recorded for the next time.
        algorithm: The checksum that was compared; "" for a file that is missing or has another size.
    """

    uri: str
    path: str
    result: Literal["intact", "damaged", "missing", "recorded"]
    algorithm: str = ""


def entries(cache: CacheDirectory) -> Iterator[CacheEntry]:
    """The snapshots in a cache; those that were not used for longest come first."""
    known: dict[str, list[str]] = {}
    for _, snapshot, uri in _requests(cache):
        known.setdefault(snapshot, []).append(uri)
    for last_used, snapshot in snapshots(cache):
        manifest = Manifest.read(cache, snapshot)
        if manifest is None or not os.path.isdir(cache.snapshot(snapshot)):
            continue
        uris = tuple(dict.fromkeys([manifest.uri, *known.get(snapshot, ())]))
        used_by = tuple(leases.holders(cache, snapshot))
        yield CacheEntry(manifest, uris, manifest.path_in(cache), last_used, is_pinned(cache, snapshot), used_by)


def entries_by_uri(cache: CacheDirectory, uris: Collection[str]) -> Mapping[str, list[CacheEntry]]:
    """Each of some URIs → the snapshots that were downloaded from it, with or without a slash at its end; the one that
    was used last is the last.
    """
    found: dict[str, list[CacheEntry]] = {uri.rstrip("/"): [] for uri in uris}
    for entry in entries(cache):
        for uri in {each.rstrip("/") for each in entry.uris} & found.keys():
            found[uri].append(entry)
    return {uri: found[uri.rstrip("/")] for uri in uris}


def _requests(cache: CacheDirectory) -> Iterator[tuple[str, str, str]]:
    """The path of each record of a call, the snapshot that it got, and its URI."""
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(cache.file("requests"))):
            path = cache.file("requests", name)
            with suppress(OSError, ValueError, KeyError, TypeError):
                with open(path, "rb") as file:
                    facts = json.load(file)
                yield path, str(facts["snapshot"]), str(facts["uri"])


def remove_stale_requests(cache: CacheDirectory) -> None:
    """Remove the records of calls whose snapshots have been removed."""
    there = set(os.listdir(cache.file("snapshots")))
    for path, snapshot, _ in _requests(cache):
        if snapshot not in there:
            with suppress(OSError):  # another process removes it too, or it is another user's
                os.unlink(path)


def pin(cache: CacheDirectory, snapshot: str) -> None:
    """Keep a snapshot from being evicted."""
    cache.write(cache.file("pins", snapshot), "")
    leases.prevent_eviction(cache, snapshot)


def unpin(cache: CacheDirectory, snapshot: str) -> None:
    """Let a snapshot be evicted."""
    with suppress(FileNotFoundError):
        os.unlink(cache.file("pins", snapshot))


def remove_unfinished(cache: CacheDirectory) -> None:
    """Remove unfinished downloads, and files that `verify` has moved aside; no download may be running.

    Args:
        cache: The cache.

    Raises:
        BlockingIOError: A process is downloading.
    """
    for name in os.listdir(cache.file("owners")):
        if owner := running_owner(cache, name):
            raise BlockingIOError(f"{owner} is downloading to the cache")
        with suppress(FileNotFoundError):
            os.unlink(cache.file("owners", name))
    for name in os.listdir(cache.file("work")):
        cache.discard(cache.file("work", name))
    shutil.rmtree(cache.file("damaged"), ignore_errors=True)
    collect_garbage(cache)


def verify(cache: CacheDirectory) -> Iterator[Checked]:
    """Read all files back, and compare them with their checksums. Damaged files are moved to `damaged/`.

    A snapshot is not evicted while it is read.

    Yields:
        The result for each file.
    """
    compared: dict[tuple[int, int, str], str] = {}
    for entry in entries(cache):
        snapshot = entry.manifest.snapshot
        token = leases.take(cache, snapshot)
        try:
            manifest = Manifest.read(cache, snapshot)
            if manifest is not None and os.path.isdir(cache.snapshot(snapshot)):
                yield from _verify_snapshot(cache, replace(entry, manifest=manifest), compared)
        finally:
            leases.release(cache, snapshot, token)


def _verify_snapshot(
    cache: CacheDirectory, entry: CacheEntry, compared: dict[tuple[int, int, str], str]
) -> Iterator[Checked]:
    manifest, root = entry.manifest, cache.snapshot(entry.manifest.snapshot)
    recorded = list[CachedFile]()
    for file in manifest.files:
        checked, known = _verify_file(cache, entry, file, os.path.join(root, file.path), compared)
        recorded.append(known)
        yield checked
    if tuple(recorded) != manifest.files and Manifest.read(cache, manifest.snapshot) == manifest:  # not repaired
        replace(manifest, files=tuple(recorded)).rewrite(cache)


def _verify_file(
    cache: CacheDirectory, entry: CacheEntry, file: CachedFile, path: str, compared: dict[tuple[int, int, str], str]
) -> tuple[Checked, CachedFile]:
    uri = entry.uris[0]
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return Checked(uri, path, "missing"), file
    algorithm = next((name for name in (*_HASHES, *_CRCS) if name in file.digests), "")
    if status.st_size != file.size:
        _move_aside(cache, entry, file, path)
        return Checked(uri, path, "damaged"), file
    key = (status.st_dev, status.st_ino, algorithm or "sha256")
    if key not in compared:
        compared[key] = _digest(path, key[2])
    if not algorithm:
        return Checked(uri, path, "recorded", "sha256"), replace(file, digests={"sha256": compared[key]})
    if compared[key] == file.digests[algorithm]:
        return Checked(uri, path, "intact", algorithm), file
    _move_aside(cache, entry, file, path)
    return Checked(uri, path, "damaged", algorithm), file


def _digest(path: str, algorithm: str) -> str:
    if algorithm in _HASHES:
        return digest_of(path, algorithm)
    running = 0
    with open(path, "rb") as file:
        while data := file.read(MiB):
            running = extend_crc(algorithm, data, running)
    return crc_digest(algorithm, running)


def _move_aside(cache: CacheDirectory, entry: CacheEntry, file: CachedFile, path: str) -> None:
    """Take a damaged file out of its snapshot, and its blob out of use."""
    aside = cache.file("damaged", entry.manifest.snapshot, file.path)
    os.makedirs(os.path.dirname(aside), exist_ok=True)
    os.rename(path, aside)
    if file.blob:
        remove_blob(cache, file.blob)
