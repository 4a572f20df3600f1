"""Remove files below a directory without following links; blocking."""

import errno
import os
import stat
from collections.abc import Collection, Sequence
from contextlib import suppress

from ...errors import Skipped
from .directories import OPEN_DIRECTORY

__all__ = ["remove_all"]


def remove_all(top: str, keys: Sequence[str], under: str, keep: Collection[str] = ()) -> list[Skipped]:
    """Remove files, links and empty directories, then the directories that this leaves empty.

    Args:
        top: The directory that `under` stands for; may itself be a link.
        keys: Keys to remove; one that ends in "/" is an empty directory. Missing files are not an error.
        under: Common prefix of the keys: "", or a prefix that ends in "/". With "", `top` itself stays.
        keep: Directories to keep even if they become empty, each with its trailing "/".

    Returns:
        The entries that could not be removed; all others are removed.
    """
    opened = _OpenDirectories(top, {directory[len(under) :].rstrip("/") for directory in keep})
    failed = []
    directories = set()
    try:
        for key in keys:
            path = key[len(under) :].rstrip("/")
            directory, _, name = path.rpartition("/")
            if name:
                try:
                    opened.remove(directory, name, is_directory=key.endswith("/"))
                except OSError as error:
                    failed.append(Skipped(key, "not deleted", _cause(error)))
            directories.add(directory)
        for directory in sorted(directories, key=len, reverse=True):
            opened.prune(directory)
        if opened.pruned and under:
            with suppress(OSError):  # not empty, a link, or no permission
                os.rmdir(top)
    finally:
        opened.close()
    return failed


def _cause(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return f"behind the link {error.filename}"
    return os.strerror(error.errno or 0)


class _OpenDirectories:
    """Opens directories below a top directory, each relative to the one above it and never through a link.

    A link that replaces a directory in the meantime is not followed.
    """

    def __init__(self, top: str, kept: Collection[str]) -> None:
        self._top = top
        self._kept = kept
        self._last: tuple[str | None, int] = (None, -1)
        self.pruned = False

    def remove(self, directory: str, name: str, *, is_directory: bool = False) -> None:
        """Remove an entry of a directory; a missing entry is not an error."""
        with suppress(FileNotFoundError):
            descriptor = self._open(directory)
            if is_directory:
                os.rmdir(name, dir_fd=descriptor)
            else:
                os.unlink(name, dir_fd=descriptor)

    def prune(self, directory: str) -> None:
        """Remove a directory if it is empty, then its parents. For the top directory, only set `pruned`."""
        while directory not in self._kept:
            if not directory:
                self.pruned = True
                return
            above, _, name = directory.rpartition("/")
            try:
                self.remove(above, name, is_directory=True)
            except OSError:  # not empty, or no permission
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
            descriptor = os.open(self._top, OPEN_DIRECTORY & ~os.O_NOFOLLOW)
            for step in filter(None, directory.split("/")):
                try:
                    inner = os.open(step, OPEN_DIRECTORY, dir_fd=descriptor)
                except NotADirectoryError:
                    if stat.S_ISLNK(os.stat(step, dir_fd=descriptor, follow_symlinks=False).st_mode):
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), step) from None
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), step) from None
                finally:
                    os.close(descriptor)
                descriptor = inner
            self._last = (directory, descriptor)
        return self._last[1]
