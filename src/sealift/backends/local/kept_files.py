"""Check whether files that are there already can be kept; blocking."""

import errno
import os
import stat

from ...integrity import checksums
from ...integrity.signed import signed
from ...keys.paths import is_work_directory
from ...persist.download_journal import Claim
from ...types import MiB, ObjectInfo
from .files import READ, crc, info, read_into
from .staging import StagingDirectory

__all__ = ["completed", "is_filled", "unchanged"]

# Errors of a file that was removed, or replaced by a link or a socket.
_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}


def completed(staging: StagingDirectory, key: str, size: int, claim: Claim, into: memoryview) -> ObjectInfo | None:
    """Find out whether a file holds the bytes that a journal describes; sync it if `staging` is durable.

    Args:
        staging: The target directory.
        key: Path of the file below it.
        size: Expected size in bytes.
        claim: The journal's entry.
        into: Buffer, at least as long as the entry, into which the bytes are read.

    Returns:
        What the file was before it was read; None: it holds other bytes, or does not exist.
    """
    try:
        descriptor = os.open(staging.path(key), READ | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise
    try:
        status = os.fstat(descriptor)
        with into[: claim.length] as data:
            if (
                not stat.S_ISREG(status.st_mode)
                or status.st_size != size
                or not read_into(descriptor, claim.start, data)
                or crc(data) != claim.crc
            ):
                return None
        staging.keep(key)
    finally:
        os.close(descriptor)
    return info(key, status)


def unchanged(staging: StagingDirectory, key: str, obj: ObjectInfo) -> bool:
    """Find out whether an earlier download has written a file that nobody has changed since; see `Origins`.

    A file that was signed is read: whoever can write to the directory can also change a file without a trace.

    Args:
        staging: The target directory. If it is durable, the file is synced.
        key: Path of the file below it.
        obj: The object, in the version that the file is to hold.
    """
    path = staging.path(key)
    if staging.origins is None or not staging.origins.holds(path, obj):
        return False
    algorithm = signed(obj.checksums)
    if algorithm is not None and _digest(path, algorithm) != obj.checksums[algorithm]:
        return False
    staging.keep(key)
    return True


def is_filled(directory: str) -> bool:
    """Whether a directory exists and has any entries besides the work directory."""
    try:
        with os.scandir(directory) as entries:
            return any(not is_work_directory(entry.name) for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _digest(path: str, algorithm: str) -> str:
    running = checksums.Running(algorithm)
    with open(os.open(path, READ | os.O_NOFOLLOW), "rb", buffering=0) as file:
        while piece := file.read(MiB):
            running.update(piece)
    return running.digest
