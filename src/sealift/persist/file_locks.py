"""File locks (flock), so that two processes do not do the same work.

The kernel releases a lock when its process ends, however it ends. The owner may remove or replace the locked file, so
after locking, check that the path still names the same file.
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress

__all__ = ["acquire", "is_at", "is_locked", "lock", "open_file", "release"]

# Errors of flock on file systems without locks: https://man7.org/linux/man-pages/man2/flock.2.html
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


def acquire(path: str, *, required: bool = True) -> int:
    """Open and lock a file, creating it if it does not exist.

    Args:
        path: Path of the file; a symbolic link is an error.
        required: Whether a file system without locks is an error. If False, the file is opened without a lock.

    Returns:
        A descriptor for reading and appending; pass it to `release`.

    Raises:
        BlockingIOError: Another process has locked the file.
        OSError: The file cannot be opened or locked, is not a regular file, or has more than one hard link.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     release(acquire(file.name))
    """
    while True:
        descriptor = open_file(path)
        try:
            lock(descriptor, required=required)
            if is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the previous owner has just removed or replaced it


def open_file(path: str) -> int:
    """Open a file to lock it, creating it if it does not exist.

    Args:
        path: Path of the file; a symbolic link is an error.

    Returns:
        A descriptor for reading and appending.

    Raises:
        OSError: The file cannot be opened, is not a regular file, or has more than one hard link.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    status = os.fstat(descriptor)
    # A planted pipe or hard link would redirect what is appended.
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    return descriptor


def lock(descriptor: int, *, required: bool = True) -> None:
    """Lock an open file; arguments and errors as in `acquire`."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if required or error.errno not in _NO_LOCKS:
            raise


def is_locked(descriptor: int) -> bool:
    """Whether another process has locked an open file; False on a file system without locks.

    It is asked with a shared lock, since on NFS an exclusive one needs a descriptor for writing:
    https://man7.org/linux/man-pages/man2/flock.2.html
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def release(descriptor: int) -> None:
    """Unlock a file and close it."""
    with suppress(OSError):  # the file system has no locks
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing alone does not unlock while a forked child has the descriptor
    os.close(descriptor)


def is_at(descriptor: int, path: str) -> bool:
    """Whether a path names the open file of a descriptor; symbolic links are not followed."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
