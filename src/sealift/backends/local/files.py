"""What is done to files, blocking; and what their failures are called."""

import errno
import os
import shutil
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

__all__ = [
    "READ",
    "as_storage_error",
    "check_version",
    "copy_range",
    "crc",
    "crc_of",
    "existing",
    "free_space",
    "info",
    "make_directories",
    "read_into",
    "stat_file",
    "sync_directories",
    "sync_directory",
    "sync_file",
    "sync_tree",
    "taken_space",
]


# To read a file; never waits for a writer where somebody has put a pipe in its place.
READ = os.O_RDONLY | os.O_NONBLOCK
_LITTLE = 64 * KiB
# Up to so many bytes zlib keeps the interpreter's lock; to get it back costs more than to compute this.
_KEEPING = 5 * KiB


def make_directories(path: str) -> None:
    """`os.makedirs`, while others remove an empty dot directory between any two of its steps."""
    for _ in range(8):
        with suppress(FileExistsError, FileNotFoundError):
            return os.makedirs(path, exist_ok=True)
    return os.makedirs(path, exist_ok=True)


def existing(path: str) -> str:
    """The path, or the directory above it that is nearest and there."""
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def free_space(place: str | int) -> int:
    """Bytes that may still be written to the disk of a path or descriptor."""
    room = os.statvfs(place)
    return room.f_bavail * room.f_frsize if room.f_blocks else sys.maxsize  # some file systems do not tell


def taken_space(status: os.stat_result) -> int:
    """Bytes of the disk that a file takes."""
    return status.st_blocks * 512  # whatever the file system's own blocks are


def sync_file(descriptor: int, path: str) -> None:
    """Wait until what is in a file is on the disk."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        error.filename = path  # the system knows the descriptor only
        raise


def sync_directory(path: str) -> None:
    """Wait until it is on the disk what a directory has in it, by name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_file(descriptor, path)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system whose directories know no such thing
            raise
    finally:
        os.close(descriptor)


def sync_directories(path: str, top: str) -> None:
    """As `sync_directory`, of one and those above it, up to `top`."""
    sync_directory(path)
    while path not in {top, os.path.dirname(path)}:
        path = os.path.dirname(path)
        sync_directory(path)


def sync_tree(root: str, *, files: bool) -> None:
    """As `sync_directory`, of a directory and all below it, the deepest first; and of the files in them."""
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
    """Fill `into` with the bytes from `start` on; False: the file ends before."""
    done = 0
    while done < len(into):
        count = os.preadv(descriptor, [into[done:]], start + done)
        if count == 0:
            return False
        done += count
    return True


class _Little:
    """A CRC32, computed with the interpreter's lock, which for so few bytes is faster."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview) -> None:
        for start in range(0, len(data), _KEEPING):
            self._value = zlib.crc32(data[start : start + _KEEPING], self._value)

    @property
    def digest(self) -> str:
        return f"{self._value:08x}"


def crc_of(length: int) -> "_Little | checksums.Running":
    """The checksum that a journal's claims are compared by, of so many bytes: CRC32C; of little CRC32."""
    return checksums.Running("crc32c") if length > _LITTLE else _Little()


def crc(data: memoryview) -> str:
    """As `crc_of`, of bytes that are there."""
    running = crc_of(len(data))
    running.update(data)
    return running.digest


def copy_range(source: int, target: int, start: int, count: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, count, start, start)
        except OSError as error:
            # Across file systems, on old kernels, and on file systems that cannot: the way through memory.
            if error.errno not in {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF}:
                raise
    os.lseek(source, start, os.SEEK_SET)
    os.lseek(target, start, os.SEEK_SET)
    with os.fdopen(source, "rb", closefd=False) as reader, os.fdopen(target, "wb", closefd=False) as writer:
        shutil.copyfileobj(reader, writer, MiB)
        writer.flush()
        return writer.tell() - start


def _version(status: os.stat_result) -> str:
    # The last one also shows a change whose writer has put the modification time back.
    return f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ctime_ns:x}"


def check_version(obj: ObjectInfo, status: os.stat_result) -> None:
    # `chmod` and a new hard link set the time of the last status change, and nobody need read the file again for them.
    if obj.version is not None and _version(status).rpartition("-")[0] != obj.version.rpartition("-")[0]:
        raise ObjectChanged(f"the file {obj.key!r} was changed while it was read")


def info(key: str, status: os.stat_result) -> ObjectInfo:
    try:
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):  # file systems hold years that datetime does not
        modified = None
    return ObjectInfo(key, status.st_size, _version(status), modified, properties=NO_PROPERTIES)


@contextmanager
def as_storage_error(reading: str | None) -> Iterator[None]:
    """Turn an OSError into the error of the tree; `reading` is the path whose absence means a missing object."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        path = error.filename2 or error.filename or reading or "the file"
        if reading is not None and error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}:
            kind = "is a directory" if error.errno == errno.EISDIR else "does not exist"
            raise ModelMissingError(reading, cause=f"{reading} {kind}") from None
        if reading is not None and isinstance(error, PermissionError):
            raise AccessDenied(f"no permission to read {path}", hint="check its mode and owner") from None
        hint = {
            errno.ENOSPC: "free some space or choose another directory",
            errno.EDQUOT: "the user's quota is used up",
            errno.EROFS: "choose a directory that can be written",
            errno.EACCES: f"this process runs as user {os.geteuid()}; check the directory's mode and owner",
            errno.EMFILE: "raise the limit of open files, or lower Limits(connections=…)",
        }.get(error.errno or 0)
        raise LocalIOError(f"{os.strerror(error.errno or 0)}: {path}", hint=hint) from None
