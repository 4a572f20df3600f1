"""Write a new snapshot to the disk in the background, so that it survives a crash of the machine."""

import os
from contextlib import suppress
from dataclasses import replace

from ..backends.local import sync_directories, sync_tree
from ..errors import ClosedError, StorageError
from ..runtime.start_thread import NoThreadError, start_thread
from .directory import CacheDirectory
from .manifest import Manifest

__all__ = ["sync_in_background"]

_running: dict[str, int] = {}  # snapshot → process that syncs it


def sync_in_background(cache: CacheDirectory, manifest: Manifest) -> None:
    """Sync the files of a snapshot in a daemon thread, and then note that in its manifest.

    If the program ends before, the snapshot is complete nevertheless. It is synced when it is used the next time; until
    then it does not survive a restart of the machine.
    """
    root = cache.snapshot(manifest.snapshot)

    def sync() -> None:
        try:
            with suppress(OSError, StorageError):  # it has been evicted meanwhile, or the disk has an error
                sync_tree(root, files=True)
                sync_directories(root, cache.root)
                if os.path.isdir(root) and Manifest.read(cache, manifest.snapshot) == manifest:  # not repaired
                    replace(manifest, boot="").rewrite(cache)
        finally:
            del _running[root]

    if _running.get(root) == os.getpid():
        return
    _running[root] = os.getpid()
    try:
        start_thread(sync, name="sealift-sync")
    except (ClosedError, NoThreadError):  # the snapshot is synced when it is used the next time
        del _running[root]
