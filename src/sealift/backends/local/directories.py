"""Opening and creating directories without following links out of their root; blocking.

Each directory is opened relative to the descriptor of the one above it, so a link that another process creates in the
meantime has no effect.
"""

import errno
import os
from contextlib import suppress

from ...errors import LocalIOError, UnsafeKey
from ...keys.paths import WORK_DIRECTORY
from .files import make_directories

__all__ = ["OPEN_DIRECTORY", "open_below", "open_work_directory", "refuse_link", "work_directory"]

# O_PATH, where the system has it, needs no permission to read the directory.
OPEN_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY)
# Links in one path, and directories that other processes remove at the same time.
_ATTEMPTS = 32


def open_below(root: str, directory: str, key: str) -> int:
    """Open a directory below a root, creating missing ones, and return a descriptor for the `dir_fd` of other calls.

    Args:
        root: The root directory; may itself be a link.
        directory: Path relative to the root; "" for the root. Links in it are followed if they stay below the root.
        key: The object's key, for error messages.

    Raises:
        UnsafeKey: A link leads out of the root.
    """
    steps = [step for step in directory.split("/") if step]
    for _ in range(_ATTEMPTS):
        descriptor, done = _open_root(root), 0
        try:
            for done, step in enumerate(steps, 1):  # noqa: B007 - used when an OSError is raised
                inner = _open_or_create(step, descriptor)
                os.close(descriptor)
                descriptor = inner
        except OSError as error:
            os.close(descriptor)
            path = os.path.join(root, *steps[:done])
            error.filename = path
            if error.errno == errno.ENOENT:  # another process has removed it
                continue
            if not os.path.islink(path):
                raise
            steps = [*_link_target(root, path, key), *steps[done:]]
        else:
            return descriptor
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.path.join(root, directory))


def _open_root(root: str) -> int:
    """Open a root directory, creating it if needed, even while other processes remove it."""
    for _ in range(_ATTEMPTS):
        try:
            return os.open(root, OPEN_DIRECTORY & ~os.O_NOFOLLOW)
        except FileNotFoundError:
            make_directories(root)
    raise _keeps_being_removed(root)


def _open_or_create(name: str, directory: int) -> int:
    try:
        return os.open(name, OPEN_DIRECTORY, dir_fd=directory)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=directory)
        return os.open(name, OPEN_DIRECTORY, dir_fd=directory)


def _link_target(root: str, link: str, key: str) -> list[str]:
    """Resolve a link to path segments relative to the root."""
    top, real = os.path.realpath(root).rstrip("/"), os.path.realpath(link)
    if not f"{real}/".startswith(f"{top}/"):
        raise UnsafeKey(
            f"the key {key!r} would leave {root}: {link} is a link to {real}",
            hint="remove the link, or choose another directory",
        )
    return [step for step in real[len(top) :].split("/") if step]


def work_directory(directory: str) -> str:
    """Return the path of this user's work directory in a directory, which need not exist yet.

    It is `.sealift`, or `.sealift-UID` in a directory that belongs to another user: users could neither write into the
    work directory of one another nor open its files, and the first download that was killed would stop all others.
    """
    work, user = os.path.join(directory, WORK_DIRECTORY), os.geteuid()
    with suppress(OSError):  # the directory does not exist: this user will create it
        if os.stat(directory).st_uid != user or os.lstat(work).st_uid != user:
            return f"{work}-{user}"
    return work


def open_work_directory(state: str) -> int:
    """Open a work directory, creating it if needed, even while other processes remove it when empty.

    Raises:
        LocalIOError: The path is a link, or other processes keep removing the directory.
    """
    for _ in range(_ATTEMPTS):
        try:
            return os.open(state, OPEN_DIRECTORY)
        except FileNotFoundError:
            make_directories(state)
        except OSError:
            refuse_link(state)
            raise
    raise _keeps_being_removed(state)


def refuse_link(state: str) -> None:
    """Raise an error if the work directory is a link, which would redirect the temporary files."""
    if os.path.islink(state):
        raise LocalIOError(f"{state} is a link to {os.path.realpath(state)}", hint="remove it")


def _keeps_being_removed(directory: str) -> LocalIOError:
    return LocalIOError(f"other processes keep removing the directory {directory}")
