"""Notices exchanges that stall, with one timer for all of them."""

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
        waiting: Whether somebody waits for it; a reader who does not ask cannot be kept waiting.
        moving: Whether a body is on its way, so that the minimum throughput applies.
        moved: Bytes that have passed, in both directions.
    """

    name: str

    @property
    def waiting(self) -> bool: ...
    @property
    def transferring(self) -> bool: ...
    @property
    def bytes_transferred(self) -> int: ...
    def fail(self, error: Exception) -> None: ...


@dataclass(slots=True)
class _Sample:
    total: int
    idle_ticks: int  # ticks without a byte
    window_start: int
    window_ticks: int  # ticks


class Watchdog:
    """Fails exchanges that make no progress for `Limits.idle_timeout` seconds, or less than `Limits.min_throughput`.

    It counts its own ticks and reads no clock: while the loop is blocked or the process suspended no tick passes, so
    nobody is blamed for that. An exchange costs it one dictionary entry.

    Args:
        limits: Its two limits.
        sweep: Called at every tick; returns whether it wants another one although nothing is watched.
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
            if sample is None or not exchange.waiting:
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
