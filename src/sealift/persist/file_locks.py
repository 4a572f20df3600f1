"""Locks on files, so that two processes do not do the same work.

A lock ends with its process, however that ends. Its file may be removed or replaced by who holds it, so whoever gets
one looks whether it is still on the file of that name.
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress

__all__ = ["acquire", "is_at", "release", "take"]

# What flock says where the file system has no locks: https://man7.org/linux/man-pages/man2/flock.2.html
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


def acquire(path: str, *, required: bool = True) -> int:
    """Open a file for this process alone; it is made if it is not there.

    Args:
        path: Of the file; a link is refused.
        required: Whether a file system without locks is an error. If not, the file is opened all the same.

    Returns:
        A descriptor to read and append by, for `release`.

    Raises:
        BlockingIOError: Another process has it.
        OSError: It cannot be opened or locked, or is no file of its own: a pipe, or another name of some file.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     release(acquire(file.name))
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            status = os.fstat(descriptor)
            if (
                not stat.S_ISREG(status.st_mode) or status.st_nlink > 1
            ):  # planted: what is appended would land elsewhere
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            take(descriptor, required=required)
            if is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its last owner removed or replaced it a moment ago


def take(descriptor: int, *, required: bool = True) -> None:
    """Lock a file that is open; as in `acquire`."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if required or error.errno not in _NO_LOCKS:
            raise


def release(descriptor: int) -> None:
    """Unlock a file and close it."""
    with suppress(OSError):  # where there are no locks
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing it would not, while a forked child has it too
    os.close(descriptor)


def is_at(descriptor: int, path: str) -> bool:
    """Whether a path still names the file of a descriptor, not by a link."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
