"""Write new snapshots to the disk in the background, so that they survive a crash of the machine."""

import os
import threading
import time
from contextlib import suppress
from dataclasses import replace

from ..backends.local import sync_directories, sync_tree
from ..errors import ClosedError, StorageError
from ..runtime.start_thread import NoThreadError, start_thread
from .directory import CacheDirectory
from .manifest import Manifest

__all__ = ["sync_in_background"]

# Seconds after which it begins: a process that waits for the disk cannot end, and most that end soon, end sooner.
_DELAY = 5.0

_lock = threading.Lock()
_waiting: dict[str, tuple[CacheDirectory, Manifest, float]] = {}  # path → what to sync, and when; the first is begun
_process = 0  # whose thread runs


def sync_in_background(cache: CacheDirectory, manifest: Manifest) -> None:
    """Sync the files of a snapshot in a daemon thread, after some seconds, and then note that in its manifest.

    If the program ends before, the snapshot is complete nevertheless. It is synced when it is used the next time; until
    then it does not survive a restart of the machine.
    """
    global _process  # noqa: PLW0603
    with _lock:
        if _process != os.getpid():
            try:
                start_thread(_run, name="sealift-sync")
            except (ClosedError, NoThreadError):  # the snapshot is synced when it is used the next time
                return
            _process = os.getpid()
        _waiting.setdefault(cache.snapshot(manifest.snapshot), (cache, manifest, time.monotonic() + _DELAY))


def _run() -> None:
    global _process  # noqa: PLW0603
    while True:
        with _lock:
            if not _waiting:
                _process = 0
                return
            root, (cache, manifest, due) = next(iter(_waiting.items()))
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            with suppress(OSError, StorageError):  # it has been evicted meanwhile, or the disk has an error
                _sync(cache, manifest, root)
        finally:
            with _lock:
                del _waiting[root]


def _sync(cache: CacheDirectory, manifest: Manifest, root: str) -> None:
    sync_tree(root, files=True)
    sync_directories(root, cache.root)
    if os.path.isdir(root) and Manifest.read(cache, manifest.snapshot) == manifest:  # not repaired
        replace(manifest, boot="").rewrite(cache)


def _after_fork() -> None:
    global _lock, _process  # noqa: PLW0603
    _lock = threading.Lock()  # another thread may have held it
    _waiting.clear()
    _process = 0


os.register_at_fork(after_in_child=_after_fork)
