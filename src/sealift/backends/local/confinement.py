"""No file lands outside of its root, nor on another key's file; blocking.

A directory below a root is opened one step after the other, each in the one before and never through a link, and files
are renamed into what was opened: a link that somebody puts on the way meanwhile changes nothing. Which names mean the
same file is the file system's to say (letters' case, Unicode's forms, links), so files are told apart by their inodes.
Other processes may write below the same root, and an inode is soon used again: what was noted of one only says which
two names to compare.
"""

import errno
import os
import stat
import threading
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from ...errors import LocalIOError, UnsafeKey
from ...persist.file_locks import is_at
from .files import make_directories, sync_file
from .replacement import inherit, replaceable

__all__ = ["Inside", "open_below", "open_own", "refuse_link"]

T = TypeVar("T")

# O_PATH, where there is one, needs no permission to read the directory.
_STEP = os.O_DIRECTORY | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY)
# Holds a file, whatever it is, so that its inode is not used again.
_HOLD = os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK)
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
# Links on one way, and directories that others remove meanwhile.
_ATTEMPTS = 32


def open_below(root: str, directory: str, key: str) -> int:
    """A descriptor of a directory below a root, for the `dir_fd` of other calls; what is missing is made.

    Args:
        root: It may itself be a link.
        directory: Relative; "" for the root. A link in it is followed where it stays below the root.
        key: That this is for.

    Raises:
        UnsafeKey: A link leads out of the root.
    """
    steps = [step for step in directory.split("/") if step]
    for _ in range(_ATTEMPTS):
        descriptor, done = _root(root), 0
        try:
            for done, step in enumerate(steps, 1):  # noqa: B007 - an error says how far it came
                inner = _step(step, descriptor)
                os.close(descriptor)
                descriptor = inner
        except OSError as error:
            os.close(descriptor)
            there = os.path.join(root, *steps[:done])
            error.filename = there
            if error.errno == errno.ENOENT:  # somebody has removed it meanwhile
                continue
            if not os.path.islink(there):
                raise
            steps = [*_target(root, there, key), *steps[done:]]
        else:
            return descriptor
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.path.join(root, directory))


def _root(root: str) -> int:
    try:
        return os.open(root, _STEP & ~os.O_NOFOLLOW)
    except FileNotFoundError:
        make_directories(root)
        return os.open(root, _STEP & ~os.O_NOFOLLOW)


def _step(name: str, directory: int) -> int:
    try:
        return os.open(name, _STEP, dir_fd=directory)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=directory)
        return os.open(name, _STEP, dir_fd=directory)


def _target(root: str, link: str, key: str) -> list[str]:
    """The steps from the root to where a link leads."""
    top, real = os.path.realpath(root).rstrip("/"), os.path.realpath(link)
    if not f"{real}/".startswith(f"{top}/"):
        raise UnsafeKey(
            f"the key {key!r} would leave {root}: {link} is a link to {real}",
            hint="remove the link, or choose another directory",
        )
    return [step for step in real[len(top) :].split("/") if step]


def open_own(state: str) -> int:
    """A descriptor of a dot directory, which is made if it is not there, also while others remove it as it is empty.

    Raises:
        LocalIOError: A link is in its place, or it does not stay.
    """
    for _ in range(_ATTEMPTS):
        try:
            return os.open(state, _STEP)
        except FileNotFoundError:
            make_directories(state)
        except OSError:
            refuse_link(state)
            raise
    raise LocalIOError(f"the directory {state} vanishes again and again")


def refuse_link(state: str) -> None:
    """Raise if there is a link in place of a dot directory: it would say where temporary files go."""
    if os.path.islink(state):
        raise LocalIOError(f"{state} is a link to {os.path.realpath(state)}", hint="remove it")


