"""Start daemon threads, and say why none can be started.

A thread counts against the limit of processes of its user (`ulimit -u`) and of its control group (`pids.max`, which
containers set). Beyond it, clone(2) fails with EAGAIN, as it does without memory for the stack:
https://man7.org/linux/man-pages/man3/pthread_create.3.html
"""

import sys
import threading
from collections.abc import Callable
from typing import Any

from ..errors import ClosedError, LocalIOError

__all__ = ["NoThreadError", "limit_reached", "start_thread"]


class NoThreadError(LocalIOError):
    """The system does not allow another thread or process."""


def start_thread(target: Callable[..., object], *arguments: Any, name: str) -> threading.Thread:
    """Start a daemon thread.

    Args:
        target: The function that it runs.
        arguments: Its arguments.
        name: Name of the thread.

    Raises:
        NoThreadError: There is a limit of threads, or no memory for another one.
        ClosedError: The interpreter is exiting.

    Example:
        >>> start_thread(print, "ready", name="sealift-example").join()
        ready
    """
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError) as error:
        if sys.is_finalizing() or not threading.main_thread().is_alive() or "shutdown" in str(error):
            raise ClosedError("the interpreter is exiting", hint="finish transfers before the program exits") from None
        raise limit_reached("a thread") from None
    return thread


def limit_reached(what: str) -> NoThreadError:
    """The error for a thread or a process that the system does not start.

    Args:
        what: "a thread" or "a process".
    """
    cause = f"cannot start {what}: the limit of threads and processes of this user or container is reached"
    hint = "raise the limit (ulimit -u, or that of the container or pod), or end other processes"
    return NoThreadError(cause, hint=hint, code="EAGAIN")
