"""What a lane does with small objects in one turn, and the progress of an object that takes long."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..lane_contract import ByteCount, Lane
from .context import JobContext
from .transfer import Transfer

if TYPE_CHECKING:
    from ..types import ObjectInfo
    from ..types.properties import Properties

__all__ = ["LaneTurn"]


class LaneTurn:
    """What a lane has done before it gave its connection back.

    Args:
        failed: An object that it has given up.

    Attributes:
        moved: The objects that it has moved, with their properties, the checksum and what the destination returned.
        failed: An object that it has given up.
        error: Why.
    """

    __slots__ = ("_current", "_reported", "error", "failed", "moved")

    def __init__(self, failed: Transfer | None = None) -> None:
        self.error: Exception | None = None
        self.moved: list[tuple[Transfer, Properties, str, ObjectInfo]] = []
        self.failed = failed
        # The object that is being moved, its index in `moved`, and its bytes so far: read by another thread, at once.
        self._current: tuple[Transfer, int, ByteCount] | None = None
        self._reported: dict[int, tuple[Transfer, int]] = {}  # index: object, bytes

    def begin(self, transfer: Transfer, lane: Lane, *, reads: bool) -> None:
        """Count the bytes of the next object.

        Args:
            transfer: The object.
            lane: The lane.
            reads: Whether the lane reads objects; otherwise it stores them.
        """
        counter = ByteCount()
        if reads:
            lane.received = counter
        else:
            lane.sent = counter
        self._current = transfer, len(self.moved), counter

    @contextmanager
    def reporting(self, context: JobContext) -> Generator[None]:
        """Report the bytes of objects that take long; taken back if the turn is cancelled.

        Raises:
            Exception: As for `Progress.watch`.
        """
        try:
            with context.progress.watch(lambda: self._report(context)):
                yield
        except BaseException:
            self._take_back(context)
            raise

    def _report(self, context: JobContext) -> None:
        if self._current is not None:
            transfer, index, counter = self._current
            _, before = self._reported.get(index, (transfer, 0))
            count = min(counter.count, transfer.obj.size or 0)  # a request body may be longer than the object
            self._reported[index] = transfer, count
            if count != before:
                context.emit("progress", transfer, count - before)

    def _take_back(self, context: JobContext) -> None:
        while self._reported:
            _, (transfer, count) = self._reported.popitem()
            context.emit("progress", transfer, -count)

    def report_moved(self, context: JobContext) -> None:
        """Report the objects that were moved, with the rest of their bytes."""
        for index, (transfer, properties, verified, stored) in enumerate(self.moved):
            size = transfer.obj.size or 0
            _, before = self._reported.pop(index, (transfer, 0))
            if before != size:
                context.emit("progress", transfer, size - before)
            context.report_stored(transfer, size, verified, properties, stored)
        self._take_back(context)
