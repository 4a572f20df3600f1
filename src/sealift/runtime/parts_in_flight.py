"""How much of the byte budget is worth having in flight.

More parts in flight help while our threads wait for a far server. Once their own work is the bottleneck, as with a near
one, parts only push each other out of the processor's cache before they are written.
"""

import time
from collections.abc import Callable

from ..types import MiB

__all__ = ["PartsInFlight"]

# Parts in flight at first, and their bytes where parts are small.
_PARTS = 8
_LEAST = 64 * MiB
# Load of our threads, in processors: below the first more is asked for, above the second less.
_IDLE = 0.5
_BUSY = 0.75


class PartsInFlight:
    """A bound on bytes in flight that follows the load of the threads that move them; used in the loop's thread.

    Args:
        work: Seconds of processor time that these threads have used.
        wall: Seconds that have passed.
    """

    def __init__(
        self, work: Callable[[], float] = time.thread_time, wall: Callable[[], float] = time.monotonic
    ) -> None:
        self._work = work
        self._wall = wall
        self._factor = 1
        self.restart()

    def bound(self, size: int) -> int:
        """Bytes that may be in flight where bodies are of this size.

        Example:
            >>> PartsInFlight().bound(8 * MiB) // MiB, PartsInFlight().bound(512 * MiB) // MiB
            (64, 4096)
        """
        return self._factor * max(_LEAST, _PARTS * size)

    def restart(self) -> None:
        """Nothing was in flight until now: the time before says nothing."""
        self._wall_before, self._work_before, self._moved = self._wall(), self._work(), 0

    def moved(self, size: int, limit: int) -> None:
        """Take note of a body of this size that is done with.

        Args:
            size: In bytes.
            limit: Of the whole budget, in bytes.
        """
        self._moved += size
        if self._moved < _LEAST * self._factor:
            return
        passed = max(self._wall() - self._wall_before, 1e-6)
        load = (self._work() - self._work_before) / passed
        if load < _IDLE and self.bound(1) < limit:
            self._factor *= 2
        elif load > _BUSY and self._factor > 1:
            self._factor //= 2
        self.restart()
