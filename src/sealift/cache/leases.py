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
from .process_identity import ProcessIdentity, write_record

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
        new = f"{self._path}.tmp"  # nobody looks at it before it is complete and locked
        self._descriptor = file_locks.open_file(new)
        try:
            write_record(self._descriptor, ProcessIdentity.current().as_json())
            file_locks.lock(self._descriptor, required=False)
            os.fchmod(self._descriptor, 0o644)
            os.rename(new, self._path)
        except BaseException:
            os.close(self._descriptor)
            with suppress(OSError):
                os.unlink(new)
            raise
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


def take(cache: CacheDirectory, snapshot: str) -> str:
    """Take a lease on a snapshot for this process; call `release` as often.

    Returns:
        The name of this process in the cache.

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
        release(cache, snapshot, process.token)
        raise BeingEvicted
    return process.token


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


def release(cache: CacheDirectory, snapshot: str, token: str) -> None:
    """End a lease.

    Args:
        cache: The cache.
        snapshot: The snapshot.
        token: The name that `take` has returned. After a fork, or if the cache was removed, it is that of another one.
    """
    with _lock:
        process = _here.get(cache.root) if _process == os.getpid() else None
        if process is None or process.token != token:
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
                running = file_locks.is_locked(file.fileno()) or silence < _LONGEST_SILENCE
    except FileNotFoundError:
        return ""
    return str(identity or "a process") if running else ""


def remove_ended(cache: CacheDirectory) -> None:
    """Remove the records of processes that have ended."""
    for token in os.listdir(cache.file("processes")):
        with suppress(OSError):  # another process removes it too, or it is another user's
            if not token.endswith(".tmp") and not _running(cache, token):
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
    new = cache.file("work", f"{os.urandom(8).hex()}.tmp")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        write_record(descriptor, ProcessIdentity.current().as_json())
        try:
            os.rename(new, marker)  # in place of one that a process has left that was killed: there is always one
        except FileNotFoundError:  # another process has just evicted it, and removed the directory
            os.unlink(new)
        yield not holders(cache, snapshot) and file_locks.is_at(descriptor, marker)
    finally:
        with suppress(OSError):
            if file_locks.is_at(descriptor, marker):  # if not, another process evicts it, too
                os.unlink(marker)
        os.close(descriptor)
        with suppress(OSError):  # somebody is taking a lease
            os.rmdir(directory)


def _is_evicting(cache: CacheDirectory, directory: str) -> bool:
    """Whether the snapshot is being evicted by a process that runs."""
    try:
        with open(os.path.join(directory, _EVICTING), "rb") as file:
            status, record = os.fstat(file.fileno()), file.read()
    except FileNotFoundError:
        return False
    identity = ProcessIdentity.parse(record)
    running = None if identity is None else identity.is_running()
    if running is None:
        running = cache.file_system_time() - status.st_mtime < _LONGEST_EVICTION
    return running


def _after_fork() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()  # another thread may have held it


os.register_at_fork(after_in_child=_after_fork)
