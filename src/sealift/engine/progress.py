"""Progress events: reported a few times a second from the counters of the lanes, not piece by piece."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

from .transfer import Transfer

__all__ = ["Progress"]

# Seconds between two looks at the counters.
_INTERVAL = 0.15


class _Counter:
    __slots__ = ("error", "received", "reported", "task", "transfer")

    def __init__(self, transfer: Transfer, received: Callable[[], int]) -> None:
        self.transfer = transfer
        self.received = received
        self.reported = 0
        self.task = asyncio.current_task()
        self.error: Exception | None = None


class Progress:
    """Reports how many bytes have moved.

    Args:
        emit: Called with a transfer and a number of bytes. The sum over all calls is exact; a number is negative if
            bytes have to be moved again.
    """

    def __init__(self, emit: Callable[[Transfer, int], None]) -> None:
        self._emit = emit
        self._counters: set[_Counter] = set()
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def count(self, transfer: Transfer, received: Callable[[], int]) -> Generator[None]:
        """Report the progress of a transfer while the context is open, and the rest at its end.

        Args:
            transfer: The transfer.
            received: Returns the number of bytes that it has moved.

        Raises:
            Exception: What `emit` has raised meanwhile; it cancels what the task is doing.
        """
        counter = _Counter(transfer, received)
        self._counters.add(counter)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_INTERVAL, self._tick)
        try:
            yield
        except asyncio.CancelledError:
            if counter.error is not None:
                raise counter.error from None
            raise
        finally:
            self._counters.discard(counter)
            if counter.error is None:
                self._report(counter)
            if not self._counters and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_INTERVAL, self._tick)
        for counter in list(self._counters):
            try:
                self._report(counter)
            except Exception as error:  # noqa: BLE001 - raised by `count`
                counter.error = error
                self._counters.discard(counter)
                if counter.task is not None:
                    counter.task.cancel()

    def _report(self, counter: _Counter) -> None:
        received = counter.received()
        if received != counter.reported:
            count, counter.reported = received - counter.reported, received
            self._emit(counter.transfer, count)
