"""Publish a new directory tree by renaming it; blocking."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ...errors import ObjectExists
from ...persist.file_locks import is_at
from ...types import Existing
from .directories import open_below
from .files import sync_file
from .replacement import inherit, move_new, replaceable

__all__ = ["is_in_place", "publish_tree"]


def is_in_place(held: int, root: str, final: str) -> bool:
    """Whether an open tree still has its path, or its final path, to which another process may have renamed it.

    Args:
        held: Descriptor of the tree, opened before its first file was written.
        root: Its path.
        final: Its final path.
    """
    return is_at(held, root) or is_at(held, final)


def publish_tree(
    root: str,
    final: str,
    *,
    durable: bool,
    existing: Existing = "overwrite",
    on_discarded: Callable[[str], None] | None = None,
) -> bool:
    """Rename a tree to its final path, or, if that directory exists by now, move its files into it one by one.

    Args:
        root: Path of the tree.
        final: Its final path.
        durable: Sync inherited permissions to disk before renaming a file.
        existing: What happens to files that the directory has by now.
        on_discarded: Called with the path, below the tree, of each file that is removed instead, because the directory
            has one of its name and `existing` is "skip".

    Returns:
        Whether the tree was published by a single rename.

    Raises:
        LocalIOError: A file's name is taken by a pipe, a device or a socket. Nothing has been replaced.
        ObjectExists: A file's name is taken, and `existing` is "fail".
        UnsafeKey: A link in the directory leads out of it. Nothing has been replaced.
    """
    try:
        os.rename(root, final)
    except OSError:
        # Another process, perhaps another download of the same prefix, has created it.
        tree = [(directory, os.path.relpath(directory, root), names) for directory, _, names in os.walk(root)]
        for _, below, names in tree:  # check all files before replacing the first
            with _opened(final, below) as target:
                for name in names:
                    path = os.path.normpath(os.path.join(final, below, name))
                    if replaceable(name, target, path) is not None and existing == "fail":
                        raise ObjectExists(f"{path} exists already", hint="choose another destination") from None
        for directory, below, names in tree:
            with _opened(final, below) as target:
                for name in names:
                    path = os.path.join(directory, name)
                    if existing == "overwrite":
                        _move(path, name, target, durable=durable)
                        continue
                    try:
                        move_new(path, name, target, os.path.normpath(os.path.join(final, below, name)))
                    except ObjectExists:
                        if existing == "fail":
                            raise
                        if on_discarded is not None:
                            on_discarded(os.path.normpath(os.path.join(below, name)))
                        os.unlink(path)
        for directory, _, _ in reversed(tree):
            with suppress(OSError):  # where file locks are unreliable, another process may be using it
                os.rmdir(directory)
        return False
    return True


@contextmanager
def _opened(final: str, below: str) -> Iterator[int]:
    descriptor = open_below(final, below, below)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _move(path: str, name: str, target: int, *, durable: bool) -> None:
    """Rename a file into a directory, unless another process that works on the same tree has done so."""
    try:
        if (old := replaceable(name, target, name)) is not None:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                if inherit(descriptor, old) and durable:
                    sync_file(descriptor, path)
            finally:
                os.close(descriptor)
        os.replace(path, name, dst_dir_fd=target)
    except FileNotFoundError:
        os.stat(name, dir_fd=target, follow_symlinks=False)
