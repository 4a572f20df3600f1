"""A directory and its dot directory: where the files of keys are, and where they grow."""

import itertools
import os
import secrets
import threading
from contextlib import suppress

from ...errors import LocalIOError, UnsafeKey
from ...paths import STATE_DIRECTORY
from .files import existing, make_directories, sync_directory

__all__ = ["Place"]

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


class Place:
    """All but `path` is blocking.

    Args:
        root: The directory; it need not exist yet.
        state: Directory for temporary files, on the same file system. None: `.sealift` in `root`.
        staged: Nobody looks at `root` before the caller publishes it as a whole: a file may be written in its place.
        durable: A file is told of when it, and the directories that lead to it, are on the disk; where `staged`, the
            directories are the caller's care.
    """

    def __init__(self, root: str, state: str | None, *, staged: bool, durable: bool = False) -> None:
        self.root = root
        self.staged = staged
        self.durable = durable
        self._anchor: str | None = None
        self._looking = threading.Lock()
        self._durable: set[str] = set()
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

    def create(self, path: str, *, temporary: bool) -> tuple[str, int]:
        """A new file, at the path or in the dot directory: where it is, and its descriptor."""
        directory = os.path.dirname(path)
        if self.durable:
            with self._looking:
                self._anchor = self._anchor or existing(self.root)
        if directory not in self._made:
            make_directories(directory)
            self._made.add(directory)
        if not temporary:
            return path, os.open(path, _CREATE, 0o666)
        path = f"{self._state}/{self._token}-{next(self._count)}.part"
        for _ in range(8):
            try:
                return path, os.open(path, _CREATE, 0o666)
            except FileNotFoundError:  # not there yet, or another process has removed it when it was empty
                make_directories(self._state)
        raise LocalIOError(f"the directory {self._state} vanishes again and again")

    def settle(self, path: str) -> None:
        """Wait until the names of a file, and of the directories that were made for it, are on the disk."""
        directory = os.path.dirname(path)
        sync_directory(directory)
        new = []
        while directory not in self._durable and directory not in {self._anchor, os.path.dirname(directory)}:
            new.append(directory)
            directory = os.path.dirname(directory)
            sync_directory(directory)
        self._durable.update(new)  # only now: another thread's file may rely on it

    def close(self) -> None:
        """Remove the dot directory unless somebody else still uses it."""
        with suppress(OSError):  # it is not empty, or was never made
            os.rmdir(self._state)
