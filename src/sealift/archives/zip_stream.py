"""A zip archive that is read while it arrives: its directory, which is at the end, by ranges, its entries in order."""

import errno
import os
from collections.abc import Callable

from ..errors import ArchiveError
from ..types import KiB, MiB
from .decompress import Readable

__all__ = ["ZipStream"]

# Requested at once: the end record with its comment of up to 64 KiB, and a directory of some hundred entries.
_TAIL = 128 * KiB


class ZipStream:
    """The file object for `zipfile`. It reads anywhere until `start_entries` is called, and then only forward.

    Args:
        reader: All bytes of the archive, in order.
        size: Size of the archive in bytes.
        fetch: Reads any range of the archive, given its offset and its length in bytes; blocks.
    """

    def __init__(self, reader: Readable, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self._reader = reader
        self._size = size
        self._fetch = fetch
        self._position = 0
        self._arrived = 0  # bytes that were read from the reader
        self._tail = b""
        self._tail_start = max(size - _TAIL, 0)
        self._forward_only = False

    def start_entries(self) -> None:
        """Read forward from now on: the directory has been read, and entries are read in order."""
        self._forward_only = True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if self._position < 0:
            raise OSError(errno.EINVAL, "a position before the beginning of the archive")  # as for a file
        return self._position

    def read(self, size: int = -1) -> bytes:
        rest = max(self._size - self._position, 0)
        size = rest if size < 0 else min(size, rest)
        if not size:
            return b""
        if self._position >= self._tail_start:
            if not self._tail:
                self._tail = self._fetch(self._tail_start, self._size - self._tail_start)
            start = self._position - self._tail_start
            data = self._tail[start : start + size]
        elif self._forward_only:
            data = self._read_forward(size)
        else:
            data = self._fetch(self._position, size)
        self._position += len(data)
        return data

    def _read_forward(self, size: int) -> bytes:
        if self._position < self._arrived:
            raise ArchiveError("the archive is damaged: its entries overlap")
        while self._arrived < self._position:
            skipped = len(self._reader.read(min(self._position - self._arrived, MiB)))
            if not skipped:
                return b""
            self._arrived += skipped
        data = self._reader.read(size)
        self._arrived += len(data)
        return data
