"""The timeout of one public call."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from ..errors import DeadlineExceeded, InvalidConfig
from ..runtime.disk_threads import DiskThreads
from ..runtime.module_loading import load_modules

__all__ = ["NO_DEADLINE", "Deadline"]


class Deadline:
    """The point in time when a call must be done. The items of a `*_many` call share one.

    Args:
        timeout: Seconds from now. None: no limit.

    Attributes:
        end: The loop time; None: no limit.
    """

    def __init__(self, timeout: float | None) -> None:
        if timeout is not None and (not hasattr(timeout, "__float__") or not float(timeout) >= 0):
            raise InvalidConfig(f"timeout={timeout!r} is not a number of seconds")
        self._timeout = timeout
        self.end = None if timeout is None else asyncio.get_running_loop().time() + float(timeout)

    async def prepare(self, disk: DiskThreads) -> None:
        """Import what `enforced` needs; most calls have no timeout."""
        if self.end is not None:
            await load_modules(disk, "anyio", "anyio._backends._asyncio")

    @contextmanager
    def enforced(self) -> Generator[None]:
        """Cancel the block at the deadline. `prepare` comes first.

        Raises:
            DeadlineExceeded: The deadline passed. The cancelled work has cleaned up.
        """
        if self.end is None:
            yield
            return
        import anyio  # noqa: PLC0415 - loaded by `prepare`

        with anyio.CancelScope(deadline=self.end) as scope:
            yield
        if scope.cancelled_caught:
            raise DeadlineExceeded(f"not done after {self._timeout:g} s", hint="allow it more time, or try again later")


NO_DEADLINE = Deadline(None)
