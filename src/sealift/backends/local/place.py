"""A directory and its dot directory: where the files of keys are, and where they grow."""

import itertools
import os
import secrets
import stat
from contextlib import suppress

from ...errors import LocalIOError, UnsafeKey
from ...journal import Journal
from ...paths import STATE_DIRECTORY
from .files import copy_range, make_directories

__all__ = ["Place"]

_OPEN = os.O_RDWR | os.O_NOFOLLOW
_CREATE = _OPEN | os.O_CREAT | os.O_EXCL


class Place:
    """All but `path` is blocking.

    Args:
        root: The directory; it need not exist yet.
        state: Directory for temporary files, on the same file system. None: `.sealift` in `root`.
        staged: Nobody looks at `root` before the caller publishes it as a whole: a file may be written in its place.
        journal: Of the download that the files belong to, which a later process may go on with.
    """

    def __init__(self, root: str, state: str | None, *, staged: bool, journal: Journal | None) -> None:
        self.root = root
        self.staged = staged
        self.journal = journal
        self._state = state or os.path.join(root, STATE_DIRECTORY)
        self._made: set[str] = set()
        self._token = secrets.token_hex(8)
        self._count = itertools.count()

    def path(self, key: str) -> str:
        """Where a key's file is.

        Raises:
            UnsafeKey: The key would leave the root.
        """
        if key.startswith("/") or ".." in key.split("/"):
            raise UnsafeKey(f"the key {key!r} would leave {self.root}")
        return os.path.join(self.root, key)

    def create(self, path: str, key: str, *, temporary: bool) -> tuple[str, int]:
        """A file to be filled, at the path or in the dot directory: where it is, and its descriptor."""
        self._make(os.path.dirname(path))
        if not temporary:
            return path, self._new(path)
        partial = self._partial(key)
        return self._another() if partial is None else (partial, self._reopened(partial))

    def _partial(self, key: str) -> str | None:
        for _ in range(8):
            try:
                return None if self.journal is None else self.journal.partial(key)
            except FileNotFoundError:  # as in `_new`
                make_directories(self._state)
        raise self._vanishes()

    def copy_of(self, descriptor: int) -> str:
        """A temporary file with the bytes of another."""
        path, copy = self._another()
        try:
            done = 0
            while count := copy_range(descriptor, copy, done, os.fstat(descriptor).st_size - done):
                done += count
        finally:
            os.close(copy)
        return path

    def _another(self) -> tuple[str, int]:
        path = f"{self._state}/{self._token}-{next(self._count)}.part"
        return path, self._new(path)

    def _make(self, directory: str) -> None:
        if directory not in self._made:
            make_directories(directory)
            self._made.add(directory)

    def _new(self, path: str) -> int:
        for _ in range(8):
            try:
                return os.open(path, _CREATE, 0o666)
            except FileNotFoundError:  # another process has removed the directory, or it is not there yet
                make_directories(os.path.dirname(path))
            except FileExistsError:  # what a killed process has left, in a tree that nobody else writes to
                os.unlink(path)
        raise self._vanishes()

    def _vanishes(self) -> LocalIOError:
        return LocalIOError(f"directories below {self.root} vanish again and again")

    def _reopened(self, partial: str) -> int:
        """A partial file that may be there; never truncated, as another process may be at it where locks lie."""
        with suppress(FileNotFoundError):
            descriptor = os.open(partial, _OPEN)
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid():
                return descriptor
            os.close(descriptor)  # planted: what is written to it would land elsewhere
        return self._new(partial)

    def close(self) -> None:
        """Remove the dot directory unless somebody else still uses it."""
        with suppress(OSError):  # it is not empty, or was never made
            os.rmdir(self._state)
