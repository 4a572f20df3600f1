"""Records of unfinished uploads: one small file for each, with the facts that a later run needs to resume it.

    FILE.json   {source, address, key, version, size, part_size, properties, token}     identifies the upload
                [index, start, size, token, checksums, compared, algorithm, digest]     one line for each stored part

Stored parts are recorded only if the source is remote: a local file is read again and compared instead.

A record's file is locked while a process uploads; the kernel releases the locks of a killed process. The first line is
replaced as a whole, together with the lock, so no reader sees half of it; a torn line of a part is ignored. All
functions block; call them on a disk thread.

On file systems where locks are unreliable, two runs may share an upload. Parts of a local file are compared with the
stored ones; parts of a remote object are those of one version. So either the correct object is published, or the second
run fails.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ..frozen_dataclass import dataclass
from ..types import Part, Receipt
from ..types.properties import Properties
from . import file_locks, private_directory

__all__ = ["RecordedPart", "UnfinishedUpload", "UploadRecord", "fingerprint", "lock_all", "lock_expired", "lock_record"]

# Seconds after which an upload that no call has resumed is aborted. Buckets commonly expire unfinished uploads after
# the same time: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpu-abort-incomplete-mpu-lifecycle-config.html
_MAX_AGE = 7 * 24 * 3600
# Seconds after which the record of an upload to another destination is removed: only a call to that destination has the
# credentials to abort its upload.
_MAX_AGE_ELSEWHERE = 90 * 24 * 3600
# A record of 50,000 parts has 10 MB.
_MAX_SIZE = 32 << 20


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """An upload that was started.

    Attributes:
        source: Path of the file, or address and key of the object.
        address: Address of the destination's root, which also identifies its service.
        key: Key of the object at the destination.
        version: Version or content of the source.
        size: Size of the source in bytes.
        part_size: Bytes per part.
        properties: Fingerprint of the properties stored with the object; "" for none.
        token: The token that reopens the upload.
    """

    source: str
    address: str
    key: str
    version: str
    size: int
    part_size: int
    properties: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """A part that was stored.

    Attributes:
        receipt: Its receipt.
        algorithm: The algorithm that verifies the whole object, if its checksums combine; None: no checksum.
        digest: The checksum of the part by that algorithm.
    """

    receipt: Receipt
    algorithm: str | None = None
    digest: str = ""


class UploadRecord:
    """The record of one upload, locked by this process until `remove` or `release`.

    Attributes:
        upload: The upload that an earlier run has left; None: there is none.
        parts: Part index → part, of those that are recorded.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        header, *lines = os.pread(descriptor, _MAX_SIZE, 0).split(b"\n")
        self.upload = _parse(header)
        parsed = map(_parse_part, lines if self.upload is not None else ())
        self.parts = {part.receipt.part.index: part for part in parsed if part is not None}

    def write(self, upload: UnfinishedUpload) -> None:
        """Replace the record; no parts are recorded yet.

        Raises:
            OSError: The record could not be written; the previous one is unchanged.
        """
        temporary = _temporary_path(self._path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW
        descriptor = os.open(temporary, flags, 0o600)
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
        self._descriptor, self.upload, self.parts = descriptor, upload, {}

    def add(self, part: RecordedPart) -> None:
        """Record a part that is stored.

        Raises:
            OSError: It could not be recorded.
        """
        receipt = part.receipt
        place = (receipt.part.index, receipt.part.start, receipt.part.size)
        stored = (receipt.token, dict(receipt.checksums), receipt.compared)
        line = json.dumps([*place, *stored, part.algorithm, part.digest])
        os.write(self._descriptor, f"\n{line}".encode())  # the newline also ends a line that a kill has torn

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

    @property
    def age(self) -> float:
        """Seconds since an upload was last started or resumed, or stored a recorded part."""
        return time.time() - os.fstat(self._descriptor).st_mtime

    def renew(self) -> None:
        """Set `age` to 0: the upload is resumed."""
        os.utime(self._descriptor)

    def _unlock(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        file_locks.release(descriptor)


def fingerprint(properties: Properties) -> str:
    """A hash that identifies the properties of an upload."""
    return hashlib.sha256(json.dumps(asdict(properties), sort_keys=True).encode()).hexdigest()


def lock_record(directory: str, source: str, address: str, key: str) -> UploadRecord | None:
    """Lock the record of an upload, creating an empty one if there is none.

    Args:
        directory: The directory of all records; created if it does not exist.
        source: As in `UnfinishedUpload`.
        address: As in `UnfinishedUpload`.
        key: As in `UnfinishedUpload`.

    Returns:
        The record; None: another process has locked it.

    Raises:
        OSError: The directory cannot be used, or other users can write to it.
    """
    private_directory.make_private(directory)
    name = hashlib.sha256(json.dumps([source, address, key]).encode()).hexdigest()[:32]
    path = os.path.join(directory, f"{name}.json")
    try:
        descriptor = file_locks.acquire(path)
    except BlockingIOError:
        return None
    return _record(path, descriptor)


def lock_expired(directory: str, address: str) -> list[UploadRecord]:
    """Lock the records of the uploads to a destination that no call has resumed for a week.

    Also removes records that are of no use any more.

    Args:
        directory: The directory of all records.
        address: As in `UnfinishedUpload`.

    Returns:
        The records; the caller aborts their uploads.

    Raises:
        OSError: The directory cannot be listed.
    """
    expired = []
    latest = time.time() - _MAX_AGE
    for record in _lock_each(directory, lambda entry: entry.stat(follow_symlinks=False).st_mtime < latest):
        if record.upload is not None and record.upload.address == address and record.age > _MAX_AGE:
            expired.append(record)
        elif record.upload is None or record.age > _MAX_AGE_ELSEWHERE:
            record.remove()
        else:
            record.release()
    return expired


def lock_all(directory: str, address: str, wanted: Callable[[str], bool]) -> list[UploadRecord]:
    """Lock the records of the unfinished uploads to a destination.

    Args:
        directory: The directory of all records.
        address: As in `UnfinishedUpload`.
        wanted: Called with the key of an upload; returns whether to lock its record.

    Returns:
        The records, without those that another process has locked.

    Raises:
        OSError: The directory cannot be listed, or other users can write to it.
    """
    private_directory.check_private(directory)
    found = []
    for record in _lock_each(directory, lambda entry: entry.name.endswith(".json")):
        if record.upload is not None and record.upload.address == address and wanted(record.upload.key):
            found.append(record)
        else:
            record.release()
    return found


def _lock_each(directory: str, wanted: Callable[["os.DirEntry[str]"], bool]) -> Iterator[UploadRecord]:
    """Lock the records one by one; those that another process has locked are left out."""
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):  # locked by another process, or already removed
                if wanted(entry):
                    yield _record(entry.path, file_locks.acquire(entry.path))


def _record(path: str, descriptor: int) -> UploadRecord:
    try:
        return UploadRecord(path, descriptor)
    except BaseException:
        file_locks.release(descriptor)
        raise


def _temporary_path(path: str) -> str:
    """Where the next version of a record is written, by the process that has locked the current one."""
    return f"{path}.new"


def _parse(text: bytes) -> UnfinishedUpload | None:
    try:
        fields: Any = json.loads(text)
        upload = UnfinishedUpload(**fields)
    except (TypeError, ValueError, RecursionError):
        return None
    texts = (upload.source, upload.address, upload.key, upload.version, upload.properties, upload.token)
    numbers = (upload.size, upload.part_size)
    valid = all(isinstance(each, str) for each in texts) and all(isinstance(each, int) for each in numbers)
    return upload if valid else None


def _parse_part(line: bytes) -> RecordedPart | None:
    try:
        fields: Any = json.loads(line)
        index, start, size, token, checksums, compared, algorithm, digest = fields
        receipt = Receipt(Part(int(index), int(start), int(size)), str(token), dict(checksums), bool(compared))
    except (TypeError, ValueError, RecursionError):
        return None
    return RecordedPart(receipt, algorithm, str(digest))
