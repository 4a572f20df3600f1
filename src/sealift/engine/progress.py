"""Progress events: reported a few times a second from the counters of the lanes, not piece by piece."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Generic, TypeVar

from ..contract import Backend
from ..lane_contract import ByteCount

__all__ = ["MovedBytes", "Progress"]

T = TypeVar("T")

# Seconds between two looks at the counters.
_INTERVAL = 0.15


class MovedBytes:
    """Counts the bytes of an object, or of a part of one, that pass through memory: received, then written.

    Between two services, a byte that was received counts half, so that the count grows with both. Where only one side
    counts bytes, such as that of a service beside the disk, it grows with that one.

    Args:
        source: Where the bytes are read. None: they are in memory.
        destination: Where they are written.

    Attributes:
        received: Counts the bytes that were received.
        sent: Counts the bytes of the current request that were sent.
    """

    __slots__ = ("_receives", "_sends", "_stored", "received", "sent")

    def __init__(self, source: Backend | None, destination: Backend) -> None:
        self.received = ByteCount()
        self.sent = ByteCount()
        self._receives = source is not None and source.capabilities.sinks
        self._sends = destination.capabilities.counts_sent
        self._stored = 0

    def store(self, count: int) -> None:
        """Count bytes that are stored now; those sent so far are among them."""
        self._stored += count
        self.received.count = max(self.received.count, self._stored)
        self.sent.count = 0

    def count(self) -> int:
        """How many bytes have moved."""
        received = self.received.count
        # A request body may be longer than the bytes in it.
        written = self._stored + max(0, min(self.sent.count, received - self._stored))
        if not self._receives:
            return written
        return (received + written) // 2 if self._sends else received


class _Watcher:
    __slots__ = ("error", "report", "task")

    def __init__(self, report: Callable[[], None]) -> None:
        self.report = report
        self.task = asyncio.current_task()
        self.error: Exception | None = None


class Progress(Generic[T]):
    """Reports how many bytes have moved.

    Args:
        emit: Called with what moves, such as a transfer, and a number of bytes. The sum over all calls is exact; a
            number is negative if bytes have to be moved again.
    """

    def __init__(self, emit: Callable[[T, int], None]) -> None:
        self._emit = emit
        self._watchers: set[_Watcher] = set()
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def count(self, item: T, moved: Callable[[], int], *, keep: bool = False) -> Generator[None]:
        """Report the progress of a transfer while the context is open, and the rest at its end.

        If the context fails, what was reported is taken back.

        Args:
            item: What moves.
            moved: Returns the number of bytes that have moved.
            keep: Take nothing back: the bytes are stored, and another call resumes from them.

        Raises:
            Exception: As for `watch`.
        """
        reported = 0
        failed = False  # `emit`, which is not called again

        def report(count: int) -> None:
            nonlocal reported, failed
            if count != reported and not failed:
                change, reported, failed = count - reported, count, True
                self._emit(item, change)
                failed = False

        try:
            with self.watch(lambda: report(moved())):
                yield
        except BaseException:
            report(moved() if keep else 0)
            raise
        report(moved())

    @contextmanager
    def watch(self, report: Callable[[], None]) -> Generator[None]:
        """Call a function several times a second while the context is open.

        Raises:
            Exception: What the function has raised; it cancels what the task is doing.
        """
        watcher = _Watcher(report)
        self._watchers.add(watcher)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_INTERVAL, self._tick)
        try:
            yield
        except asyncio.CancelledError:
            if watcher.error is None:
                raise
            if watcher.task is not None:
                watcher.task.uncancel()  # it may be the caller's own
            raise watcher.error from None
        finally:
            self._watchers.discard(watcher)
            if not self._watchers and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_INTERVAL, self._tick)
        for watcher in list(self._watchers):
            try:
                watcher.report()
            except Exception as error:  # noqa: BLE001 - raised by `watch`
                watcher.error = error
                self._watchers.discard(watcher)
                if watcher.task is not None:
                    watcher.task.cancel()
