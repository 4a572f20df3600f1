"""The time that is left for a command of several calls."""

import time

__all__ = ["TimeLeft"]


class TimeLeft:
    """Counts down from the start of a command.

    Args:
        timeout: Seconds that the command may take. None: no limit.
    """

    def __init__(self, timeout: float | None) -> None:
        self._deadline = None if timeout is None else time.monotonic() + timeout

    @property
    def seconds(self) -> float | None:
        """Seconds until the deadline; None: there is none."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
