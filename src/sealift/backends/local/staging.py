"""A directory and its dot directory: where the files of keys are, and where they grow."""

import itertools
import os
import secrets
import stat
import threading
from contextlib import suppress
from typing import NamedTuple

from ...errors import LocalIOError, UnsafeKey
from ...keys.paths import STATE_DIRECTORY
from ...persist.download_journal import Journal
from .confinement import Inside, open_below, open_own
from .files import READ, copy_range, existing, sync_directory, sync_file

__all__ = ["Growing", "Place"]

_OPEN = os.O_RDWR | os.O_NOFOLLOW
_CREATE = _OPEN | os.O_CREAT | os.O_EXCL
# To find a dot directory that other processes remove whenever it is empty.
_ATTEMPTS = 8


class Growing(NamedTuple):
    """A file to be filled.

    Attributes:
        path: Where it is now.
        descriptor: To read and write by.
        resumable: A later process finds it by its name, which the journal knows.
    """

    path: str
    descriptor: int
    resumable: bool = False


class Place:
    """All but `path` is blocking.

    Args:
        root: The directory; it need not exist yet.
        state: Directory for temporary files, on the same file system. None: `.sealift` in `root`.
        staged: Nobody looks at `root` before the caller publishes it as a whole: a file may be written in its place.
        journal: Of the download that the files belong to, which a later process may go on with.
        durable: A file is told of when it, and the directories that lead to it, are on the disk; where `staged`, the
            directories are the caller's care.
        versions: A file that was written in its place gets its version reported, too.
    """

    def __init__(
        self,
        root: str,
        state: str | None,
        *,
        staged: bool,
        journal: Journal | None = None,
        durable: bool = False,
        versions: bool = False,
    ) -> None:
        self.root = root
        self.staged = staged
        self.inside = Inside(root)
        self.journal = journal
        self.durable = durable
        self.versions = versions
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

    def create(self, key: str, *, temporary: bool, large: bool = False) -> Growing:
        """Create the file of a key.

        Args:
            key: The key.
            temporary: Create it in the dot directory, not in its place.
            large: Writing it takes a while: check first whether it can be published, and let nobody read it meanwhile
                who may not read the file that it replaces.
        """
        self._look()
        if not temporary and (descriptor := self.inside.create(key)) is not None:
            return Growing(self.path(key), descriptor)
        old = self.inside.replaced(key) if large else None
        directory = os.path.dirname(key)
        if directory not in self._made:
            os.close(open_below(self.root, directory, key))
            self._made.add(directory)
        mode = 0o666 if old is None or not stat.S_ISREG(old.st_mode) else 0o600 | old.st_mode & 0o066
        name = self._partial(key)
        if name is None:
            return self._another(mode)
        return Growing(os.path.join(self._state, name), self._reopened(name, mode), resumable=True)

    def _partial(self, key: str) -> str | None:
        for _ in range(_ATTEMPTS):
            try:
                return None if self.journal is None else self.journal.partial_path(key)
            except FileNotFoundError:  # as in `_new`
                os.close(open_own(self._state))
        raise self._vanishes()

    def copy_of(self, descriptor: int) -> Growing:
        """A temporary file with the bytes of another."""
        copy = self._another(stat.S_IMODE(os.fstat(descriptor).st_mode))
        try:
            done = 0
            while count := copy_range(descriptor, copy.descriptor, done, os.fstat(descriptor).st_size - done):
                done += count
            if self.durable:
                sync_file(copy.descriptor, copy.path)
        except BaseException:
            os.close(copy.descriptor)
            with suppress(FileNotFoundError):
                os.unlink(copy.path)
            raise
        return copy

    def _another(self, mode: int) -> Growing:
        name = f"{self._token}-{next(self._count)}.part"
        return Growing(os.path.join(self._state, name), self._new(name, mode))

    def _new(self, name: str, mode: int) -> int:
        for _ in range(_ATTEMPTS):
            try:
                return self._open(name, _CREATE, mode)
            except FileNotFoundError:  # another process has removed the directory when it was empty
                continue
            except FileExistsError:  # planted
                os.unlink(os.path.join(self._state, name))
        raise self._vanishes()

    def _reopened(self, name: str, mode: int) -> int:
        """A partial file that may be there; never truncated, as another process may be at it where locks lie."""
        with suppress(FileNotFoundError):
            descriptor = self._open(name, _OPEN)
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid():
                return descriptor
            os.close(descriptor)  # planted: what is written to it would land elsewhere
        return self._new(name, mode)

    def _open(self, name: str, flags: int, mode: int = 0o666) -> int:
        state = open_own(self._state)
        try:
            return os.open(name, flags, mode, dir_fd=state)
        finally:
            os.close(state)

    def _vanishes(self) -> LocalIOError:
        return LocalIOError(f"the directory {self._state} vanishes again and again")

    def _look(self) -> None:
        """Before anything is made: which of the directories is there."""
        if self.durable:
            with self._looking:
                self._anchor = self._anchor or existing(self.root)

    def keep(self, key: str) -> None:
        """Wait until a file that an earlier process has finished is on the disk, if that is asked for."""
        if self.durable:
            self._look()
            descriptor = os.open(self.path(key), READ | os.O_NOFOLLOW)
            try:
                sync_file(descriptor, self.path(key))
            finally:
                os.close(descriptor)
            if not self.staged:
                self.settle(self.path(key))

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
        self.inside.close()
        with suppress(OSError):  # it is not empty, or was never made
            os.rmdir(self._state)
