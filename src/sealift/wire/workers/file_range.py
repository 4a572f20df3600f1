"""The sink of a worker's lane: a range of a file that the parent has sent."""

import os
import time
from collections.abc import Callable, Mapping

from ...integrity.crc import extend_crc
from ...runtime.reserve import reserve
from ...types.sizes import KiB, MiB

__all__ = ["PIECE", "ReceivedRange"]

PIECE = 256 * KiB

# Progress is reported after this many bytes or seconds, whichever comes first: what a kill costs, at most.
_REPORT_BYTES = MiB
_REPORT_SECONDS = 0.1


class ReceivedRange:
    """A range of an open file; see `contract.FileRange`.

    Args:
        descriptor: The file.
        position: Where the range starts.
        length: Its length in bytes.
        crcs: Algorithm → CRC of the bytes before, for each CRC to compute.
        piece: Memory for the bytes that are received and not written yet.
        report: Called with the number of bytes written since the last report and the CRCs.
    """

    def __init__(
        self,
        descriptor: int,
        position: int,
        length: int,
        crcs: Mapping[str, int],
        piece: memoryview,
        report: Callable[[int, Mapping[str, int]], None],
    ) -> None:
        self.descriptor = descriptor
        self.position = position
        self.crcs = crcs
        self._start = (position, length, crcs)
        self._missing = length  # bytes that are not written yet
        self._piece = piece
        self._buffered = 0
        self._report = report
        self._unreported = 0
        self._reported_at = time.monotonic()

    def __len__(self) -> int:
        return self._missing - self._buffered

    def rewind(self) -> None:
        """Start again; the parent does the same when it learns of the malformed response."""
        self.position, self._missing, self.crcs = self._start
        self._buffered = self._unreported = 0

    def space(self) -> memoryview:
        return self._piece[self._buffered : self._buffered + len(self)]

    def filled(self, count: int) -> None:
        self._buffered += count
        passed = time.monotonic() - self._reported_at
        if self._buffered == len(self._piece) or passed >= _REPORT_SECONDS:
            self._write()
            if self._unreported >= _REPORT_BYTES or passed >= _REPORT_SECONDS:
                self._tell()

    def flush(self) -> None:
        self._write()
        if self._unreported:
            self._tell()

    def advance(self, count: int, crcs: Mapping[str, int]) -> None:
        self.position += count
        self._missing -= count
        self._unreported += count
        self.crcs = crcs

    def _write(self) -> None:
        data = self._piece[: self._buffered]
        if not data:
            return
        if self.position == self._start[0]:
            reserve(self.descriptor, self.position, self._missing)
        crcs = {name: extend_crc(name, data, crc) for name, crc in self.crcs.items()}  # while they are in the cache
        done = 0
        while done < len(data):
            done += os.pwrite(self.descriptor, data[done:], self.position + done)
        self._buffered = 0
        self.advance(len(data), crcs)

    def _tell(self) -> None:
        self._report(self._unreported, self.crcs)
        self._unreported = 0
        self._reported_at = time.monotonic()
