"""Which process downloads a snapshot, so that the others wait for it; blocking.

Ownership is a record that its owner touches every two seconds. It does not depend on file locks, which some network
file systems only pretend to have. If the owner has ended, or has not touched the record for a while because it was
stopped, another process takes over. It is a convention that saves work: if two processes own a snapshot for a moment,
both write the same bytes, and a directory gets its name once.
"""

import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from ..persist.file_locks import is_at
from .directory import CacheDirectory
from .heartbeat import beat, stop_beating
from .process_identity import ProcessIdentity, write_record

__all__ = ["Owner", "remove_ended", "reserved_before", "running_owner"]

_INTERVAL = 2.0  # seconds between two signs of life
_LONGEST_PAUSE = 120.0  # seconds without a check by its event loop after which an owner shows no sign of life
_LONGEST_SILENCE = 600.0  # seconds without one after which a process has ended that cannot be seen from here


class Owner:
    """The record of a snapshot, as one caller sees it.

    Args:
        path: Path of the record, in a directory that exists.
        takeover: Seconds without a sign of life after which another caller takes over.
        mode: Permission bits of the directory: who may write to it may read the record.

    Attributes:
        lost: Another caller has taken over, because this process was stopped or cut off from the file system.
        took_over: This caller has taken over.
    """

    def __init__(self, path: str, takeover: float, mode: int) -> None:
        self._path = path
        self._mode = mode
        self._takeover = takeover
        self._token = os.urandom(8).hex()
        self._descriptor = -1
        self._checked = 0.0
        self._seen: tuple[tuple[int, int, int], float] | None = None  # the other's record, and since when it is so
        self._lock = threading.Lock()  # the heartbeat must not touch a descriptor that is closed
        self.lost = False
        self.took_over = False

    def claim(self, needed: int) -> bool:
        """Try to become the owner.

        Args:
            needed: Bytes that the download needs in the cache.

        Returns:
            Whether this caller is the owner. False: another one is.
        """
        while True:
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                if not self._is_abandoned():
                    return False
                self._remove_abandoned()
                continue
            self._descriptor = descriptor
            os.fchmod(descriptor, 0o600 | self._mode & 0o066)
            write_record(descriptor, ProcessIdentity.current().as_json(began=time.time(), needed=needed))
            self._checked = time.monotonic()
            beat(self, _INTERVAL)
            return True

    def _is_abandoned(self) -> bool:
        """Whether the owner has ended, or has shown no sign of life while this caller was watching.

        What is compared is how long the record stays the same by the clock of this process: the clocks of two machines
        may differ, and jump.
        """
        try:
            with open(self._path, "rb") as file:  # on NFS, only opening a file shows what others have changed
                status, record = os.fstat(file.fileno()), file.read()
        except FileNotFoundError:
            return False
        seen = _state_of(status)
        if self._seen is None or self._seen[0] != seen:
            self._seen = (seen, time.monotonic())
        identity = ProcessIdentity.parse(record)
        if identity is not None and identity.is_running() is False:
            return True
        return time.monotonic() - self._seen[1] > self._takeover

    def _remove_abandoned(self) -> None:
        """Remove the record that was seen; one of several callers that do so succeeds."""
        aside = f"{self._path}.{self._token}.tmp"
        try:
            os.rename(self._path, aside)
        except FileNotFoundError:
            return
        seen, self._seen = self._seen, None
        if seen is not None and _state_of(os.stat(aside)) != seen[0]:
            with suppress(OSError):  # a new owner's, who was faster, or the owner lives: give it back
                os.link(aside, self._path)
        else:
            self.took_over = True
        os.unlink(aside)

    def touch(self) -> None:
        """Show a sign of life."""
        with self._lock:
            if self._descriptor < 0 or time.monotonic() - self._checked > _LONGEST_PAUSE:
                return
            try:
                if is_at(self._descriptor, self._path):
                    os.utime(self._descriptor)
                else:
                    self.lost = True
            except OSError:  # cut off from the file system; others take over
                pass

    def check(self) -> bool:
        """Whether this caller is still the owner; must be called every few seconds.

        An event loop that was stopped, and never runs again, does not call it: others take over.
        """
        self._checked = time.monotonic()
        self.touch()
        return not self.lost

    def release(self) -> None:
        """End the ownership."""
        stop_beating(self)
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                if is_at(descriptor, self._path):
                    os.unlink(self._path)
            os.close(descriptor)


def _state_of(status: os.stat_result) -> tuple[int, int, int]:
    """What changes when the owner shows a sign of life, or when the record is another one."""
    return status.st_ino, status.st_mtime_ns, status.st_size


def running_owner(cache: CacheDirectory, name: str) -> str:
    """The process of a record, in words; "": it has ended.

    Of a process in another container, on another machine, or from before a restart, only signs of life can be seen.
    """
    try:
        with open(cache.file("owners", name), "rb") as file:
            touched, identity = os.fstat(file.fileno()).st_mtime, ProcessIdentity.parse(file.read())
    except FileNotFoundError:
        return ""
    running = None if identity is None else identity.is_running()
    if running is None:
        running = abs(cache.file_system_time() - touched) < _LONGEST_SILENCE
    return str(identity or "a process") if running else ""


def remove_ended(cache: CacheDirectory) -> None:
    """Remove the records of processes that were killed."""
    for name in os.listdir(cache.file("owners")):
        with suppress(OSError):  # just released, or another user's
            if not running_owner(cache, name):
                os.unlink(cache.file("owners", name))


def reserved_before(cache: CacheDirectory, snapshot: str) -> Mapping[str, int]:
    """Bytes that other downloads need which have begun before that of a snapshot, and still run; by their snapshots."""
    records: dict[str, tuple[float, int]] = {}
    for name in os.listdir(cache.file("owners")):
        try:
            with open(cache.file("owners", name), "rb") as file:
                facts = json.loads(file.read())
            began, needed = float(facts["began"]), int(facts["needed"])
            if name == snapshot or running_owner(cache, name):
                records[name] = (began, needed)
        except (OSError, ValueError, KeyError, TypeError):  # just released, or not written yet
            continue
    mine = (records[snapshot][0], snapshot) if snapshot in records else None
    return {
        name: needed
        for name, (began, needed) in records.items()
        if name != snapshot and (not mine or (began, name) < mine)
    }
