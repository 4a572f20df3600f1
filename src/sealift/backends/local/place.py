"""A directory and its dot directory: where the files of keys are, and where they grow."""

import itertools
import os
import secrets
from contextlib import suppress

from ...errors import LocalIOError, UnsafeKey
from ...paths import STATE_DIRECTORY
from .inside import Inside, open_below, open_own

__all__ = ["Place"]

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


class Place:
    """All but `path` is blocking.

    Args:
        root: The directory; it need not exist yet.
        state: Directory for temporary files, on the same file system. None: `.sealift` in `root`.
        staged: Nobody looks at `root` before the caller publishes it as a whole: a file may be written in its place.
    """

    def __init__(self, root: str, state: str | None, *, staged: bool) -> None:
        self.root = root
        self.staged = staged
        self.inside = Inside(root)
        self._state = state or os.path.join(root, STATE_DIRECTORY)
        self._made: set[str] = set()
        self._token = secrets.token_hex(8)
        self._count = itertools.count()

    def path(self, key: str) -> str:
        """Where a key's file is.

        Raises:
            UnsafeKey: The key would leave the root.
        """
        if key.startswith("/") or ".." in key.split("/"):
            raise UnsafeKey(f"the key {key!r} would leave {self.root}")
        return os.path.join(self.root, key)

    def create(self, key: str, *, temporary: bool) -> tuple[str, int]:
        """A new file, in its place or in the dot directory: where it is, and its descriptor."""
        if not temporary:
            return self.path(key), self.inside.create(key)
        directory = os.path.dirname(key)
        if directory not in self._made:
            os.close(open_below(self.root, directory, key))
            self._made.add(directory)
        name = f"{self._token}-{next(self._count)}.part"
        for _ in range(8):
            state = -1
            try:
                state = open_own(self._state)
                return f"{self._state}/{name}", os.open(name, _CREATE, 0o666, dir_fd=state)
            except FileNotFoundError:  # another process has removed it when it was empty
                continue
            finally:
                if state >= 0:
                    os.close(state)
        raise LocalIOError(f"the directory {self._state} vanishes again and again")

    def close(self) -> None:
        """Remove the dot directory unless somebody else still uses it."""
        self.inside.close()
        with suppress(OSError):  # it is not empty, or was never made
            os.rmdir(self._state)
