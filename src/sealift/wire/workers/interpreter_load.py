"""Measure how long the threads of this process wait for the interpreter."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...errors import ClosedError
from ...runtime.start_thread import NoThreadError, start_thread

if TYPE_CHECKING:
    import threading

__all__ = ["InterpreterLoad"]

# A sleep of this many seconds ends late if another thread holds the interpreter.
_SLEEP = 0.02
_SAMPLES = 15
# Median delay from which the host counts as busy. Without other Python code it is 0.1 ms, even while all CPUs are in
# use; a busy Python thread gives the interpreter up only every 5 ms.
_BUSY = 0.001
# The thread ends if nobody has asked for this many seconds.
_UNUSED = 1.0


class InterpreterLoad:
    """Samples, on a thread, by how much sleeps end late though a CPU was free, as long as somebody asks.

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
            try:
                self._thread = start_thread(self._sample, name="sealift-load")
            except (ClosedError, NoThreadError):  # no worker process could be started, either
                return False
        return self.delay() >= _BUSY

    def delay(self) -> float:
        """The median delay of a sleep, in seconds; 0 until enough samples were taken."""
        delays = self._delays.copy()
        return sorted(delays)[_SAMPLES // 2] if len(delays) == _SAMPLES else 0.0

    def _sample(self) -> None:
        with _waiting_for_cpu() as waited:
            while time.monotonic() - self._asked < _UNUSED:
                before, waited_before = time.monotonic(), waited()
                time.sleep(_SLEEP)
                late = time.monotonic() - before - _SLEEP
                self._delays.append(max(0.0, late - (waited() - waited_before)))


@contextmanager
def _waiting_for_cpu() -> Iterator[Callable[[], float]]:
    """A function that returns for how many seconds this thread has waited for a CPU; 0 where that is not known.

    https://docs.kernel.org/scheduler/sched-stats.html
    """
    try:
        descriptor = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:  # not Linux, or a kernel without these statistics
        yield lambda: 0.0
        return
    try:
        yield lambda: int(os.pread(descriptor, 100, 0).split()[1]) / 1e9
    finally:
        os.close(descriptor)
