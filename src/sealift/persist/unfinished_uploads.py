"""Records of unfinished uploads: one small file for each, with the facts that the next run needs to resume it.

A record's file is locked while a process uploads; the kernel releases the locks of a killed process. A record is
replaced as a whole, together with its lock, so no reader sees half of one. All functions block; call them on a disk
thread.

On file systems where locks are unreliable, two runs may share an upload. Each part that they send is compared with the
stored one, so either the correct object is published or the second run fails.
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ..frozen_dataclass import dataclass
from ..types.properties import Properties
from . import file_locks, private_directory

__all__ = ["UnfinishedUpload", "UploadRecord", "fingerprint", "lock_record"]

# Seconds after which a record is removed. Buckets commonly expire unfinished uploads after the same time:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpu-abort-incomplete-mpu-lifecycle-config.html
_MAX_AGE = 7 * 24 * 3600
_MAX_SIZE = 64 << 10


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """An upload that was started.

    Attributes:
        source: Path of the file.
        destination: URI of the object.
        address: Address of the destination's root, which also identifies its service.
        version: Version of the file.
        size: Size of the file in bytes.
        part_size: Bytes per part.
        properties: Fingerprint of the properties stored with the object; "" for none.
        token: The token that reopens the upload.
    """

    source: str
    destination: str
    address: str
    version: str
    size: int
    part_size: int
    properties: str = ""
    token: str = ""


class UploadRecord:
    """The record of one upload, locked by this process until `remove` or `release`.

    Attributes:
        upload: The upload that an earlier run has left; None: there is none.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self.upload = _parse(os.pread(descriptor, _MAX_SIZE, 0))

    def write(self, upload: UnfinishedUpload) -> None:
        """Replace the record.

        Raises:
            OSError: The record could not be written; the previous one is unchanged.
        """
        temporary = _temporary_path(self._path)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            file_locks.lock(descriptor)  # before another process can open it
            os.write(descriptor, json.dumps(asdict(upload)).encode())
            os.replace(temporary, self._path)
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):
                os.unlink(temporary)
            raise
        file_locks.release(self._descriptor)
        self._descriptor, self.upload = descriptor, upload

    def remove(self) -> None:
        """Remove the record: the upload has ended."""
        if self._descriptor >= 0:
            # A process that was killed while it wrote the record has left a temporary file.
            for path in (_temporary_path(self._path), self._path):
                with suppress(OSError):
                    os.unlink(path)
            self._unlock()

    def release(self) -> None:
        """Unlock the record and keep it for a later run."""
        if self.upload is None:
            self.remove()
        elif self._descriptor >= 0:
            self._unlock()

    def _unlock(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        file_locks.release(descriptor)


def fingerprint(properties: Properties) -> str:
    """A hash that identifies the properties of an upload."""
    return hashlib.sha256(json.dumps(asdict(properties), sort_keys=True).encode()).hexdigest()


def lock_record(directory: str, source: str, destination: str, address: str) -> UploadRecord | None:
    """Lock the record of an upload, creating an empty one if there is none.

    Args:
        directory: The directory of all records; created if it does not exist.
        source: As in `UnfinishedUpload`.
        destination: As in `UnfinishedUpload`.
        address: As in `UnfinishedUpload`.

    Returns:
        The record; None: another process has locked it.

    Raises:
        OSError: The directory cannot be used, or other users can write to it.
    """
    private_directory.make_private(directory)
    name = hashlib.sha256(json.dumps([source, destination, address]).encode()).hexdigest()[:32]
    path = os.path.join(directory, f"{name}.json")
    try:
        descriptor = file_locks.acquire(path)
    except BlockingIOError:
        return None
    try:
        _remove_expired(directory)
        return UploadRecord(path, descriptor)
    except BaseException:
        file_locks.release(descriptor)
        raise


def _temporary_path(path: str) -> str:
    """Where the next version of a record is written, by the process that has locked the current one."""
    return f"{path}.new"


def _remove_expired(directory: str) -> None:
    """Remove records that were not resumed in time, and temporary files that a killed process has left."""
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):  # locked by another process, or already removed
                if entry.stat(follow_symlinks=False).st_mtime < time.time() - _MAX_AGE:
                    _remove_unlocked(entry.path)


def _remove_unlocked(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        file_locks.lock(descriptor)
        if file_locks.is_at(descriptor, path):
            os.unlink(path)
    finally:
        os.close(descriptor)


def _parse(text: bytes) -> UnfinishedUpload | None:
    try:
        fields: Any = json.loads(text)
        upload = UnfinishedUpload(**fields)
    except (TypeError, ValueError, RecursionError):
        return None
    texts = (upload.source, upload.destination, upload.address, upload.version, upload.properties, upload.token)
    numbers = (upload.size, upload.part_size)
    valid = all(isinstance(each, str) for each in texts) and all(isinstance(each, int) for each in numbers)
    return upload if valid else None
