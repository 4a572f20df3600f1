"""Uploads that have begun and not ended: what the next run needs to go on with them, one small file for each.

A file is locked as long as somebody is at its upload, and the system unlocks those of a process that was killed. It is
replaced as a whole, together with its lock, so that nobody reads half of one. Everything here is blocking, for a disk
thread. Where a file system only pretends to lock, two runs may share an upload: what they send is compared with what is
there, so it is still the right object that appears, or the error of the one that came second.
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from ..types.properties import Properties
from . import file_locks, private_directory

__all__ = ["Begun", "Record", "claim", "fingerprint"]

# Seconds after which nobody comes back. Services are commonly told to drop what is older by themselves:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpu-abort-incomplete-mpu-lifecycle-config.html
_KEPT = 7 * 24 * 3600
_LONGEST = 64 << 10


@dataclass(frozen=True, slots=True)
class Begun:
    """An upload that has begun.

    Attributes:
        source: Path of the file.
        destination: URI of the object.
        address: Of the destination's root, which tells its service too.
        version: Of the file.
        size: Of the file, in bytes.
        part_size: Of its parts, in bytes.
        properties: Fingerprint of what is stored beside its bytes; "" for nothing.
        token: Reopens it.
    """

    source: str
    destination: str
    address: str
    version: str
    size: int
    part_size: int
    properties: str = ""
    token: str = ""


class Record:
    """What is noted of one upload, and the right to change it until `remove` or `release`.

    Attributes:
        begun: What an earlier run has left; None: nothing.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self.begun = _parsed(os.pread(descriptor, _LONGEST, 0))

    def write(self, begun: Begun) -> None:
        """Replace the record.

        Raises:
            OSError: It could not be written; the earlier one is still there.
        """
        temporary = _next(self._path)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            file_locks.take(descriptor)  # before anybody can find it
            os.write(descriptor, json.dumps(asdict(begun)).encode())
            os.replace(temporary, self._path)
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):
                os.unlink(temporary)
            raise
        file_locks.release(self._descriptor)
        self._descriptor, self.begun = descriptor, begun

    def remove(self) -> None:
        """The upload has ended: there is nothing to go on with."""
        if self._descriptor >= 0:
            for path in (_next(self._path), self._path):  # of the first, who was killed while he wrote has left one
                with suppress(OSError):
                    os.unlink(path)
            self._unlock()

    def release(self) -> None:
        """Leave it to others: what is recorded stays."""
        if self.begun is None:
            self.remove()
        elif self._descriptor >= 0:
            self._unlock()

    def _unlock(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        file_locks.release(descriptor)


def fingerprint(properties: Properties) -> str:
    """Tells the properties of one upload from those of another."""
    return hashlib.sha256(json.dumps(asdict(properties), sort_keys=True).encode()).hexdigest()


def claim(directory: str, source: str, destination: str, address: str) -> Record | None:
    """Look for the record of an upload.

    Args:
        directory: Of all records; made if it is not there.
        source: As in `Begun`.
        destination: As in `Begun`.
        address: As in `Begun`.

    Returns:
        None: somebody else is at this upload.

    Raises:
        OSError: The directory cannot be used, or others can write to it.
    """
    private_directory.make_private(directory)
    name = hashlib.sha256(json.dumps([source, destination, address]).encode()).hexdigest()[:32]
    path = os.path.join(directory, f"{name}.json")
    try:
        descriptor = file_locks.acquire(path)
    except BlockingIOError:
        return None
    try:
        _drop_old(directory)
        return Record(path, descriptor)
    except BaseException:
        file_locks.release(descriptor)
        raise


def _next(path: str) -> str:
    """Where a record is written that takes the place of one; by who has locked that."""
    return f"{path}.new"


def _drop_old(directory: str) -> None:
    """Remove what nobody has come back for, and what a killed process has not even written to its end."""
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):  # somebody is at it, or it is gone
                if entry.stat(follow_symlinks=False).st_mtime < time.time() - _KEPT:
                    _drop(entry.path)


def _drop(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        file_locks.take(descriptor)
        if file_locks.is_at(descriptor, path):
            os.unlink(path)
    finally:
        os.close(descriptor)


def _parsed(text: bytes) -> Begun | None:
    try:
        told: Any = json.loads(text)
        begun = Begun(**told)
    except (TypeError, ValueError, RecursionError):
        return None
    texts = (begun.source, begun.destination, begun.address, begun.version, begun.properties, begun.token)
    numbers = (begun.size, begun.part_size)
    right = all(isinstance(each, str) for each in texts) and all(isinstance(each, int) for each in numbers)
    return begun if right else None
