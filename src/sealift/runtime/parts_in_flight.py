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
_MOST_AT_FIRST = 4


class PartsInFlight:
    """A limit on bytes in flight that adapts to the load of the threads; used in the loop's thread.

    To start with, as many parts are in flight as there are CPUs, at most four. Threads that write the same file wait
    for each other at its lock, so if a job writes one file only, half as many are faster.

    Args:
        work: Returns the CPU seconds that the threads have used.
        wall: Returns the current time in seconds.
        cpus: How many CPUs this process may use.
        round_trip: Returns the seconds that a round trip to the server takes; 0 if unknown.
    """

    def __init__(
        self,
        work: Callable[[], float] = time.thread_time,
        wall: Callable[[], float] = time.monotonic,
        cpus: float = 4,
        round_trip: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._at_first = max(1, min(_MOST_AT_FIRST, int(cpus)))
        self._at_first_in_one_file = max(1, min(_MOST_AT_FIRST, int(cpus) // 2))
        self._work = work
        self._wall = wall
        self._round_trip = round_trip
        self._factor = 1
        self._measure_anew()

    def bound(self, size: int, *, one_file: bool = False) -> int:
        """Bytes that may be in flight for buffers of `size` bytes.

        Args:
            size: The size in bytes.
            one_file: Whether the job writes one file only.

        Example:
            >>> PartsInFlight().bound(8 * MiB) // MiB, PartsInFlight().bound(512 * MiB) // MiB
            (32, 2048)
        """
        parts = self._at_first_in_one_file if one_file else self._at_first
        return min(self._factor * parts, _MOST_PARTS) * max(_PART, size)

    def restart(self) -> None:
        """Start measuring again, because nothing was in flight before."""
        if self._round_trip() > _DISTANT:
            self._factor = max(self._factor, _DISTANT_PARTS // self._at_first)
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
        if self._moved < self._factor * self._at_first * _PART:
            return
        elapsed = max(self._wall() - self._wall_before, 1e-6)
        load = (self._work() - self._work_before) / elapsed
        if load < _LOW_LOAD and not full and self._factor * self._at_first_in_one_file < _MOST_PARTS:
            self._factor *= 2
        elif load > _HIGH_LOAD and self._factor > 1:
            self._factor //= 2
        self._measure_anew()
