"""Record on a thread what a worker has written: the sink writes to the journal, which may block."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from ...lane_contract import FileRange
from ...runtime.shielded import shielded
from .protocol import ProtocolError

__all__ = ["ProgressRecord", "ended"]


class ProgressRecord:
    """Advances a sink by what a worker reports. Reports that arrive meanwhile are recorded together.

    Args:
        sink: The sink.
        run_blocking: Runs a function on a thread.
    """

    def __init__(self, sink: FileRange, run_blocking: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        self._sink = sink
        self._run_blocking = run_blocking
        self._left = len(sink)
        self._names = sink.crcs.keys()
        self._count = 0  # not recorded yet
        self._crcs: Mapping[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, count: int, crcs: Mapping[str, int]) -> None:
        """Record bytes soon; as `FileRange.advance`.

        Raises:
            ProtocolError: They are more than were missing, or a CRC is missing.
        """
        self._left -= count
        if self._left < 0 or crcs.keys() != self._names:
            raise ProtocolError
        self._count += count
        self._crcs = crcs
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def finish(self) -> None:
        """Wait until everything is recorded.

        Raises:
            OSError: It could not be recorded.
        """
        if self._task is not None:
            await ended(self._task)
            self._task.result()

    async def _run(self) -> None:
        while self._count:
            count, self._count = self._count, 0
            await self._run_blocking(partial(self._sink.advance, count, self._crcs))


async def ended(future: "asyncio.Future[Any]") -> None:
    """Wait for a future, whatever its outcome and even if this task is cancelled.

    Raises:
        CancelledError: The task was cancelled meanwhile; the future is done, too.
    """
    try:
        await shielded(asyncio.wait([future]))
    finally:
        if not future.cancelled():
            future.exception()  # mark it as retrieved
