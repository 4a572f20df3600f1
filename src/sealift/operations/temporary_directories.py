"""Temporary directories that are removed when this process exits."""

import atexit
import os
import shutil
import tempfile

__all__ = ["make_temporary"]

_made: list[tuple[int, str]] = []  # process, path


def make_temporary() -> str:
    """Create a temporary directory. Whoever wants to keep it renames it."""
    if not _made:
        atexit.register(_remove_all)
    path = tempfile.mkdtemp(prefix="sealift-")
    _made.append((os.getpid(), path))
    return path


def _remove_all() -> None:
    for process, path in _made:
        if process == os.getpid():  # not those of the process that this one was forked from
            shutil.rmtree(path, ignore_errors=True)
