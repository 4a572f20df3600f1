"""Removing files below a directory, and never through a link; blocking."""

import errno
import os
import stat
from collections.abc import Collection, Sequence
from contextlib import suppress

from ...errors import Skipped

__all__ = ["remove_all"]

# O_PATH, where there is one, needs no permission to read the directory.
_STEP = os.O_DIRECTORY | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY)


def remove_all(top: str, keys: Sequence[str], under: str, keep: Collection[str] = ()) -> list[Skipped]:
    """Remove files, links and empty directories, then the directories that this leaves empty.

    Args:
        top: The directory that `under` stands for. It may itself be a link.
        keys: What to remove; a key that ends in "/" is an empty directory. Missing ones are no error.
        under: What the keys begin with: "" or something that ends in "/". "" keeps `top` itself.
        keep: Directories that stay though they become empty, each with its "/".

    Returns:
        What could not be removed. Everything else is gone.
    """
    below = _Below(top, {directory[len(under) :].rstrip("/") for directory in keep})
    failed = []
    directories = set()
    try:
        for key in keys:
            path = key[len(under) :].rstrip("/")
            directory, _, name = path.rpartition("/")
            if name:
                try:
                    below.remove(directory, name, is_directory=key.endswith("/"))
                except OSError as error:
                    failed.append(Skipped(key, "not deleted", _cause(error)))
            directories.add(directory)
        for directory in sorted(directories, key=len, reverse=True):
            below.prune(directory)
        if below.pruned and under:
            with suppress(OSError):  # it is not empty, or a link, or not ours to remove
                os.rmdir(top)
    finally:
        below.close()
    return failed


def _cause(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return f"behind the link {error.filename}"
    return os.strerror(error.errno or 0)


class _Below:
    """The directories below a top one, each opened inside the one above it and never through a link.

    A link that someone puts in place of a directory in the meantime leads nowhere.
    """

    def __init__(self, top: str, kept: Collection[str]) -> None:
        self._top = top
        self._kept = kept
        self._last: tuple[str | None, int] = (None, -1)
        self.pruned = False

    def remove(self, directory: str, name: str, *, is_directory: bool = False) -> None:
        """Remove an entry of a directory; a missing one is no error."""
        with suppress(FileNotFoundError):
            there = self._open(directory)
            if is_directory:
                os.rmdir(name, dir_fd=there)
            else:
                os.unlink(name, dir_fd=there)

    def prune(self, directory: str) -> None:
        """Remove a directory if it is empty, and then those above it. The top one is only noted."""
        while directory not in self._kept:
            if not directory:
                self.pruned = True
                return
            above, _, name = directory.rpartition("/")
            try:
                self.remove(above, name, is_directory=True)
            except OSError:  # it is not empty, or not ours to remove
                return
            directory = above

    def close(self) -> None:
        """Close the directory that was opened last."""
        if self._last[0] is not None:
            os.close(self._last[1])
            self._last = (None, -1)

    def _open(self, directory: str) -> int:
        if self._last[0] != directory:
            self.close()
            descriptor = os.open(self._top, _STEP & ~os.O_NOFOLLOW)
            for step in filter(None, directory.split("/")):
                try:
                    inner = os.open(step, _STEP, dir_fd=descriptor)
                except NotADirectoryError:
                    if stat.S_ISLNK(os.stat(step, dir_fd=descriptor, follow_symlinks=False).st_mode):
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), step) from None
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), step) from None
                finally:
                    os.close(descriptor)
                descriptor = inner
            self._last = (directory, descriptor)
        return self._last[1]
