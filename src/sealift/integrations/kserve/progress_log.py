"""Progress as lines of the log, for `kubectl logs`."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ...progress.tally import Tally
from ...runtime.start_thread import NoThreadError, start_thread
from .logs import logger

__all__ = ["log_progress"]

_INTERVAL = 10.0
# Lines that repeat the last one are logged only once in so many intervals.
_REPEAT = 6


@contextmanager
def log_progress(tally: Tally, interval: float = _INTERVAL) -> Iterator[None]:
    """Log what is done and what remains while the block runs.

    Args:
        tally: The totals.
        interval: Seconds between two lines.
    """
    ended = threading.Event()
    try:
        thread = start_thread(_log_until, ended, tally, interval, name="sealift-progress")
    except NoThreadError as error:  # the download itself may manage with the threads that it has
        logger.warning("progress is not logged: %s", error)
        yield
        return
    try:
        yield
    finally:
        ended.set()
        thread.join()  # the last line of the log is that of the result


def _log_until(ended: threading.Event, tally: Tally, interval: float) -> None:
    moved, last, repeated = 0, "", 0
    while not ended.wait(interval):
        line = tally.describe(max(0.0, (tally.moved - moved) / interval))
        moved = tally.moved
        repeated = repeated + 1 if line == last else 0
        last = line
        if repeated % _REPEAT == 0:
            logger.info("%s", line)
