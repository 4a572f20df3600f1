"""Detect stalled exchanges, with one timer on the event loop for all of them."""

import asyncio
from collections.abc import Callable

from ..types import Limits
from .stalls import Stalls, Watched

__all__ = ["Watchdog", "Watched"]


class Watchdog:
    """Fails exchanges without progress for `Limits.idle_timeout` seconds, or slower than `Limits.min_throughput`.

    Args:
        limits: `idle_timeout` and `min_throughput` apply.
        sweep: Called at every tick; returns whether to keep ticking even if no exchange is watched.
    """

    def __init__(self, limits: Limits, sweep: Callable[[], bool]) -> None:
        self._stalls = Stalls(limits.idle_timeout, limits.min_throughput)
        self._sweep = sweep
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, exchange: Watched) -> None:
        self._stalls.watch(exchange)
        if self._timer is None:
            self._start()

    def unwatch(self, exchange: Watched) -> None:
        self._stalls.unwatch(exchange)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._stalls.interval, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._stalls.tick()
        if self._sweep() or self._stalls:
            self._start()
