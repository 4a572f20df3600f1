"""Which existing files a new file may replace, and the permissions it inherits from them; blocking."""

import errno
import os
import stat
from contextlib import suppress

from ...errors import LocalIOError, ObjectExists

__all__ = ["destination", "inherit", "kind_of", "move_new", "replaceable"]

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}
_STREAMS = {stat.S_IFIFO, stat.S_IFCHR}
# Errors of link(2) on a file system without hard links: https://man7.org/linux/man-pages/man2/link.2.html
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK}


def kind_of(path: str) -> str:
    """Describe what is at a path that exists, such as "a file" or "a named pipe"."""
    try:
        return _KINDS.get(stat.S_IFMT(os.stat(path).st_mode), "a file")
    except OSError:
        return f"a symbolic link to {os.readlink(path)}, which does not exist" if os.path.islink(path) else "a file"


def destination(path: str, *, follow: bool) -> str:
    """Find the file to write when a single object is downloaded to a path.

    Args:
        path: The path.
        follow: Follow a symbolic link to the file that it names, as `cp` does.

    Returns:
        The path, or the target of the link.

    Raises:
        LocalIOError: The path names a pipe, a device or a socket, or is a link to nothing.
        OSError: It names a directory, or cannot be looked up.
    """
    try:
        status = os.stat(path, follow_symlinks=follow)
    except FileNotFoundError:
        if os.path.islink(path):
            raise LocalIOError(f"{path} is {kind_of(path)}", hint="remove the link, or choose another file") from None
        return path
    stream = stat.S_IFMT(status.st_mode) in _STREAMS
    _refuse(status, path, hint="to stream an object, use stream()" if stream else "choose a file")
    return os.path.realpath(path, strict=True) if follow and os.path.islink(path) else path


def replaceable(name: str, directory: int, path: str) -> os.stat_result | None:
    """Return the status of the file that a new file will replace. A link is not followed: the link itself is replaced.

    Args:
        name: Name of the new file.
        directory: Descriptor of its directory.
        path: Full path, for errors.

    Returns:
        The status of the old file or link; None if there is none.

    Raises:
        LocalIOError: It is a pipe, a device or a socket.
        OSError: It is a directory.
    """
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    _refuse(status, path, hint="remove it, or choose another directory")
    return status


def move_new(temporary: str, name: str, directory: int, path: str) -> None:
    """Give a file its final name, unless that is taken. Atomic where the file system has hard links.

    Args:
        temporary: Path of the file.
        name: Its final name.
        directory: Descriptor of its directory.
        path: Its full path, for errors.

    Raises:
        ObjectExists: The name is taken.
    """
    try:
        try:
            os.link(temporary, name, dst_dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if replaceable(name, directory, path) is not None:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from None
            os.replace(temporary, name, dst_dir_fd=directory)
        else:
            os.unlink(temporary)
    except FileExistsError:
        hint = "choose another destination, or skip or overwrite what exists"
        raise ObjectExists(f"{path} exists already", hint=hint) from None


def inherit(descriptor: int, old: os.stat_result) -> bool:
    """Give a new file the permission bits of the file that it replaces, and its owner where the process may.

    Set-user-ID, set-group-ID and sticky bits are not taken over: they were granted to the old content.

    Args:
        descriptor: Of the new file.
        old: Status of the old one. A symbolic link has nothing to take over.

    Returns:
        Whether anything was changed.
    """
    new = os.fstat(descriptor)
    if not stat.S_ISREG(old.st_mode):
        return False
    changed = False
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        for owner in (old.st_uid, -1):  # setting the owner needs root; setting the group, only membership
            with suppress(OSError):
                os.fchown(descriptor, owner, old.st_gid)
                changed = True
                break
    mode = old.st_mode & 0o777
    if stat.S_IMODE(new.st_mode) != mode:
        os.fchmod(descriptor, mode)
        changed = True
    return changed


def _refuse(status: os.stat_result, path: str, hint: str) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if kind not in {stat.S_IFREG, stat.S_IFLNK}:
        raise LocalIOError(f"{path} is {_KINDS.get(kind, 'a special file')}, not a regular file", hint=hint)
