"""Leases: which processes use a snapshot, so that it is not evicted; blocking.

    v1/processes/TOKEN           names a process; locked, and touched every minute, as long as it runs
    v1/leases/ID/TOKEN           this process uses the snapshot
    v1/leases/ID/TEXT.evicting/  a process is about to remove the snapshot: it will rename it to there

A lease ends with its process, however that ends: whoever wants to evict the snapshot looks whether the process still
runs. Of a process in another container or on another machine, that cannot be seen: it counts as running as long as its
record is locked or, where locks do not work, touched.

Whoever removes a snapshot creates a directory for it first, then looks for leases, and then renames the snapshot into
the directory. Whoever takes a lease writes it first, and then removes these directories. A directory can be removed
only while it is empty, and nothing can be renamed into one that has been removed. So after that, the snapshot either
has gone or stays, even if the other process was stopped in between and goes on much later. No clock matters.
"""

import errno
import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from ..persist import file_locks
from .directory import CacheDirectory
from .heartbeat import beat
from .process_identity import ProcessIdentity, write_record

__all__ = ["announce_eviction", "clear", "holders", "prevent_eviction", "release", "remove_ended", "take"]

_INTERVAL = 60.0  # seconds between two signs of life
_LONGEST_SILENCE = 600.0  # seconds without one after which a process has ended, unless it is seen to run
_EVICTING = ".evicting"
_ATTEMPTS = 100


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

    If the snapshot is there afterwards, it stays.

    Returns:
        The name of this process in the cache.
    """
    with _lock:
        process = _record(cache)
        if not process.users[snapshot]:
            directory = cache.file("leases", snapshot)
            _create_in(cache, directory, lambda: _create_lease(os.path.join(directory, process.token)))
            prevent_eviction(cache, snapshot)
        process.users[snapshot] += 1
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


def _create_lease(path: str) -> str:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))
    return path


def _create_in(cache: CacheDirectory, directory: str, create: Callable[[], str]) -> str:
    """Create something in a directory that does not exist yet, and that other processes remove when it is empty."""
    for _ in range(_ATTEMPTS):
        cache.make(directory)
        with suppress(FileNotFoundError):
            return create()
    cache.make(directory)
    return create()


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
        if name.endswith(_EVICTING):
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


def announce_eviction(cache: CacheDirectory, snapshot: str) -> str | None:
    """Announce that a snapshot will be removed.

    Returns:
        An empty directory, to which the snapshot may be renamed. It disappears if a process begins to use the snapshot
        before that. None: a process uses it already.
    """
    directory = cache.file("leases", snapshot)
    name = f"{os.urandom(8).hex()}{_EVICTING}"
    announced = _create_in(cache, directory, lambda: cache.make(os.path.join(directory, name)))
    if not holders(cache, snapshot):
        return announced
    with suppress(FileNotFoundError):
        os.rmdir(announced)
    return None


def prevent_eviction(cache: CacheDirectory, snapshot: str) -> None:
    """Keep processes that have announced it from removing a snapshot. If one has moved it already, it has gone."""
    directory = cache.file("leases", snapshot)
    with suppress(FileNotFoundError):
        for name in os.listdir(directory):
            if name.endswith(_EVICTING):
                try:
                    os.rmdir(os.path.join(directory, name))
                except FileNotFoundError:
                    pass
                except OSError as error:
                    if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                        raise
                    # Keeps that process from removing the manifest of the next snapshot of this ID.
                    cache.put_aside(os.path.join(directory, name))


def clear(cache: CacheDirectory, snapshot: str) -> None:
    """Remove what is left of the leases on a snapshot that has gone, unless a process is taking one."""
    holders(cache, snapshot)
    prevent_eviction(cache, snapshot)
    with suppress(OSError):  # there is a lease, or it was removed
        os.rmdir(cache.file("leases", snapshot))


def _after_fork() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()  # another thread may have held it


os.register_at_fork(after_in_child=_after_fork)
