"""Write a range of an open file piece by piece, while it is received."""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..integrity.crc import extend_crc
from ..runtime.file_system import is_local
from ..runtime.reserve import reserve
from ..types.sizes import KiB
from .pipe import Pipe

__all__ = ["PIECE", "RangeWriter"]

PIECE = 256 * KiB
"""Bytes that are received, written or sent at once. Larger writes cost several times the CPU on ext4."""


class RangeWriter:
    """A range of an open file, as a sink.

    Args:
        descriptor: The file, open for reading and writing.
        start: Offset of the range in the file.
        size: Length of the range in bytes.
        crcs: Algorithm → CRC of the bytes before the range, for each CRC to compute.
        piece: Memory for the bytes that are received and not written yet.
    """

    def __init__(self, descriptor: int, start: int, size: int, crcs: Mapping[str, int], piece: memoryview) -> None:
        self.descriptor = descriptor
        self.crcs = self._first_crcs = crcs
        self._start = start
        self._size = size
        self._piece = piece
        self._written = self._buffered = 0
        self._pipe: Pipe | None = None

    def __len__(self) -> int:
        return self._size - self.received

    @property
    def position(self) -> int:
        return self._start + self._written

    @property
    def received(self) -> int:
        """Bytes of the range that were received so far. May be read by another thread."""
        return self._written + self._buffered

    def rewind(self) -> None:
        self._written = self._buffered = 0
        self.crcs = self._first_crcs

    def space(self) -> memoryview:
        return self._piece[self._buffered : self._buffered + len(self)]

    def filled(self, count: int) -> None:
        self._buffered += count
        if self._buffered >= len(self._piece):
            self.flush()

    def flush(self) -> None:
        if not self._buffered:
            return
        if not self._written:
            reserve(self.descriptor, self._start, self._size)
        self.advance(self._buffered, self._store())

    @contextmanager
    def pipe(self) -> Iterator[int | None]:
        self.flush()
        self._pipe = Pipe.open() if is_local(self.descriptor) else None
        try:
            yield None if self._pipe is None else self._pipe.write_end
        finally:
            try:
                self.flush()
            finally:
                self._buffered = 0  # otherwise, if they could not be written, the bytes are lost with the pipe
                if self._pipe is not None:
                    self._pipe.close()
                    self._pipe = None

    def advance(self, count: int, crcs: Mapping[str, int]) -> None:
        self._buffered = 0  # without a call before the next line: another thread may ask for the length
        self._written += count
        self.crcs = crcs

    def _store(self) -> Mapping[str, int]:
        """Write what was received to the file; return the CRCs with it.

        Raises:
            OSError: It cannot be written.
        """
        end = self.position + self._buffered
        if self._pipe is not None:
            return self._store_from(self._pipe, end)
        data = self._piece[: self._buffered]
        crcs = self._extended(self.crcs, data)  # while they are in the cache
        while data:
            data = data[os.pwrite(self.descriptor, data, end - len(data)) :]
        return crcs

    def _store_from(self, pipe: Pipe, end: int) -> Mapping[str, int]:
        position = self.position
        while position < end:
            position += pipe.write(self.descriptor, position, end - position)
        position, crcs = self.position, self.crcs
        while crcs and position < end:
            data = self._piece[: end - position]
            count = os.preadv(self.descriptor, [data], position)
            if not count:
                raise OSError(errno.EIO, "the file was truncated while it was written")
            position, crcs = position + count, self._extended(crcs, data[:count])
        return crcs

    def _extended(self, crcs: Mapping[str, int], data: memoryview) -> Mapping[str, int]:
        return {name: extend_crc(name, data, crc) for name, crc in crcs.items()}
