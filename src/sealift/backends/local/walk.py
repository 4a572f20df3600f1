"""List one directory and explain skipped entries; blocking."""

import errno
import os
import stat as modes
from typing import Self

from ...contract import Walk
from ...errors import Skipped, SkipReason
from ...frozen_dataclass import dataclass
from ...keys.paths import WORK_DIRECTORY

__all__ = ["Ancestors", "Contents", "scan", "start"]

_READABLE_BY_ALL = 0o444
_KINDS = {
    modes.S_IFIFO: "FIFO",
    modes.S_IFSOCK: "socket",
    modes.S_IFBLK: "block device",
    modes.S_IFCHR: "character device",
}
# Errors of a link whose target does not exist.
_BROKEN = {errno.ENOENT, errno.ENOTDIR}


@dataclass(frozen=True, slots=True)
class Ancestors:
    """The chain of directories from the root of a walk to one of its directories.

    Attributes:
        identity: Device and inode of the last directory.
        above: The directories above it.
    """

    identity: tuple[int, int]
    above: Self | None

    def __contains__(self, identity: object) -> bool:
        each: Ancestors | None = self
        while each is not None:
            if each.identity == identity:
                return True
            each = each.above
        return False


class Contents:
    """The entries of a directory.

    Args:
        ancestors: This directory and those above it.

    Attributes:
        ancestors: This directory and those above it.
        files: Names and statuses of the entries listed as objects.
        directories: Names of subdirectories.
        skipped: All other entries; their keys are names.
        empty: Whether the directory has no entries.
    """

    __slots__ = ("ancestors", "directories", "empty", "files", "skipped")

    def __init__(self, ancestors: Ancestors) -> None:
        self.ancestors = ancestors
        self.files: list[tuple[str, os.stat_result]] = []
        self.directories: list[str] = []
        self.skipped: list[Skipped] = []
        self.empty = True


def start(walk: Walk) -> Ancestors | None:
    """Return the ancestors of a walk's first directory: `walk.exclude`, if it exists."""
    try:
        status = os.stat(walk.exclude) if walk.exclude else None
    except OSError:  # it does not exist yet
        status = None
    return None if status is None else Ancestors((status.st_dev, status.st_ino), None)


def scan(path: str, above: Ancestors | None, walk: Walk, *, first: bool) -> Contents:
    """List one directory.

    Args:
        path: The directory.
        above: The directories above it in this walk.
        walk: Options of the walk.
        first: Whether this is the first directory of the walk.

    Raises:
        OSError: The directory cannot be read; ELOOP if it is a link to one of the directories above it.
    """
    status = os.stat(path)
    identity = status.st_dev, status.st_ino
    if above is not None and not first and identity in above:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    contents = Contents(Ancestors(identity, above))
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            contents.empty = False
            ours = entry.name == WORK_DIRECTORY and (entry.is_symlink() or entry.is_dir())
            if not (ours and walk.follow):  # removing a tree includes the remains of killed downloads
                _classify(entry, contents, walk)
    return contents


def _classify(entry: os.DirEntry[str], contents: Contents, walk: Walk) -> None:
    if entry.is_dir(follow_symlinks=False):
        contents.directories.append(entry.name)
        return
    try:
        status = entry.stat(follow_symlinks=walk.follow)
    except OSError as error:
        if walk.follow or error.errno != errno.ENOENT:  # already removed
            contents.skipped.append(_unreadable(entry, error))
        return
    if modes.S_ISDIR(status.st_mode):
        contents.directories.append(entry.name)
    elif not walk.follow:
        contents.files.append((entry.name, status))
    elif not modes.S_ISREG(status.st_mode):
        kind = _KINDS.get(modes.S_IFMT(status.st_mode), "special file")
        contents.skipped.append(Skipped(entry.name, "special file", f"{kind}, not a regular file"))
    elif walk.readable and not _is_readable(entry, status):
        contents.skipped.append(Skipped(entry.name, "unreadable file", "no permission to read the file"))
    else:
        contents.files.append((entry.name, status))


def _is_readable(entry: os.DirEntry[str], status: os.stat_result) -> bool:
    # Most files are readable by everyone, which saves a system call.
    return status.st_mode & _READABLE_BY_ALL == _READABLE_BY_ALL or os.access(entry.path, os.R_OK)


def _unreadable(entry: os.DirEntry[str], error: OSError) -> Skipped:
    reason: SkipReason = "unreadable file"
    cause = os.strerror(error.errno or 0)
    if entry.is_symlink():
        target = os.readlink(entry.path)
        if error.errno in _BROKEN:
            reason, cause = "broken link", f"link to {target}, which does not exist"
        elif error.errno == errno.ELOOP:
            reason, cause = "loop", f"link to {target}, which leads back to itself"
        else:
            cause = f"link to {target}, which cannot be read: {cause}"
    elif error.errno == errno.ENOENT:
        reason, cause = "vanished", "removed while the directory was listed"
    return Skipped(entry.name, reason, cause)
