"""The layout of a cache directory, and how its files are written; blocking.

    CACHEDIR.TAG                     backup programs skip it: https://bford.info/cachedir/
    v1/snapshots/ID/                 the files of one object or prefix; complete and read-only
    v1/manifests/ID.json             which files those are; its modification time is the time of the last use
    v1/blobs/xx/NAME                 the same files by their content, as hard links
    v1/requests/ID.json              which snapshot a URI was when it was last checked, at its modification time
    v1/processes/, v1/leases/ID/     the processes that use a snapshot, or are about to remove it
    v1/pins/ID                       snapshots that are not evicted
    v1/owners/ID                     the process that downloads a snapshot
    v1/boots/ID                      the boots of machines after which the cache was checked
    v1/work/                         unfinished downloads
    v1/trash/, v1/damaged/           what is being removed; what `verify` has moved aside

Snapshots are the truth: a directory that has its name is complete. Blobs only make files shareable.
"""

import errno
import os
import time
from contextlib import suppress

from ..errors import LocalIOError

__all__ = ["FULL", "CacheDirectory", "is_id"]

FULL = {errno.ENOSPC, errno.EDQUOT}
"""The error numbers of a full disk."""

_FORMAT = "v1"
_PARTS = (
    "snapshots",
    "manifests",
    "blobs",
    "requests",
    "processes",
    "leases",
    "pins",
    "owners",
    "boots",
    "work",
    "trash",
)
_TAG = """Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag, made by sealift: https://bford.info/cachedir/
"""


def is_id(text: str) -> bool:
    """Whether a text is the ID of a snapshot."""
    return len(text) == 32 and set(text) <= set("0123456789abcdef")


def _remove(path: str) -> None:
    """Remove a file or a tree, as far as it is possible now."""
    for remove in (os.unlink, os.rmdir):  # most directories are empty
        with suppress(OSError):  # removed by another process, or another user's
            remove(path)
            return
    if os.path.isdir(path):
        import shutil  # noqa: PLC0415 - it loads all formats of archives

        shutil.rmtree(path, ignore_errors=True)


class CacheDirectory:
    """A cache directory.

    Args:
        path: Its absolute path.

    Attributes:
        path: Its absolute path.
        root: The directory of this format in it.
        mode: Permission bits of new directories in it: those of the cache itself, so that a cache that a group may
            write to is one in all its parts.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.root = os.path.join(path, _FORMAT)
        self.mode = 0o700

    def open(self) -> None:
        """Create what does not exist. A new cache is readable for its user only.

        Raises:
            OSError: It cannot be created, or this process cannot write to it.
        """
        with suppress(FileExistsError):
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            os.mkdir(self.path, 0o700)
        self.mode = os.stat(self.path).st_mode & 0o2777
        if not os.path.isdir(os.path.join(self.root, _PARTS[-1])):
            self.make(self.root)
            for part in _PARTS:
                self.make(self.file(part))
            tag = os.path.join(self.path, "CACHEDIR.TAG")
            if not os.path.exists(tag):
                self.write(tag, _TAG)
        if not os.access(self.file("work"), os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self.file("work"))

    def file(self, *names: str) -> str:
        """The path of something in the cache."""
        return os.path.join(self.root, *names)

    def snapshot(self, snapshot: str) -> str:
        """The directory of a snapshot."""
        return os.path.join(self.root, "snapshots", snapshot)

    def make(self, path: str) -> str:
        """Create a directory with the permissions of the cache, unless it exists."""
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            return path
        os.chmod(path, self.mode | 0o700)  # mkdir applies the umask
        return path

    def write(self, path: str, text: str) -> None:
        """Write a small file atomically: a reader sees the old or the new content, never a part of it."""
        temporary = f"{path}.{os.urandom(8).hex()}.tmp"
        try:
            with open(temporary, "x", encoding="utf-8", errors="surrogateescape") as file:
                os.fchmod(file.fileno(), 0o600 | self.mode & 0o066)
                file.write(text)
            os.rename(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def discard(self, path: str) -> bool:
        """Remove a file or a tree: it is renamed first, so that it disappears as a whole, at once.

        Returns:
            Whether it existed.
        """
        aside = self.put_aside(path)
        if aside is None:
            return False
        _remove(aside)
        return True

    def put_aside(self, path: str) -> str | None:
        """Move a file or a tree to where it is removed soon.

        Returns:
            Its new path; None: it did not exist.
        """
        aside = self.file("trash", os.urandom(8).hex())
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            return None
        return aside

    def empty_trash(self) -> None:
        """Remove what a process was removing when it was killed."""
        for name in os.listdir(self.file("trash")):
            _remove(self.file("trash", name))

    def file_system_time(self) -> float:
        """The time by the clock that gives files their times, which may be that of a file server.

        Of a cache that cannot be written to, the time of this machine.
        """
        path = self.file("work", f"{os.urandom(8).hex()}.time")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError:
            return time.time()
        try:
            return os.stat(path).st_mtime
        finally:
            os.unlink(path)

    def unusable(self, error: OSError) -> LocalIOError:
        """The error for a cache directory that cannot be used."""
        hint = "set SEALIFT_CACHE to a directory that you can write to"
        if error.errno in FULL:
            hint = "free some space, or set SEALIFT_CACHE to a directory on another disk"
        elif os.path.isdir(self.root):
            hint += ", and SEALIFT_CACHE_READ to this one to use what is in it"
        return LocalIOError(f"the cache directory {self.path} cannot be used: {error.strerror or error}", hint=hint)
