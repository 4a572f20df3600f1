"""File operations, blocking, and the translation of their OSErrors."""

import errno
import os
import stat as modes
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from ...errors import AccessDenied, LocalIOError, ModelMissingError, ObjectChanged, StorageError
from ...integrity import checksums
from ...types import KiB, MiB, ObjectInfo
from ...types.properties import NO_PROPERTIES
from ...uris.file_names import encoding_hint, why_unencodable

__all__ = [
    "READ",
    "as_storage_error",
    "check_version",
    "copy_range",
    "crc",
    "crc_algorithm",
    "crc_of",
    "existing",
    "free_space",
    "has_fine_times",
    "info",
    "make_directories",
    "read_into",
    "stat_file",
    "storage_error",
    "sync_directories",
    "sync_directory",
    "sync_file",
    "sync_tree",
    "taken_space",
]


# Open for reading without blocking, even if the path has become a pipe.
READ = os.O_RDONLY | os.O_NONBLOCK
_SMALL = 64 * KiB
# zlib holds the GIL for up to this many bytes; reacquiring the GIL costs more than the checksum.
_GIL_HELD = 5 * KiB


def make_directories(path: str) -> None:
    """Call `os.makedirs`, retrying while other processes remove empty state directories."""
    for _ in range(8):
        with suppress(FileExistsError, FileNotFoundError):
            return os.makedirs(path, exist_ok=True)
    return os.makedirs(path, exist_ok=True)


def existing(path: str) -> str:
    """Return the path, or its nearest existing parent directory."""
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def free_space(file: str | int) -> int:
    """Return the free bytes of the file system of a path or descriptor."""
    status = os.statvfs(file)
    return status.f_bavail * status.f_frsize if status.f_blocks else sys.maxsize  # some file systems report nothing


def taken_space(status: os.stat_result) -> int:
    """Return the bytes that a file occupies on disk."""
    return status.st_blocks * 512  # st_blocks counts 512-byte units on every file system


def sync_file(descriptor: int, path: str) -> None:
    """Sync a file's content to disk."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        error.filename = path  # the OSError has only the descriptor
        raise


def sync_directory(path: str) -> None:
    """Sync a directory's entries to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_file(descriptor, path)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the file system cannot sync directories
            raise
    finally:
        os.close(descriptor)


def sync_directories(path: str, top: str) -> None:
    """Sync a directory and its parents, up to and including `top`."""
    sync_directory(path)
    while path not in {top, os.path.dirname(path)}:
        path = os.path.dirname(path)
        sync_directory(path)


def sync_tree(root: str, *, files: bool) -> None:
    """Sync a directory tree, the deepest directories first; with `files`, also the content of its files."""
    for directory, _, names in os.walk(root, topdown=False):
        for name in names if files else ():
            path = os.path.join(directory, name)
            descriptor = os.open(path, os.O_RDONLY)
            try:
                sync_file(descriptor, path)
            finally:
                os.close(descriptor)
        sync_directory(directory)


def stat_file(path: str) -> os.stat_result:
    status = os.stat(path)
    if modes.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not modes.S_ISREG(status.st_mode):
        raise LocalIOError(f"{path} is not a regular file")
    return status


def read_into(descriptor: int, start: int, into: memoryview) -> bool:
    """Fill `into` with the bytes from offset `start`; False if the file ends before."""
    done = 0
    while done < len(into):
        count = os.preadv(descriptor, [into[done:]], start + done)
        if count == 0:
            return False
        done += count
    return True


class _SmallCRC:
    """A CRC32 of small data."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview) -> None:
        self._value = _extend_small(data, self._value)

    @property
    def digest(self) -> str:
        return f"{self._value:08x}"


def _extend_small(data: memoryview, value: int = 0) -> int:
    """Continue a CRC32 while holding the GIL, which is faster for small data."""
    for start in range(0, len(data), _GIL_HELD):
        value = zlib.crc32(data[start : start + _GIL_HELD], value)
    return value


def crc_algorithm(length: int) -> str:
    """The algorithm of journal entries of this many bytes."""
    return "crc32c" if length > _SMALL else "crc32"


def crc_of(length: int) -> "_SmallCRC | checksums.Running":
    """Return a running checksum for journal entries of this many bytes."""
    return checksums.Running(crc_algorithm(length)) if length > _SMALL else _SmallCRC()


def crc(data: memoryview) -> str:
    """Return the digest that `crc_of` computes for these bytes."""
    return checksums.digest(crc_algorithm(len(data)), data) if len(data) > _SMALL else f"{_extend_small(data):08x}"


def copy_range(source: int, target: int, start: int, count: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, count, start, start)
        except OSError as error:
            # Different file systems, old kernels, or no support: copy through memory.
            if error.errno not in {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF}:
                raise
    os.lseek(source, start, os.SEEK_SET)
    os.lseek(target, start, os.SEEK_SET)
    left = count
    with os.fdopen(source, "rb", closefd=False) as reader, os.fdopen(target, "wb", closefd=False) as writer:
        while data := reader.read(min(MiB, left)):
            writer.write(data)
            left -= len(data)
    return count - left


def _version(status: os.stat_result) -> str:
    # The change time also reveals a writer that restored the modification time.
    return f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ctime_ns:x}"


def has_fine_times(version: str | None) -> bool:
    """Whether the change time in a file's version shows that the file system counts in less than seconds."""
    return version is not None and int(version.rpartition("-")[2], 16) % 1_000_000_000 != 0


def check_version(obj: ObjectInfo, status: os.stat_result) -> None:
    # `chmod` and new hard links also set the change time, but do not change the content: ignore it here.
    if obj.version is not None and _version(status).rpartition("-")[0] != obj.version.rpartition("-")[0]:
        raise ObjectChanged(f"the file {obj.key!r} was changed while it was read")


def info(key: str, status: os.stat_result) -> ObjectInfo:
    try:
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):  # a year outside the range of datetime
        modified = None
    return ObjectInfo(key, status.st_size, _version(status), modified, properties=NO_PROPERTIES)


@contextmanager
def as_storage_error(reading: str | None) -> Iterator[None]:
    """Convert the error of a file operation to a StorageError.

    Args:
        reading: The path whose absence means a missing object. None: the operation writes.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise storage_error(error, reading) from None
    except UnicodeEncodeError as error:
        raise LocalIOError(
            f"the path {error.object!r} {why_unencodable(error.object) or error.reason}", hint=encoding_hint()
        ) from None


def storage_error(error: OSError, reading: str | None = None) -> StorageError:
    """The StorageError for an OSError; `reading` is the path whose absence means a missing object."""
    path = error.filename2 or error.filename or reading or "the file"
    if reading is not None and error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}:
        kind = "is a directory" if error.errno == errno.EISDIR else "does not exist"
        return ModelMissingError(reading, cause=f"{reading} {kind}")
    if reading is not None and isinstance(error, PermissionError):
        return AccessDenied(f"no permission to read {path}", hint="check its mode and owner")
    hint = {
        errno.ENOSPC: "free some space or choose another directory",
        errno.EDQUOT: "the user's disk quota is exhausted",
        errno.EROFS: "choose a writable directory",
        errno.EACCES: f"this process runs as user {os.geteuid()}; check the directory's mode and owner",
        errno.EMFILE: "raise the limit on open files, or lower Limits(connections=…)",
    }.get(error.errno or 0)
    code = errno.errorcode.get(error.errno or 0)
    return LocalIOError(f"{os.strerror(error.errno or 0)}: {path}", hint=hint, code=code)
