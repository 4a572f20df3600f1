"""The directory that keeps what one run leaves for the next. Blocking."""

import os

__all__ = ["check_private", "make_private"]


def make_private(directory: str) -> None:
    """Make a directory and the one above it, for this user alone, unless they exist.

    Raises:
        OSError: It cannot be made, or other users can write to it.
    """
    for each in (os.path.dirname(directory), directory):
        os.makedirs(each, 0o700, exist_ok=True)
        check_private(each)


def check_private(directory: str) -> None:
    """Refuse a directory in which other users could plant files.

    Raises:
        OSError: It does not exist, belongs to another user, or others can write to it.
    """
    status = os.stat(directory)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(f"others can write to {directory}")
