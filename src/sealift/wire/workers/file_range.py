"""The sink of a worker's lane: a range of a file that the parent has sent."""

import time
from collections.abc import Callable, Mapping

from ...types.sizes import MiB
from ..range_writer import RangeWriter

__all__ = ["ReceivedRange"]

# Progress is reported after this many bytes or seconds, whichever comes first: what a kill costs, at most.
_REPORT_BYTES = MiB
_REPORT_SECONDS = 0.1


class ReceivedRange(RangeWriter):
    """A range of an open file; see `lane_contract.FileRange`.

    Args:
        descriptor: As in `RangeWriter`.
        start: As there.
        size: As there.
        crcs: As there.
        piece: As there.
        report: Called with the number of bytes written since the last report and the CRCs.
    """

    def __init__(
        self,
        descriptor: int,
        start: int,
        size: int,
        crcs: Mapping[str, int],
        piece: memoryview,
        report: Callable[[int, Mapping[str, int]], None],
    ) -> None:
        super().__init__(descriptor, start, size, crcs, piece)
        self._report = report
        self._unreported = 0
        self._reported_at = time.monotonic()

    def rewind(self) -> None:
        """Start again; the parent does the same when it learns of the malformed response."""
        super().rewind()
        self._unreported = 0

    def filled(self, count: int) -> None:
        super().filled(count)
        passed = time.monotonic() - self._reported_at
        if passed >= _REPORT_SECONDS:
            self.flush()
        elif self._unreported >= _REPORT_BYTES:
            self._tell()

    def flush(self) -> None:
        super().flush()
        if self._unreported:
            self._tell()

    def advance(self, count: int, crcs: Mapping[str, int]) -> None:
        super().advance(count, crcs)
        self._unreported += count

    def _tell(self) -> None:
        self._report(self._unreported, self.crcs)
        self._unreported = 0
        self._reported_at = time.monotonic()
