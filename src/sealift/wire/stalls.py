"""The rules by which an exchange has stalled. `Watchdog` ticks on the event loop, a worker process by itself."""

from math import ceil
from typing import Protocol

from ..errors import TransportError

__all__ = ["Stalls", "Watched"]


class Watched(Protocol):
    """An exchange in progress.

    Attributes:
        name: Host and port, for messages.
        waiting: Whether a task waits for data; an exchange whose reader is not reading cannot stall.
        storing: Whether received data is being written to a disk; a slow disk is no stall, either.
        transferring: Whether a body is being transferred, so that the minimum throughput applies.
        idle_timeout: Seconds that it may pause now, if that is more than the usual; 0: the usual.
        bytes_transferred: Bytes sent and received so far.
    """

    name: str
    idle_timeout: float

    @property
    def waiting(self) -> bool: ...
    @property
    def storing(self) -> bool: ...
    @property
    def transferring(self) -> bool: ...
    @property
    def bytes_transferred(self) -> int: ...
    def fail(self, error: Exception) -> None: ...


class _Sample:
    __slots__ = ("idle_ticks", "total", "window_start", "window_ticks")

    def __init__(self, total: int) -> None:
        self.total = total  # bytes transferred so far
        self.idle_ticks = 0  # since the last byte
        self.window_start = total  # `total` when the throughput window began
        self.window_ticks = 0  # since the throughput window began


class Stalls:
    """Fails exchanges without progress for `idle_timeout` seconds, or slower than `min_throughput`.

    Counts its own ticks instead of reading a clock: no tick passes while the loop is blocked or the process is
    suspended, so that time does not count as a stall. Each exchange costs one dictionary entry.

    Args:
        idle_timeout: As in `Limits`.
        min_throughput: As in `Limits`.

    Attributes:
        interval: Seconds between two ticks.
    """

    def __init__(self, idle_timeout: float, min_throughput: int) -> None:
        self.interval = min(1.0, idle_timeout / 4)
        self._timeout = idle_timeout
        self._ticks = ceil(idle_timeout / self.interval)
        self._min_bytes = min_throughput * idle_timeout
        self._speed = min_throughput
        self._samples: dict[Watched, _Sample | None] = {}

    def __len__(self) -> int:
        """How many exchanges are watched."""
        return len(self._samples)

    def watch(self, exchange: Watched) -> None:
        self._samples[exchange] = None

    def unwatch(self, exchange: Watched) -> None:
        self._samples.pop(exchange, None)

    def tick(self) -> None:
        """Look at all exchanges; to be called every `interval` seconds."""
        for exchange, sample in list(self._samples.items()):
            total = exchange.bytes_transferred
            if sample is None or exchange.storing or not exchange.waiting:
                self._samples[exchange] = _Sample(total)
            elif (problem := self._check(sample, total, exchange)) is not None:
                exchange.fail(TransportError(f"{exchange.name} {problem}", retryable=True))

    def _check(self, sample: _Sample, total: int, exchange: Watched) -> str | None:
        sample.idle_ticks = sample.idle_ticks + 1 if total == sample.total else 0
        sample.total = total
        if sample.idle_ticks >= self._ticks:
            timeout = max(self._timeout, exchange.idle_timeout)
            if sample.idle_ticks * self.interval >= timeout:
                return f"stalled: no byte for {timeout:g} s"
        sample.window_ticks += 1
        if not exchange.transferring:
            sample.window_ticks, sample.window_start = 0, total
        elif sample.window_ticks >= self._ticks:
            if total - sample.window_start < self._min_bytes:
                return f"stalled: less than {self._speed} bytes/s for {self._timeout:g} s"
            sample.window_ticks, sample.window_start = 0, total
        return None
