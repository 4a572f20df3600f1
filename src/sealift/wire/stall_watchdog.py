"""Detect stalled exchanges, with one timer for all of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from ..errors import TransportError
from ..types import Limits

__all__ = ["Watchdog", "Watched"]


class Watched(Protocol):
    """An exchange in progress.

    Attributes:
        name: Host and port, for messages.
        waiting: Whether a task waits for data; an exchange whose reader is not reading cannot stall.
        storing: Whether received data is being written to a disk; a slow disk is no stall, either.
        transferring: Whether a body is being transferred, so that the minimum throughput applies.
        bytes_transferred: Bytes sent and received so far.
    """

    name: str

    @property
    def waiting(self) -> bool: ...
    @property
    def storing(self) -> bool: ...
    @property
    def transferring(self) -> bool: ...
    @property
    def bytes_transferred(self) -> int: ...
    def fail(self, error: Exception) -> None: ...


@dataclass(slots=True)
class _Sample:
    total: int  # bytes transferred so far
    idle_ticks: int  # since the last byte
    window_start: int  # `total` when the throughput window began
    window_ticks: int  # since the throughput window began


class Watchdog:
    """Fails exchanges without progress for `Limits.idle_timeout` seconds, or slower than `Limits.min_throughput`.

    Counts its own ticks instead of reading a clock: no tick passes while the loop is blocked or the process is
    suspended, so that time does not count as a stall. Each exchange costs one dictionary entry.

    Args:
        limits: `idle_timeout` and `min_throughput` apply.
        sweep: Called at every tick; returns whether to keep ticking even if no exchange is watched.
    """

    def __init__(self, limits: Limits, sweep: Callable[[], bool]) -> None:
        self._timeout = limits.idle_timeout
        self._interval = min(1.0, limits.idle_timeout / 4)
        self._ticks = ceil(limits.idle_timeout / self._interval)
        self._min_bytes = limits.min_throughput * limits.idle_timeout
        self._speed = limits.min_throughput
        self._sweep = sweep
        self._samples: dict[Watched, _Sample | None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, exchange: Watched) -> None:
        self._samples[exchange] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._tick)

    def unwatch(self, exchange: Watched) -> None:
        self._samples.pop(exchange, None)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        for exchange, sample in list(self._samples.items()):
            total = exchange.bytes_transferred
            if sample is None or exchange.storing or not exchange.waiting:
                self._samples[exchange] = _Sample(total, 0, total, 0)
            elif (problem := self._check(sample, total, transferring=exchange.transferring)) is not None:
                exchange.fail(TransportError(f"{exchange.name} {problem}", retryable=True))
        if self._sweep() or self._samples:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._tick)

    def _check(self, sample: _Sample, total: int, *, transferring: bool) -> str | None:
        sample.idle_ticks = sample.idle_ticks + 1 if total == sample.total else 0
        sample.total = total
        if sample.idle_ticks >= self._ticks:
            return f"stalled: no byte for {self._timeout:g} s"
        sample.window_ticks += 1
        if not transferring:
            sample.window_ticks, sample.window_start = 0, total
        elif sample.window_ticks >= self._ticks:
            if total - sample.window_start < self._min_bytes:
                return f"stalled: less than {self._speed} bytes/s for {self._timeout:g} s"
            sample.window_ticks, sample.window_start = 0, total
        return None
