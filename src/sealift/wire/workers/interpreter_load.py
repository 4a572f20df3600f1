"""Measure how long the threads of this process wait for the interpreter."""

import statistics
import threading
import time
from collections import deque

__all__ = ["InterpreterLoad"]

# A sleep of this many seconds ends late if another thread holds the interpreter.
_SLEEP = 0.02
_SAMPLES = 15
# Median delay from which the host counts as busy. A busy Python thread gives the interpreter up every 5 ms.
_BUSY = 0.002
# The thread ends if nobody has asked for this many seconds.
_UNUSED = 1.0


class InterpreterLoad:
    """Samples, on a thread, by how much sleeps end late, as long as somebody asks.

    Example:
        >>> InterpreterLoad().busy()
        False
    """

    def __init__(self) -> None:
        self._delays: deque[float] = deque(maxlen=_SAMPLES)
        self._asked = 0.0
        self._thread: threading.Thread | None = None

    def busy(self) -> bool:
        """Whether threads wait so long for the interpreter that worker processes are faster.

        False until enough samples were taken, which takes 0.3 seconds from the first call.
        """
        self._asked = time.monotonic()
        if self._thread is None or not self._thread.is_alive():
            self._delays.clear()
            self._thread = threading.Thread(target=self._sample, name="sealift-load", daemon=True)
            self._thread.start()
        return self.delay() >= _BUSY

    def delay(self) -> float:
        """The median delay of a sleep, in seconds; 0 until enough samples were taken."""
        delays = self._delays.copy()
        return statistics.median(delays) if len(delays) == _SAMPLES else 0.0

    def _sample(self) -> None:
        while time.monotonic() - self._asked < _UNUSED:
            before = time.monotonic()
            time.sleep(_SLEEP)
            self._delays.append(time.monotonic() - before - _SLEEP)
