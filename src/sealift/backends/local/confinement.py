"""Keep each key's file inside the root directory, and keep two keys from writing the same file; blocking.

Files are renamed into a directory that was opened without following links (`directories`), so a link that another
process creates in the meantime has no effect. The file system decides which names refer to the same file (case
folding, Unicode normalization, links), so files are identified by their inodes. Other processes may write below the
same root, and inodes are soon reused: an inode only says which two names to compare. A file whose status changed before
this job published its first one is not one of its files.
"""

import math
import os
import stat
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from ...compressed_list import CompressedList
from ...errors import UnsafeKey
from ...persist.file_locks import is_at
from .directories import open_below
from .files import sync_file
from .replacement import inherit, move_new, replaceable

__all__ = ["ConfinedDirectory"]

T = TypeVar("T")

# Keeps a file of any type open, so that its inode is not reused.
_HOLD = os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK)
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
# Times to compare two names while other processes replace the file.
_ATTEMPTS = 32


class ConfinedDirectory:
    """The files that one job writes below a root directory.

    Args:
        root: The directory; it need not exist yet.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._key_by_inode: dict[int, str] = {}
        self._key_by_folded: dict[int, str] = {}  # hash of the case-folded, normalized key → key
        self._in_place: dict[str, int] = {}  # key → descriptor, of unfinished files under their final names
        self._published: CompressedList[str] = CompressedList()  # not in the dictionaries, which are filled when needed
        self._earliest: float = math.inf  # change time of the first published file, in ns
        self._lock = threading.Lock()  # no other thread publishes between the check of a name and its rename
        # Directory of the last file, usually also that of the next: its path, and a descriptor.
        self._last = ("", -1)

    def create(self, key: str) -> int | None:
        """Create a file under its final name.

        Returns:
            Its descriptor. None: a file exists, such as one that a killed process has left.
        """
        return self._in_directory_of(key, self._create)

    def _create(self, directory: int, name: str, key: str) -> int | None:
        try:
            descriptor = os.open(name, _NEW_FILE, 0o666, dir_fd=directory)
        except FileExistsError:
            self._check(directory, name, key)
            return None
        self._in_place[key] = descriptor
        return descriptor

    def replaced(self, key: str) -> os.stat_result | None:
        """Return the status of the file that a key's file will replace, if any.

        Raises:
            LocalIOError: The existing file is a pipe, a device or a socket.
            UnsafeKey: As in `rename`.
        """
        return self._in_directory_of(key, self._check)

    def rename(
        self,
        temporary: str,
        descriptor: int,
        key: str,
        *,
        durable: bool = False,
        mode: int | None = None,
        overwrite: bool = True,
    ) -> os.stat_result:
        """Rename a file to its final name. It replaces an existing file and takes over its permissions.

        Args:
            temporary: Path of the temporary file.
            descriptor: Open descriptor of the file.
            key: The key to publish it under.
            durable: Sync inherited permissions to disk before the rename.
            mode: Permission bits of the file if it replaces none. None: as they are.
            overwrite: False: replace nothing.

        Returns:
            The file's status.

        Raises:
            LocalIOError: The name is taken by a pipe, a device or a socket.
            ObjectExists: The name is taken, and `overwrite` is False.
            UnsafeKey: The name is that of another key's file, or below a link that leads out of the root.
        """

        def rename(directory: int, name: str, key: str) -> os.stat_result:
            old = self._check(directory, name, key)
            replaces = old is not None and stat.S_ISREG(old.st_mode)
            changed = inherit(descriptor, old) if old is not None and replaces else mode is not None
            if mode is not None and not replaces:
                os.fchmod(descriptor, mode)
            if changed and durable:
                sync_file(descriptor, temporary)
            if overwrite:
                os.replace(temporary, name, dst_dir_fd=directory)
            else:
                move_new(temporary, name, directory, os.path.join(self._root, key))
            status = os.fstat(descriptor)
            self._note(key, status)
            return status

        return self._in_directory_of(key, rename)

    def finish(self, key: str, *, complete: bool) -> None:
        """Record that a file from `create` is complete, or about to be removed. Call this before closing it."""
        with self._lock:
            descriptor = self._in_place.pop(key, None)
            if complete and descriptor is not None:
                self._note(key, os.fstat(descriptor))

    def _note(self, key: str, status: os.stat_result) -> None:
        self._published.append(key)
        self._earliest = min(self._earliest, status.st_ctime_ns)

    def check_kept(self, keys: Iterable[str]) -> None:
        """Check that no file this job kept was replaced under another name.

        Args:
            keys: Keys of files that this job has not written.

        Raises:
            UnsafeKey: The file of another key of this job has replaced one of them.
        """
        with self._lock:
            for key in keys if self._earliest < math.inf else ():
                with suppress(OSError):  # another process has removed it
                    status = os.lstat(os.path.join(self._root, key))
                    if status.st_ctime_ns < self._earliest:  # it is older than all files of this job
                        continue
                    self._record_inodes()
                    other = self._key_by_inode.get(_identity(status), key)
                    if other != key and os.path.samestat(status, os.lstat(os.path.join(self._root, other))):
                        raise self._collision(other, key)

    def close(self) -> None:
        """Close the directory that was used last."""
        with self._lock:
            self._close_last()

    def _in_directory_of(self, key: str, act: Callable[[int, str, str], T]) -> T:
        """Call a function with a descriptor of a key's directory, the file's name, and the key."""
        directory, _, name = key.rpartition("/")
        try:
            with self._lock:
                last, descriptor = self._last
                if descriptor >= 0 and last == directory:
                    with suppress(FileNotFoundError):  # another process has removed it
                        return act(descriptor, name, key)
                self._close_last()
                self._last = (directory, open_below(self._root, directory, key))
                return act(self._last[1], name, key)
        except OSError as error:
            if name in {error.filename, error.filename2}:  # from a call relative to the directory
                error.filename, error.filename2 = os.path.join(self._root, key), None
            raise

    def _close_last(self) -> None:
        if self._last[1] >= 0:
            os.close(self._last[1])
        self._last = ("", -1)

    def _check(self, directory: int, name: str, key: str) -> os.stat_result | None:
        """Return the status of a key's existing file; raise if it is another key's file, or cannot be replaced."""
        status = replaceable(name, directory, os.path.join(self._root, key))
        if status is None or stat.S_ISLNK(status.st_mode):  # a key's file is never a link
            return status
        identity = _identity(status)
        if status.st_ctime_ns >= self._earliest:  # otherwise, it is older than all files that this job has published
            self._record_inodes()
        unfinished = (each for each, file in self._in_place.items() if _identity(os.fstat(file)) == identity)
        suspects = {self._key_by_inode.get(identity), next(unfinished, None), self._key_by_folded.get(_folded(key))}
        for other in suspects - {None, key}:
            if self._is_same_file(name, directory, os.path.join(self._root, other or "")):
                raise self._collision(other or "", key)
        return status

    def _record_inodes(self) -> None:
        """Fill the dictionaries; only when needed, as they take 300 bytes and a system call for each file."""
        for key in self._published:
            self._key_by_folded[_folded(key)] = key
            with suppress(OSError):  # another process has removed it, or a directory above it
                self._key_by_inode[_identity(os.lstat(os.path.join(self._root, key)))] = key
        self._published.clear()

    def _collision(self, one: str, other: str) -> UnsafeKey:
        return UnsafeKey(f"the keys {one!r} and {other!r} land on the same file in {self._root}")

    def _is_same_file(self, name: str, directory: int, other: str) -> bool:
        """Whether a name and another key's path currently refer to the same file."""
        for _ in range(_ATTEMPTS):
            try:
                held = os.open(name, _HOLD, dir_fd=directory)
            except FileNotFoundError:
                return False
            try:
                if is_at(held, other):
                    return True
                if os.path.samestat(os.fstat(held), os.stat(name, dir_fd=directory, follow_symlinks=False)):
                    return False
            except FileNotFoundError:
                return False
            finally:
                os.close(held)
        return False  # replaced between open and stat, each time


def _identity(status: os.stat_result) -> int:
    return status.st_dev << 64 | status.st_ino


def _folded(key: str) -> int:
    """Hash a key so that keys differing only in case or Unicode normalization have equal hashes."""
    if key.isascii():
        return hash(key.lower())
    import unicodedata  # noqa: PLC0415 - most names are ASCII

    return hash(unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", key).casefold()))
