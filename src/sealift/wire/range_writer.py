"""Write a range of an open file piece by piece, while it is received."""

import os
from collections.abc import Mapping

from ..integrity.crc import extend_crc
from ..runtime.reserve import reserve
from ..types.sizes import KiB

__all__ = ["PIECE", "RangeWriter"]

PIECE = 256 * KiB
"""Bytes that are received, written or sent at once. Larger writes cost several times the CPU on ext4."""


class RangeWriter:
    """A range of an open file, as a sink.

    Args:
        descriptor: The file, open for writing.
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
        if self._buffered == len(self._piece):
            self._write_piece()

    def flush(self) -> None:
        self._write_piece()

    def advance(self, count: int, crcs: Mapping[str, int]) -> None:
        self._buffered = 0  # without a call before the next line: another thread may ask for the length
        self._written += count
        self.crcs = crcs

    def _write_piece(self) -> None:
        data = self._piece[: self._buffered]
        if not data:
            return
        crcs = {name: extend_crc(name, data, crc) for name, crc in self.crcs.items()}  # while they are in the cache
        self._write(data)
        self.advance(len(data), crcs)

    def _write(self, data: memoryview) -> None:
        """Write the next bytes.

        Raises:
            OSError: They cannot be written.
        """
        if not self._written:
            reserve(self.descriptor, self._start, self._size)
        done = 0
        while done < len(data):
            done += os.pwrite(self.descriptor, data[done:], self.position + done)