class Inside:
    """The files that one job makes below a root.

    Args:
        root: The directory; it need not exist yet.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._keys: dict[int, str] = {}  # by the inodes of their files, at the time they were published
        self._alike: dict[int, str] = {}  # by the hash of what a file system may take their names for
        self._growing: dict[str, int] = {}  # the descriptors of files that are in their place already
        self._grown: list[str] = []  # keys of those that are whole; looked at when it matters whose a name is
        self._lock = threading.Lock()  # nobody publishes between a look at a name and its rename
        # The directory of the last file, which the next one's mostly is too: its path, and a descriptor.
        self._last = ("", -1)

    def create(self, key: str) -> int | None:
        """Create a file in its place.

        Returns:
            Its descriptor. None: a file is there, such as one that a killed process has left.
        """

        def create(there: int, name: str) -> int | None:
            try:
                descriptor = os.open(name, _NEW_FILE, 0o666, dir_fd=there)
            except FileExistsError:
                self._check(name, there, key)
                return None
            self._growing[key] = descriptor
            return descriptor

        return self._at(key, create)

    def replaced(self, key: str) -> os.stat_result | None:
        """The status of what a key's file is going to replace, if anything.

        Raises:
            LocalIOError: It cannot be replaced: it is a pipe, a device or a socket.
            UnsafeKey: As in `rename`.
        """
        return self._at(key, lambda there, name: self._check(name, there, key))

    def rename(self, temporary: str, descriptor: int, key: str, *, durable: bool = False) -> os.stat_result:
        """Give a file its place; one that was there before this job is replaced, and its permissions stay.

        Args:
            temporary: Its path so far.
            descriptor: Of the file.
            key: Under which it is published.
            durable: Write permissions that were taken over to the disk before the rename.

        Returns:
            The file's status.

        Raises:
            LocalIOError: There is a pipe, a device or a socket in its place.
            UnsafeKey: The place is that of another key, or below a link that leads out of the root.
        """

        def rename(there: int, name: str) -> os.stat_result:
            old = self._check(name, there, key)
            if old is not None and inherit(descriptor, old) and durable:
                sync_file(descriptor, temporary)
            os.replace(temporary, name, dst_dir_fd=there)
            status = os.fstat(descriptor)
            self._keys[_identity(status)] = self._alike[_folded(key)] = key
            return status

        return self._at(key, rename)

    def ended(self, key: str, *, whole: bool) -> None:
        """What was created in its place is whole, or is to be removed; to be said before it is closed."""
        with self._lock:
            self._growing.pop(key, None)
            if whole:
                self._grown.append(key)

    def check_kept(self, keys: Iterable[str]) -> None:
        """Check files that this job has not written: none may have been replaced under another name.

        Args:
            keys: Their keys.

        Raises:
            UnsafeKey: A key of this job has landed on one of them.
        """
        with self._lock:
            self._look_at_grown()
            for key in keys if self._keys else ():
                with suppress(OSError):  # somebody has removed it
                    status = os.lstat(os.path.join(self._root, key))
                    other = self._keys.get(_identity(status), key)
                    if other != key and os.path.samestat(status, os.lstat(os.path.join(self._root, other))):
                        raise self._collision(other, key)

    def close(self) -> None:
        """Close what was kept open."""
        with self._lock:
            self._forget()

    def _at(self, key: str, act: Callable[[int, str], T]) -> T:
        """Do something in the directory of a key, which is told to it with the file's name."""
        directory, _, name = key.rpartition("/")
        try:
            with self._lock:
                last, descriptor = self._last
                if descriptor >= 0 and last == directory:
                    with suppress(FileNotFoundError):  # somebody has removed it meanwhile
                        return act(descriptor, name)
                self._forget()
                self._last = (directory, open_below(self._root, directory, key))
                return act(self._last[1], name)
        except OSError as error:
            if name in {error.filename, error.filename2}:  # a call that knows the name only
                error.filename, error.filename2 = os.path.join(self._root, key), None
            raise

    def _forget(self) -> None:
        if self._last[1] >= 0:
            os.close(self._last[1])
        self._last = ("", -1)

    def _check(self, name: str, directory: int, key: str) -> os.stat_result | None:
        """The status of what is in a key's place; raises if that is another key's file, or cannot be replaced."""
        status = replaceable(name, directory, os.path.join(self._root, key))
        if status is None or stat.S_ISLNK(status.st_mode):  # no key's file is a link
            return status
        identity = _identity(status)
        self._look_at_grown()
        growing = (each for each, file in self._growing.items() if _identity(os.fstat(file)) == identity)
        for other in {self._keys.get(identity), next(growing, None), self._alike.get(_folded(key))} - {None, key}:
            if self._is_one(name, directory, os.path.join(self._root, other or "")):
                raise self._collision(other or "", key)
        return status

    def _look_at_grown(self) -> None:
        """Note which files were written in their place; called only when it matters, as each takes a system call."""
        for grown in self._grown:
            with suppress(OSError):  # somebody has removed it, or what leads to it
                self._keys[_identity(os.lstat(os.path.join(self._root, grown)))] = grown
        self._grown.clear()

    def _collision(self, one: str, other: str) -> UnsafeKey:
        return UnsafeKey(f"the keys {one!r} and {other!r} land on the same file: in {self._root} their names are one")

    def _is_one(self, name: str, directory: int, other: str) -> bool:
        """Whether a name and the path of another key lead to the same file now."""
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
        return False  # replaced between the two looks, each time


def _identity(status: os.stat_result) -> int:
    return status.st_dev << 64 | status.st_ino


def _folded(key: str) -> int:
    """The hash of what is the same for keys that differ only in letters' case or in Unicode's forms."""
    if key.isascii():
        return hash(key.lower())
    return hash(unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", key).casefold()))
