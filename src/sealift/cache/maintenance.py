"""List, remove, pin and verify what is in a cache; blocking."""

import json
import os
import shutil
from collections.abc import Iterator
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
from .eviction import collect_garbage, evict, is_pinned, snapshots
from .manifest import CachedFile, Manifest
from .process_identity import ProcessIdentity

__all__ = ["CacheEntry", "Checked", "entries", "pin", "remove", "remove_unfinished", "unpin", "verify"]

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


def entries(cache: CacheDirectory, uri: str | None = None) -> Iterator[CacheEntry]:
    """The snapshots in a cache; those that were not used for longest come first.

    Args:
        cache: The cache.
        uri: Only those that were downloaded from this URI. None: all.
    """
    known = _uris(cache)
    for last_used, snapshot in snapshots(cache):
        manifest = Manifest.read(cache, snapshot)
        if manifest is None or not os.path.isdir(cache.snapshot(snapshot)):
            continue
        uris = tuple(dict.fromkeys([manifest.uri, *known.get(snapshot, ())]))
        if uri is None or uri in uris or uri.rstrip("/") in {each.rstrip("/") for each in uris}:
            used_by = tuple(leases.holders(cache, snapshot))
            path = manifest.path_in(cache)
            yield CacheEntry(manifest, uris, path, last_used, is_pinned(cache, snapshot), used_by)


def _uris(cache: CacheDirectory) -> dict[str, list[str]]:
    """The URIs of each snapshot, by the calls that got it."""
    found: dict[str, list[str]] = {}
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(cache.file("requests"))):
            with suppress(OSError, ValueError, KeyError, TypeError), open(cache.file("requests", name), "rb") as file:
                facts = json.load(file)
                found.setdefault(facts["snapshot"], []).append(facts["uri"])
    return found


def pin(cache: CacheDirectory, snapshot: str) -> None:
    """Keep a snapshot from being evicted."""
    cache.write(cache.file("pins", snapshot), "")


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
        with suppress(FileNotFoundError):
            with open(cache.file("owners", name), "rb") as file:
                identity = ProcessIdentity.parse(file.read())
            if identity is not None and identity.is_running() is not False:
                raise BlockingIOError(f"{identity} is downloading to the cache")
            os.unlink(cache.file("owners", name))
    for name in os.listdir(cache.file("work")):
        cache.discard(cache.file("work", name))
    shutil.rmtree(cache.file("damaged"), ignore_errors=True)
    collect_garbage(cache)


def verify(cache: CacheDirectory) -> Iterator[Checked]:
    """Read all files back, and compare them with their checksums. Damaged files are moved to `damaged/`.

    Yields:
        The result for each file.
    """
    compared: dict[tuple[int, int, str], str] = {}
    for entry in entries(cache):
        manifest, root = entry.manifest, cache.snapshot(entry.manifest.snapshot)
        recorded = list[CachedFile]()
        for file in manifest.files:
            checked, known = _verify_file(cache, entry, file, os.path.join(root, file.path), compared)
            recorded.append(known)
            yield checked
        if tuple(recorded) != manifest.files:
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


def remove(cache: CacheDirectory, snapshot: str) -> bool:
    """Remove a snapshot, unless a process uses it or it is pinned. Returns whether it was removed."""
    if not evict(cache, snapshot):
        return False
    collect_garbage(cache)
    return True
