"""Files that downloads have left in a work directory, and which ones another download may remove. Blocking."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

from . import file_locks

__all__ = ["discard", "remove_leftovers"]

# Compiled when they are used, as few downloads find files of an earlier one.
_LEFTOVER = r"[0-9a-f]{16}(\.journal|\.tree(-[0-9a-f]{16})?|(-[0-9a-f]{16}){2}\.part|(-[0-9a-f]{16})?-\d+\.part)"
# Those of a journal's owner that cannot be resumed.
_TEMPORARY = r"[0-9a-f]{16}(\.tree-[0-9a-f]{16}|-[0-9a-f]{16}-\d+\.part)"
# Seconds after which leftovers that were not resumed are removed; as long as buckets usually keep unfinished uploads.
_MAX_AGE = 7 * 24 * 3600.0
# The same for files that cannot be resumed. Where file locks are unreliable, younger ones may be in use.
_MAX_TEMPORARY_AGE = 60.0


def remove_leftovers(directory: str, ours: str) -> None:
    """Remove leftovers of downloads that were not resumed in time, and those that cannot be resumed.

    Args:
        directory: The work directory.
        ours: Name of the download whose journal this caller has.
    """
    now = time.time()
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):  # another process removes it too, or is running this download
                changed = entry.stat(follow_symlinks=False).st_mtime
                if changed >= now - _MAX_TEMPORARY_AGE or not re.fullmatch(_LEFTOVER, entry.name):
                    continue
                name, temporary = entry.name[:16], bool(re.fullmatch(_TEMPORARY, entry.name))
                if temporary or (changed < now - _MAX_AGE and name != ours):
                    with nullcontext() if name == ours else _locked(os.path.join(directory, f"{name}.journal")):
                        if entry.is_dir(follow_symlinks=False):
                            discard(entry.path)
                        else:
                            os.unlink(entry.path)


@contextmanager
def _locked(journal: str) -> Iterator[None]:
    """Lock a download's journal, if it has one: its files may be old although it was just resumed.

    Raises:
        BlockingIOError: Another process is running the download.
    """
    try:
        descriptor = os.open(journal, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        yield
        return
    try:
        file_locks.lock(descriptor, required=False)
        yield
    finally:
        os.close(descriptor)


def discard(tree: str) -> None:
    """Remove a directory tree. It is renamed first, so that a process that still uses it notices: locks may be
    unreliable.
    """
    directory, name = os.path.split(tree)
    aside = os.path.join(directory, f"{name[:16]}.tree-{os.urandom(8).hex()}")
    with suppress(FileNotFoundError):
        os.rename(tree, aside)
        import shutil  # noqa: PLC0415 - most downloads leave no tree

        shutil.rmtree(aside, ignore_errors=True)
