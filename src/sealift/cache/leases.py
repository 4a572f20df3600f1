"""Leases: which processes use a snapshot, so that it is not evicted; blocking.

    v1/processes/TOKEN     names a process; locked, and touched every minute, as long as it runs
    v1/leases/ID/TOKEN     this process uses the snapshot

A lease ends with its process, however that ends: whoever wants to evict the snapshot looks whether the process still
runs. Of a process in another container or on another machine, that cannot be seen: it counts as running as long as its
record is locked or, where locks do not work, touched.

A process takes a lease first, and then looks whether the snapshot is being evicted. Whoever evicts a snapshot says so
first, and then looks for leases. So at least one of the two sees the other.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..persist import file_locks
from .directory import CacheDirectory
from .heartbeat import beat
from .process_identity import ProcessIdentity

__all__ = ["BeingEvicted", "evicting", "holders", "release", "remove_ended", "take"]

_INTERVAL = 60.0  # seconds between two signs of life
_LONGEST_SILENCE = 600.0  # seconds without one after which a process has ended, unless it is seen to run
_EVICTING = "evicting"
_LONGEST_EVICTION = 60.0  # seconds; it takes milliseconds


class BeingEvicted(Exception):
    """The snapshot is being evicted."""


class _Process:
    """The record of this process in one cache.

    Args:
        cache: The cache.

    Attributes:
        token: Name of the record.
        users: Snapshot → callers in this process that use it.
    """

    def __init__(self, cache: CacheDirectory) -> None:
        self.token = os.urandom(8).hex()
        self.users: Counter[str] = Counter()
        self._path = cache.file("processes", self.token)
        self._descriptor = file_locks.open_file(self._path)
        os.write(self._descriptor, ProcessIdentity.current().as_json().encode())
        file_locks.lock(self._descriptor, required=False)
        os.fchmod(self._descriptor, 0o644)
        beat(self, _INTERVAL)

    def touch(self) -> None:
        with suppress(OSError):
            os.utime(self._descriptor)

    @property
    def is_recorded(self) -> bool:
        """Whether the record is still there; nobody removes it unless the whole cache is removed."""
        return file_locks.is_at(self._descriptor, self._path)


_lock = threading.Lock()
_here: dict[str, _Process] = {}  # cache → record of this process
_process = 0  # whose they are


def take(cache: CacheDirectory, snapshot: str) -> None:
    """Take a lease on a snapshot for this process; call `release` as often.

    Raises:
        BeingEvicted: It is being evicted; try again in a moment.
    """
    directory = cache.file("leases", snapshot)
    with _lock:
        process = _record(cache)
        if not process.users[snapshot]:
            _write_lease(cache, directory, process.token)
        process.users[snapshot] += 1
    if _is_evicting(cache, directory):
        release(cache, snapshot)
        raise BeingEvicted


def _record(cache: CacheDirectory) -> _Process:
    global _process  # noqa: PLW0603
    if _process != os.getpid():  # the leases of the parent are its own
        _here.clear()
        _process = os.getpid()
    known = _here.get(cache.root)
    if known is None or not known.is_recorded:
        known = _here[cache.root] = _Process(cache)
    return known


def _write_lease(cache: CacheDirectory, directory: str, token: str) -> None:
    while True:
        cache.make(directory)
        with suppress(FileNotFoundError):  # whoever has evicted the snapshot has removed the directory
            os.close(os.open(os.path.join(directory, token), os.O_WRONLY | os.O_CREAT, 0o644))
            return


def release(cache: CacheDirectory, snapshot: str) -> None:
    """End a lease."""
    with _lock:
        process = _here.get(cache.root) if _process == os.getpid() else None
        if process is None or not process.users[snapshot]:
            return
        process.users[snapshot] -= 1
        if not process.users[snapshot]:
            del process.users[snapshot]
            with suppress(OSError):
                os.unlink(cache.file("leases", snapshot, process.token))


def holders(cache: CacheDirectory, snapshot: str) -> list[str]:
    """The processes that use a snapshot. Removes the leases of those that have ended."""
    directory, found = cache.file("leases", snapshot), set[str]()
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    for name in names:
        if name == _EVICTING:
            continue
        running = _running(cache, name)
        if running:
            found.add(running)
        else:
            with suppress(OSError):  # it has just ended, or is another user's
                os.unlink(os.path.join(directory, name))
    return sorted(found)


def _running(cache: CacheDirectory, token: str) -> str:
    """The process of a record; "": it has ended."""
    try:
        with open(cache.file("processes", token), "rb") as file:
            identity = ProcessIdentity.parse(file.read())
            running = None if identity is None else identity.is_running()
            if running is None:
                silence = cache.file_system_time() - os.fstat(file.fileno()).st_mtime
                running = _is_locked(file.fileno()) or silence < _LONGEST_SILENCE
    except FileNotFoundError:
        return ""
    return str(identity or "a process") if running else ""


def _is_locked(descriptor: int) -> bool:
    try:
        file_locks.lock(descriptor, required=False)
    except BlockingIOError:
        return True
    return False


def remove_ended(cache: CacheDirectory) -> None:
    """Remove the records of processes that have ended."""
    for token in os.listdir(cache.file("processes")):
        with suppress(OSError):  # another process removes it too, or it is another user's
            if not _running(cache, token):
                os.unlink(cache.file("processes", token))


@contextmanager
def evicting(cache: CacheDirectory, snapshot: str) -> Iterator[bool]:
    """Announce that a snapshot will be evicted in this block.

    Yields:
        Whether it may be: nobody uses it, and nobody else evicts it.
    """
    directory = cache.make(cache.file("leases", snapshot))
    marker = os.path.join(directory, _EVICTING)
    if _is_evicting(cache, directory):
        yield False
        return
    try:
        descriptor = os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except OSError:  # another process is faster
        yield False
        return
    try:
        os.write(descriptor, ProcessIdentity.current().as_json().encode())
        os.close(descriptor)
        yield not holders(cache, snapshot)
    finally:
        with suppress(OSError):
            os.unlink(marker)
        with suppress(OSError):  # somebody is taking a lease
            os.rmdir(directory)


def _is_evicting(cache: CacheDirectory, directory: str) -> bool:
    """Whether the snapshot is being evicted. Removes the announcement of a process that was killed meanwhile."""
    marker = os.path.join(directory, _EVICTING)
    try:
        with open(marker, "rb") as file:
            status, record = os.fstat(file.fileno()), file.read()
    except FileNotFoundError:
        return False
    identity = ProcessIdentity.parse(record)
    running = None if identity is None else identity.is_running()
    if running is None:
        running = cache.file_system_time() - status.st_mtime < _LONGEST_EVICTION
    if not running:
        with suppress(OSError):
            os.unlink(marker)
    return bool(running)


def _after_fork() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()  # another thread may have held it


os.register_at_fork(after_in_child=_after_fork)
