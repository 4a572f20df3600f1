"""Listing one directory, blocking: what its entries are, and why some of them are left out."""

import errno
import os
import stat as modes
from dataclasses import dataclass, field
from typing import Self

from ...contract import Walk
from ...errors import Skipped, SkipReason
from ...keys.paths import STATE_DIRECTORY

__all__ = ["Ancestors", "Contents", "scan", "start"]

_READABLE_BY_ALL = 0o444
_KINDS = {
    modes.S_IFIFO: "FIFO",
    modes.S_IFSOCK: "socket",
    modes.S_IFBLK: "block device",
    modes.S_IFCHR: "character device",
}
# A link that leads to no file or directory.
_BROKEN = {errno.ENOENT, errno.ENOTDIR}


@dataclass(frozen=True, slots=True)
class Ancestors:
    """The directories on the way from the root of a walk to one of its directories.

    Attributes:
        identity: Device and inode of the last one.
        above: Those before it.
    """

    identity: tuple[int, int]
    above: Self | None

    def __contains__(self, identity: object) -> bool:
        here: Ancestors | None = self
        while here is not None:
            if here.identity == identity:
                return True
            here = here.above
        return False


@dataclass(slots=True)
class Contents:
    """What is in a directory.

    Attributes:
        ancestors: Of the entries: this directory, and those above it.
        files: Names and statuses of what is listed as an object.
        directories: Names.
        skipped: Everything else; the keys are names.
        empty: Whether there is no entry at all.
    """

    ancestors: Ancestors
    files: list[tuple[str, os.stat_result]] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    empty: bool = True


def start(walk: Walk) -> Ancestors | None:
    """What counts as above the first directory of a walk."""
    try:
        status = os.stat(walk.exclude) if walk.exclude else None
    except OSError:  # it is not there yet
        status = None
    return None if status is None else Ancestors((status.st_dev, status.st_ino), None)


def scan(path: str, above: Ancestors | None, walk: Walk, *, first: bool) -> Contents:
    """List one directory.

    Args:
        path: The directory.
        above: The directories above it in this walk.
        walk: Which entries to leave out.
        first: This is where the walk begins.

    Raises:
        OSError: It cannot be read; with ELOOP, it is a link to one of the directories above it.
    """
    status = os.stat(path)
    identity = status.st_dev, status.st_ino
    if above is not None and not first and identity in above:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    found = Contents(Ancestors(identity, above))
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            found.empty = False
            ours = entry.name == STATE_DIRECTORY and (entry.is_symlink() or entry.is_dir())
            if not (ours and walk.follow):  # what is removed as a whole includes what killed downloads have left
                _sort(entry, found, walk)
    return found


def _sort(entry: os.DirEntry[str], found: Contents, walk: Walk) -> None:
    if entry.is_dir(follow_symlinks=False):
        found.directories.append(entry.name)
        return
    try:
        status = entry.stat(follow_symlinks=walk.follow)
    except OSError as error:
        if walk.follow or error.errno != errno.ENOENT:  # what is gone need not be removed
            found.skipped.append(_unknown(entry, error))
        return
    if modes.S_ISDIR(status.st_mode):
        found.directories.append(entry.name)
    elif not walk.follow:
        found.files.append((entry.name, status))
    elif not modes.S_ISREG(status.st_mode):
        kind = _KINDS.get(modes.S_IFMT(status.st_mode), "special file")
        found.skipped.append(Skipped(entry.name, "special file", f"{kind}, not a regular file"))
    elif walk.readable and not _may_be_read(entry, status):
        found.skipped.append(Skipped(entry.name, "unreadable file", "no permission to read the file"))
    else:
        found.files.append((entry.name, status))


def _may_be_read(entry: os.DirEntry[str], status: os.stat_result) -> bool:
    # Most files are readable by everyone: that saves a system call.
    return status.st_mode & _READABLE_BY_ALL == _READABLE_BY_ALL or os.access(entry.path, os.R_OK)


def _unknown(entry: os.DirEntry[str], error: OSError) -> Skipped:
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
