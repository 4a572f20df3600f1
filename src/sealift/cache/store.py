"""The caches of one call: the one that is written to, and read-only ones that are searched first; blocking."""

import math
import os
from contextlib import suppress

from ..config.cache import CacheSettings
from ..frozen_dataclass import dataclass
from ..types import Revalidate
from . import leases
from .blobs import all_blobs, remove_blob
from .directory import FULL, CacheDirectory
from .eviction import collect_garbage, evict, snapshots
from .manifest import Manifest, current_boot
from .requests import Request
from .syncing import sync_in_background

__all__ = ["Found", "Store"]


@dataclass(frozen=True, slots=True)
class Found:
    """A snapshot that is in use by this process.

    Attributes:
        path: Path of its file or directory.
        size: Bytes of its files.
        snapshot: Its ID.
        lease: The cache that has a lease of this process on it, and the name of this process there. None: it is in a
            read-only cache.
    """

    path: str
    size: int
    snapshot: str
    lease: tuple[CacheDirectory, str] | None

    def release(self) -> None:
        """End the use."""
        if self.lease is not None:
            cache, token = self.lease
            leases.release(cache, self.snapshot, token)


class Store:
    """The caches of one call.

    Args:
        settings: Where they are.

    Attributes:
        cache: The cache that is written to.
        settings: Where they are.
        is_writable: Whether there is one that is written to: not before `open`.
    """

    def __init__(self, settings: CacheSettings) -> None:
        self.settings = settings
        self.is_writable = False
        self.cache = CacheDirectory(settings.directory)
        self._read_only = [CacheDirectory(path) for path in settings.read_only]

    def open(self) -> None:
        """Create the cache if it does not exist.

        Raises:
            LocalIOError: It cannot be used.
        """
        try:
            self.cache.open()
            self._check_boot()
        except OSError as error:
            raise self.cache.unusable(error) from None
        self.is_writable = True

    def _check_boot(self) -> None:
        """After a restart of the machine, forget the blobs of files that a crash may have damaged.

        The crash may also have lost the manifest of such a file. So only those stay that a manifest vouches for.
        """
        cache, boot = self.cache, current_boot()
        checked = cache.file("boots", boot)
        if os.path.exists(checked):
            return
        blobs = all_blobs(cache)
        kept = set[str]()
        for _, snapshot in snapshots(cache):
            manifest = Manifest.read(cache, snapshot)
            if manifest is not None and manifest.survived:
                kept |= {file.blob for file in manifest.files}
        for blob in blobs - kept:
            remove_blob(cache, blob)
        try:
            cache.write(checked, "")
        except OSError as error:
            if error.errno not in FULL:  # if so, the next call checks again
                raise

    def find(self, snapshot: str) -> Found | None:
        """Find a snapshot, and take a lease on it.

        Returns:
            The snapshot; None: there is none, or some of its files are missing or were changed.
        """
        for cache in self._read_only:
            manifest = Manifest.read(cache, snapshot)
            if manifest is not None and not manifest.damaged(cache):
                return Found(manifest.path_in(cache), manifest.size, snapshot, None)
        if not self.is_writable:
            return None
        if not os.path.isdir(self.cache.snapshot(snapshot)):  # most that are missing: without a lease
            return None
        token = leases.take(self.cache, snapshot)
        try:
            manifest = Manifest.read(self.cache, snapshot)
            if manifest is not None and not manifest.damaged(self.cache):
                with suppress(OSError):  # another user's: its owner will not see this use, except by the lease
                    os.utime(self.cache.file("manifests", f"{snapshot}.json"))
                if manifest.boot == current_boot():  # the process that has written it ended too early
                    sync_in_background(self.cache, manifest)
                return Found(manifest.path_in(self.cache), manifest.size, snapshot, (self.cache, token))
        except BaseException:
            leases.release(self.cache, snapshot, token)
            raise
        leases.release(self.cache, snapshot, token)
        return None

    def find_request(self, request: str, revalidate: Revalidate) -> Found | None:
        """Find what a call would get, without asking the service.

        Args:
            request: Its `request_id`.
            revalidate: How old an answer of the service may be.
        """
        caches = [*self._read_only, self.cache] if self.is_writable else self._read_only
        known = (Request.read(cache, request) for cache in caches)
        fresh = [each for each in known if each is not None and each.is_fresh(revalidate)]
        for each in sorted(
            fresh, key=lambda each: math.inf if each.age is None else each.age
        ):  # the latest answer first
            found = self.find(each.snapshot)
            if found is not None:
                return found
        return None

    def note(self, request: str, got: Request, uri: str) -> None:
        """Note which snapshot a call has got. On a full disk, that is left out: only calls that do not ask miss it.

        Args:
            request: Its `request_id`.
            got: The snapshot.
            uri: The URI, without secrets.
        """
        try:
            before = Request.read(self.cache, request)
            got.write(self.cache, request, uri)
            if before is not None and not before.versioned and before.snapshot != got.snapshot:
                evict(self.cache, before.snapshot)
                collect_garbage(self.cache)
        except OSError as error:
            if error.errno not in FULL:
                raise self.cache.unusable(error) from None
