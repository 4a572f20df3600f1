"""List one directory and explain skipped entries; functions without `async` block."""

import errno
import heapq
import os
import stat as modes
from collections.abc import Iterator
from functools import partial
from typing import Self

from ...compressed_list import CompressedList, sort
from ...contract import Walk
from ...errors import LocalIOError, Skipped, SkipReason
from ...frozen_dataclass import dataclass
from ...keys.paths import is_work_directory
from ...runtime.disk_threads import DiskThreads

__all__ = ["MISSING", "Ancestors", "Contents", "inner", "scan", "skip", "start", "unlisted"]

_READABLE_BY_ALL = 0o444
_KINDS = {
    modes.S_IFIFO: "FIFO",
    modes.S_IFSOCK: "socket",
    modes.S_IFBLK: "block device",
    modes.S_IFCHR: "character device",
}
# Errors of a file, a directory or the target of a link that does not exist.
MISSING = {errno.ENOENT, errno.ENOTDIR}


Block = tuple[list[tuple[str, os.stat_result]], list[Skipped]]


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
    """The entries of a directory, in the order of their names. A directory may have millions.

    Args:
        path: The directory.
        ancestors: This directory and those above it.
        walk: Options of the walk.

    Attributes:
        ancestors: This directory and those above it.
        empty: Whether the directory has no entries.
    """

    __slots__ = ("_directories", "_first", "_links", "_names", "_path", "_walk", "ancestors", "empty")

    def __init__(self, path: str, ancestors: Ancestors, walk: Walk) -> None:
        self._path = path
        self._walk = walk
        names, directories = CompressedList[str](), CompressedList[str]()
        self.ancestors = ancestors
        self.empty = True
        with os.scandir(path) as entries:
            for entry in entries:
                self.empty = False
                ours = is_work_directory(entry.name) and (entry.is_symlink() or entry.is_dir())
                if not (ours and walk.follow):  # removing a tree includes the remains of killed downloads
                    (directories if entry.is_dir(follow_symlinks=False) else names).append(entry.name)
        self._names = sort(names, str)
        self._directories = sort(directories, str)
        self._links: list[str] = []
        # In the same call, as most directories have one block at most.
        self._first = self._read(0) if names else ([], [])

    @property
    def blocks(self) -> int:
        """Number of blocks of the entries that are no directories."""
        return self._names.blocks

    async def read(self, block: int, disk: DiskThreads) -> Block:
        """Names and statuses of the entries of a block that are listed as objects, and the skipped ones, by name."""
        return await disk.run(partial(self._read, block)) if block else self._first

    def _read(self, block: int) -> Block:
        files: list[tuple[str, os.stat_result]] = []
        skipped: list[Skipped] = []
        for name in self._names.block(block):
            found = _classify(os.path.join(self._path, name), name, self._walk)
            if isinstance(found, Skipped):
                skipped.append(found)
            elif found is not None and modes.S_ISDIR(found.st_mode):
                self._links.append(name)
            elif found is not None:
                files.append((name, found))
        return files, skipped

    def directories(self) -> Iterator[str]:
        """Names of subdirectories, and of links to directories. Call it after all blocks were read."""
        return heapq.merge(self._directories, self._links)


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
    return Contents(path, Ancestors(identity, above), walk)


def inner(contents: Contents, below: str, begin: str, walk: Walk) -> Iterator[tuple[str, Ancestors]]:
    """The subdirectories that are listed: their keys, and the directories above them."""
    for name in contents.directories():
        key = below + name
        if key.startswith(begin) and (walk.enter is None or walk.enter(key)):
            yield key, contents.ancestors


def skip(walk: Walk, skipped: Skipped) -> None:
    """Report a skipped entry; a loop and an unreadable directory are errors if nobody receives the report."""
    if walk.on_skip is not None:
        walk.on_skip(skipped)
    elif skipped.reason in {"loop", "unreadable directory"}:
        raise LocalIOError(f"/{skipped.key}: {skipped.cause}")


def unlisted(directory: str, error: OSError) -> Skipped:
    """Explain why a directory below the top one is skipped."""
    reason: SkipReason = "unreadable directory"
    cause = f"cannot read the directory: {os.strerror(error.errno or 0)}"
    if error.errno == errno.ELOOP:
        reason, cause = "loop", "leads to a directory above it, or to the destination"
    elif error.errno in MISSING:
        reason, cause = "vanished", "removed while it was listed"
    return Skipped(directory, reason, cause)


def _classify(path: str, name: str, walk: Walk) -> os.stat_result | Skipped | None:
    """The status of an entry that is listed, or why it is skipped; None: it has been removed."""
    try:
        status = os.stat(path, follow_symlinks=walk.follow and walk.links)
    except OSError as error:
        # Otherwise, it is already removed.
        return _unreadable(path, name, error) if walk.follow or error.errno != errno.ENOENT else None
    if modes.S_ISDIR(status.st_mode) or not walk.follow:
        return status
    if modes.S_ISLNK(status.st_mode):
        return Skipped(name, "symbolic link", "symbolic link, not followed")
    if not modes.S_ISREG(status.st_mode):
        kind = _KINDS.get(modes.S_IFMT(status.st_mode), "special file")
        return Skipped(name, "special file", f"{kind}, not a regular file")
    if walk.readable and not _is_readable(path, status):
        return Skipped(name, "unreadable file", "no permission to read the file")
    return status


def _is_readable(path: str, status: os.stat_result) -> bool:
    # Most files are readable by everyone, which saves a system call.
    return status.st_mode & _READABLE_BY_ALL == _READABLE_BY_ALL or os.access(path, os.R_OK)


def _unreadable(path: str, name: str, error: OSError) -> Skipped:
    reason: SkipReason = "unreadable file"
    cause = os.strerror(error.errno or 0)
    if os.path.islink(path):
        target = os.readlink(path)
        if error.errno in MISSING:
            reason, cause = "broken link", f"link to {target}, which does not exist"
        elif error.errno == errno.ELOOP:
            reason, cause = "loop", f"link to {target}, which leads back to itself"
        else:
            cause = f"link to {target}, which cannot be read: {cause}"
    elif error.errno == errno.ENOENT:
        reason, cause = "vanished", "removed while the directory was listed"
    return Skipped(name, reason, cause)
