"""Publishing a new directory tree; blocking."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ...persist.file_locks import is_at
from .confinement import open_below
from .files import sync_file
from .replacement import inherit, replaceable

__all__ = ["is_still_there", "publish_tree"]


def is_still_there(held: int, root: str, final: str) -> bool:
    """Whether a tree kept its name since it was opened; or has the final one, which another process may have given it.

    Args:
        held: A descriptor of the tree, from before its first file.
        root: Its path.
        final: Where it goes.
    """
    return is_at(held, root) or is_at(held, final)


def publish_tree(root: str, final: str, *, durable: bool) -> bool:
    """Give a tree of files its name, or, if a directory is there meanwhile, move its files into that one by one.

    Args:
        root: The tree.
        final: Where it goes.
        durable: Write permissions that files take over to the disk before their rename.

    Returns:
        Whether it appeared as a whole.

    Raises:
        LocalIOError: A pipe, a device or a socket is in the place of a file; nothing is replaced then.
        UnsafeKey: A link in the directory leads out of it; nothing is replaced then.
    """
    try:
        os.rename(root, final)
    except OSError:
        # Somebody else, perhaps another download of the same, made it meanwhile.
        tree = [(directory, os.path.relpath(directory, root), names) for directory, _, names in os.walk(root)]
        for _, below, names in tree:  # before the first is replaced: all of them can be
            with _opened(final, below) as there:
                for name in names:
                    replaceable(name, there, os.path.normpath(os.path.join(final, below, name)))
        for directory, below, names in tree:
            with _opened(final, below) as there:
                for name in names:
                    _bring_in(os.path.join(directory, name), name, there, durable=durable)
        for directory, _, _ in reversed(tree):
            with suppress(OSError):  # where locks lie, another process may be at it, too
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


def _bring_in(path: str, name: str, there: int, *, durable: bool) -> None:
    """Rename a file into a directory, unless another process that takes the tree for its own has done so."""
    try:
        if (old := replaceable(name, there, name)) is not None:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                if inherit(descriptor, old) and durable:
                    sync_file(descriptor, path)
            finally:
                os.close(descriptor)
        os.replace(path, name, dst_dir_fd=there)
    except FileNotFoundError:
        os.stat(name, dir_fd=there, follow_symlinks=False)
