"""Signs of life of this process for others: a daemon thread touches its records.

Not a task of the event loop, because a program that blocks its loop still runs. A process that is stopped, or cut off
from the file system, shows no signs of life; nor does a record that nothing in the process refers to any more.
"""

import os
import threading
import time
from typing import Protocol
from weakref import WeakKeyDictionary

from ..runtime.start_thread import start_thread

__all__ = ["Living", "beat", "stop_beating"]


class Living(Protocol):
    """A record that is touched."""

    def touch(self) -> None:
        """Show a sign of life; must not raise."""


_lock = threading.Condition()
_records: WeakKeyDictionary[Living, float] = WeakKeyDictionary()  # interval in seconds
_process = 0  # whose thread runs


def beat(record: Living, interval: float) -> None:
    """Touch a record again and again, until `stop_beating`.

    Args:
        record: The record.
        interval: Seconds between two signs of life.

    Raises:
        NoThreadError: The thread cannot be started.
    """
    global _process  # noqa: PLW0603
    with _lock:
        if _process != os.getpid():  # the first record, or after a fork, which ends the thread
            start_thread(_run, name="sealift-heartbeat")
            _process = os.getpid()
        _records[record] = interval
        _lock.notify()


def stop_beating(record: Living) -> None:
    """Stop touching a record. It may be touched once more."""
    with _lock:
        _records.pop(record, None)


def _run() -> None:
    due: WeakKeyDictionary[Living, float] = WeakKeyDictionary()
    while True:
        _touch_due(due)


def _touch_due(due: WeakKeyDictionary[Living, float]) -> None:
    """Wait until a record is due, or until there is a new one, and touch those that are due."""
    with _lock:
        now = time.monotonic()
        due.update({record: now + interval for record, interval in _records.items() if record not in due})
        _lock.wait(max(0.0, min(due.values()) - now) if due else None)
        now = time.monotonic()
        ready = [record for record, at in due.items() if at <= now]
        for record in ready:
            del due[record]  # the next time follows from its interval
        ready = [record for record in ready if record in _records]
    for record in ready:
        record.touch()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.Condition()  # another thread may have held it
    _records.clear()


os.register_at_fork(after_in_child=_after_fork)
