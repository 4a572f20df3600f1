"""Directories that only this user can write to, for state that one run leaves for the next. Blocking."""

import os

__all__ = ["check_private", "make_private"]


def make_private(directory: str) -> None:
    """Create a directory and its parent with mode 0700, unless they exist.

    Raises:
        OSError: A directory cannot be created, or other users can write to it.
    """
    for each in (os.path.dirname(directory), directory):
        os.makedirs(each, 0o700, exist_ok=True)
        check_private(each)


def check_private(directory: str) -> None:
    """Check that other users cannot plant files in a directory.

    Raises:
        OSError: The directory does not exist, belongs to another user, or is writable by others.
    """
    status = os.stat(directory)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(f"other users can write to {directory}")
