"""Limit the bytes in flight to what keeps the threads busy.

With a distant server, threads mostly wait, and more parts in flight help. With a near one, CPU work is the bottleneck,
and more lanes only wait for each other.
"""

import time
from collections.abc import Callable

from ..types import MiB

__all__ = ["PartsInFlight"]

# Smaller parts count as parts of this size.
_PART = 8 * MiB
# Load of the threads, in CPUs: below the first the limit doubles, above the second it is halved.
_LOW_LOAD = 0.5
_HIGH_LOAD = 0.75
_MOST_PARTS = 32
# Seconds of a round trip from which a server is distant, and the parts in flight to start with there.
_DISTANT = 0.02
_DISTANT_PARTS = 16


class PartsInFlight:
    """A limit on bytes in flight that adapts to the load of the threads; used in the loop's thread.

    Args:
        work: Returns the CPU seconds that the threads have used.
        wall: Returns the current time in seconds.
        parts: Parts in flight to start with, which is also the least.
        round_trip: Returns the seconds that a round trip to the server takes; 0 if unknown.
    """

    def __init__(
        self,
        work: Callable[[], float] = time.thread_time,
        wall: Callable[[], float] = time.monotonic,
        parts: int = 4,
        round_trip: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._least = parts
        self._work = work
        self._wall = wall
        self._round_trip = round_trip
        self._parts = parts
        self._measure_anew()

    def bound(self, size: int) -> int:
        """Bytes that may be in flight for buffers of `size` bytes.

        Example:
            >>> PartsInFlight().bound(8 * MiB) // MiB, PartsInFlight().bound(512 * MiB) // MiB
            (32, 2048)
        """
        return self._parts * max(_PART, size)

    def restart(self) -> None:
        """Start measuring again, because nothing was in flight before."""
        distant = self._round_trip() > _DISTANT
        self._parts = max(self._parts, _DISTANT_PARTS if distant else self._least)
        self._measure_anew()

    def _measure_anew(self) -> None:
        self._wall_before, self._work_before, self._moved = self._wall(), self._work(), 0

    def moved(self, size: int, *, full: bool) -> None:
        """Count bytes that were moved, and adapt the limit.

        Args:
            size: How many bytes.
            full: Whether the memory budget is used up, so that a higher limit would have no effect.
        """
        self._moved += size
        if self._moved < self._parts * _PART:
            return
        elapsed = max(self._wall() - self._wall_before, 1e-6)
        load = (self._work() - self._work_before) / elapsed
        if load < _LOW_LOAD and not full:
            self._parts = min(2 * self._parts, _MOST_PARTS)
        elif load > _HIGH_LOAD:
            self._parts = max(self._parts // 2, self._least)
        self._measure_anew()
