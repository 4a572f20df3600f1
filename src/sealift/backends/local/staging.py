"""A target directory and its work directory, in which files are written before they are published."""

import itertools
import os
import stat
import threading
from contextlib import suppress
from typing import NamedTuple

from ...errors import LocalIOError, UnsafeKey
from ...persist.download_journal import Journal
from .confinement import ConfinedDirectory
from .directories import open_below, open_work_directory, work_directory
from .files import READ, copy_range, existing, sync_directory, sync_file
from .origins import Origins

__all__ = ["PartialFile", "StagingDirectory"]

_OPEN = os.O_RDWR | os.O_NOFOLLOW
_CREATE = _OPEN | os.O_CREAT | os.O_EXCL
# Other processes remove the work directory whenever it is empty.
_ATTEMPTS = 8
# Directories that are known to exist.
_REMEMBERED = 1024


class PartialFile(NamedTuple):
    """An open file that is not complete yet.

    Attributes:
        path: Its current path.
        descriptor: Open for reading and writing.
        resumable: Whether a later process can find it: its name is in the journal.
    """

    path: str
    descriptor: int
    resumable: bool = False


class StagingDirectory:
    """Creates, syncs and publishes the files of one target directory. All methods except `path` block.

    Args:
        root: The target directory; it need not exist yet.
        state: Directory for temporary files, on the same file system. None: the `work_directory` in `root`.
        staged: The caller publishes `root` as a whole later, so files may be written under their final names.
        journal: Journal of the download that the files belong to, from which a later process can resume.
        durable: Sync a file, and the directories that lead to it, to disk before reporting it as stored. With
            `staged`, the caller syncs the directories.
        versions: Report the version of a file also if it was written under its final name.
        anchor: The directory up to which new ones are synced. None: the deepest that exists when the first is created.
        origins: The objects that the files hold; None: files are not marked.
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
        anchor: str | None = None,
        origins: Origins | None = None,
    ) -> None:
        self.root = root
        self.staged = staged
        self.confined = ConfinedDirectory(root)
        self.journal = journal
        self.durable = durable
        self.versions = versions
        self.origins = origins
        self._anchor = anchor
        self._anchor_lock = threading.Lock()
        self._synced: set[str] = set()
        self._state = state
        self._state_descriptor = -1
        self._removed: list[int] = []  # descriptors of work directories that other processes have removed
        self._state_lock = threading.Lock()
        self._created: set[str] = set()
        self._token = os.urandom(8).hex()
        self._count = itertools.count(int.from_bytes(os.urandom(8)))

    @property
    def _work(self) -> str:
        """The path of the work directory."""
        if self._state is None:
            self._state = work_directory(self.root)
        return self._state

    def path(self, key: str) -> str:
        """Return the path of a key's file.

        Raises:
            UnsafeKey: The key would leave the root.
        """
        self.check(key)
        return os.path.join(self.root, key)

    def check(self, key: str) -> None:
        """Fail if a key would leave the root.

        Raises:
            UnsafeKey: It would.
        """
        if key.startswith("/") or (".." in key and ".." in key.split("/")):
            raise UnsafeKey(f"the key {key!r} would leave {self.root}")

    def create(self, key: str, *, temporary: bool, large: bool = False, resumable: bool = True) -> PartialFile:
        """Create the file of a key.

        Args:
            key: The key.
            temporary: Create it in the work directory, not under its final name.
            large: Writing it takes a while: check first whether it can be published, and restrict its permissions to
                those of the file that it replaces.
            resumable: A later process may find it, if there is a journal.
        """
        self._find_anchor()
        if not temporary and (descriptor := self.confined.create(key)) is not None:
            return PartialFile(self.path(key), descriptor)
        old = self.confined.replaced(key) if large else None
        directory = os.path.dirname(key)
        if directory not in self._created:
            os.close(open_below(self.root, directory, key))
            if len(self._created) == _REMEMBERED:
                self._created.clear()
            self._created.add(directory)
        mode = 0o666 if old is None or not stat.S_ISREG(old.st_mode) else 0o600 | old.st_mode & 0o066
        name = self._partial(key) if resumable else None
        if name is None:
            return self._new_temporary(mode)
        return PartialFile(os.path.join(self._work, name), self._reopen(name, mode), resumable=True)

    def _partial(self, key: str) -> str | None:
        for _ in range(_ATTEMPTS):
            try:
                return None if self.journal is None else self.journal.partial_path(key)
            except FileNotFoundError:  # as in `_create`
                os.close(open_work_directory(self._work))
        raise self._keeps_being_removed()

    def copy_of(self, descriptor: int) -> PartialFile:
        """Copy an open file to a new temporary file."""
        copy = self._new_temporary(stat.S_IMODE(os.fstat(descriptor).st_mode))
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

    def _new_temporary(self, mode: int) -> PartialFile:
        owner = "" if self.journal is None else self.journal.temporary_prefix
        name = f"{owner}{self._token}-{next(self._count)}.part"
        return PartialFile(os.path.join(self._work, name), self._create(name, mode))

    def _create(self, name: str, mode: int) -> int:
        for _ in range(_ATTEMPTS):
            state = self._open_state()
            try:
                return os.open(name, _CREATE, mode, dir_fd=state)
            except FileNotFoundError:  # another process has removed the empty directory
                self._forget_state(state)
            except FileExistsError:  # planted by another process
                os.unlink(name, dir_fd=state)
        raise self._keeps_being_removed()

    def _reopen(self, name: str, mode: int) -> int:
        """Open or create a partial file. Never truncates it: where file locks are unreliable, it may be in use."""
        with suppress(FileNotFoundError):
            descriptor = os.open(name, _OPEN, dir_fd=self._open_state())
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid():
                return descriptor
            os.close(descriptor)  # planted: writes to it could change a file elsewhere
        return self._create(name, mode)

    def _open_state(self) -> int:
        """A descriptor of the work directory, which is created if needed."""
        with self._state_lock:
            if self._state_descriptor < 0:
                self._state_descriptor = open_work_directory(self._work)
            return self._state_descriptor

    def _forget_state(self, descriptor: int) -> None:
        """Open the work directory again the next time. Other threads may still use the descriptor."""
        with self._state_lock:
            if self._state_descriptor == descriptor:
                self._removed.append(descriptor)
                self._state_descriptor = -1

    def _keeps_being_removed(self) -> LocalIOError:
        return LocalIOError(f"other processes keep removing the directory {self._work}")

    def _find_anchor(self) -> None:
        """Find the deepest existing directory of the root's path, before creating any."""
        if self.durable:
            with self._anchor_lock:
                self._anchor = self._anchor or existing(self.root)

    def keep(self, key: str) -> None:
        """Sync a file that an earlier process has finished, if `durable`."""
        if self.durable:
            self._find_anchor()
            descriptor = os.open(self.path(key), READ | os.O_NOFOLLOW)
            try:
                sync_file(descriptor, self.path(key))
            finally:
                os.close(descriptor)
            if not self.staged:
                self.sync_names(self.path(key))

    def sync_names(self, path: str) -> None:
        """Sync the directory entries of a file and of the directories that were created for it."""
        directory = os.path.dirname(path)
        sync_directory(directory)
        new = []
        while directory not in self._synced and directory not in {self._anchor, os.path.dirname(directory)}:
            new.append(directory)
            directory = os.path.dirname(directory)
            sync_directory(directory)
        if len(self._synced) >= _REMEMBERED:
            self._synced.clear()
        self._synced.update(new)  # only after the sync: other threads rely on it

    def close(self) -> None:
        """Remove the work directory unless another process uses it."""
        self.confined.close()
        with self._state_lock:
            for descriptor in (*self._removed, self._state_descriptor):
                if descriptor >= 0:
                    os.close(descriptor)
            self._removed, self._state_descriptor = [], -1
        if self._state is not None:
            with suppress(OSError):  # it is not empty, or was never created
                os.rmdir(self._state)
