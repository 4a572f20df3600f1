"""Our own few daemon threads for blocking work: files, and name resolution.

Neither the loop's default executor (it resolves names for everybody, and refuses work once the interpreter exits) nor
anyio's limiter (web frameworks share it). Results go back in batches: however many jobs end while the loop is busy, it
is woken once. What the loop and the threads share are a queue and a deque, which need no lock of ours.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import anyio

from ..errors import ClosedError

__all__ = ["DiskThreads"]

T = TypeVar("T")


class _Job(Generic[T]):
    __slots__ = ("drained", "ended", "error", "future", "lane", "result", "ticket")

    def __init__(self, function: Callable[[], T], future: asyncio.Future[T], lane: "_Lane") -> None:
        self.lane = lane
        self.ticket = [function]  # whoever pops it, a thread or the cancelled caller, decides whether it runs
        self.future = future
        self.drained = False
        self.ended: asyncio.Future[None] | None = None  # made only for a caller that was cancelled meanwhile
        self.error: BaseException | None = None
        self.result: T | None = None


class _Lane:
    """Threads with a queue in common; counted on the loop's side only."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.threads = 0
        self.worked: dict[int, float] = {}  # processor time of each thread, in seconds
        self.pending = 0  # jobs that were given to the threads and have not come back
        self.todo: SimpleQueue[_Job[Any] | None] = SimpleQueue()


class DiskThreads:
    """Runs blocking functions beside one event loop.

    Short work has one thread of its own, all other work several: short functions spend much of their time with the
    interpreter's lock, and two threads of them, beside the loop's, would spend more on passing it around.

    Args:
        threads: How many functions that are not short run at once. Threads start as they are needed.

    Example:
        >>> async def size(path: str) -> int:
        ...     disk = DiskThreads()
        ...     try:
        ...         return (await disk.run(lambda: os.stat(path))).st_size
        ...     finally:
        ...         disk.close()
    """

    def __init__(self, threads: int = 4) -> None:
        self._long = _Lane(threads)
        self._short = _Lane(1)
        self._done: deque[_Job[Any]] = deque()
        self._woken = False  # the loop will drain
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def worked(self) -> float:
        """Seconds of processor time that the threads have used."""
        return sum(self._long.worked.copy().values()) + sum(self._short.worked.copy().values())

    async def run(self, function: Callable[[], T], *, short: bool = False) -> T:
        """Run a function in a thread and return what it returns.

        A cancelled call ends when the function cannot touch anything any more: at once if it had not begun, else when
        it is done. What it returned is lost then, so a function that opens a file must leave it where it can be found.

        Args:
            function: Without arguments.
            short: It takes well under a millisecond, such as writing a small file.

        Raises:
            ClosedError: After `close`.
        """
        if self._closed:
            raise ClosedError("the storage is closed")
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        lane = self._short if short else self._long
        if lane.threads <= lane.pending and lane.threads < lane.limit:
            self._start_thread(lane)
        job: _Job[T] = _Job(function, self._loop.create_future(), lane)
        del function  # only the thread refers to it now
        lane.pending += 1
        lane.todo.put(job)
        try:
            result: T = await job.future
        except asyncio.CancelledError:
            if not _pop(job):
                await self._ended(job)
            raise
        return result

    async def _ended(self, job: _Job[Any]) -> None:
        """Wait until the function of a cancelled job has returned."""
        if job.drained or job in self._done:
            return
        job.ended = asyncio.get_running_loop().create_future()
        with anyio.CancelScope(shield=True):
            while not job.ended.done():
                try:
                    await asyncio.shield(job.ended)
                except asyncio.CancelledError:
                    continue  # cancelled once more; the caller raises the first one when the function is done

    def _start_thread(self, lane: "_Lane") -> None:
        thread = threading.Thread(target=self._work, args=(lane,), name="sealift-disk", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the interpreter is exiting, or there are too many threads
            if not lane.threads:
                raise ClosedError(f"no thread can be started: {error}") from None
        else:
            lane.threads += 1

    def _work(self, lane: "_Lane") -> None:
        while (job := lane.todo.get()) is not None:
            if function := _pop(job):
                try:
                    job.result = function()
                except BaseException as error:  # noqa: BLE001 - it is raised again in the caller
                    job.error = error
            lane.worked[threading.get_ident()] = time.thread_time()
            # A buffer that it refers to is its owner's again when he is told, and must not live on in an idle thread.
            function = None
            self._done.append(job)
            if not self._woken and self._loop is not None and not self._loop.is_closed():
                self._woken = True
                self._loop.call_soon_threadsafe(self._drain)
            del job

    def _drain(self) -> None:
        self._woken = False  # before the first look: what is appended after the last one wakes the loop again
        while self._done:
            job = self._done.popleft()
            job.lane.pending -= 1
            job.drained = True
            if job.ended is not None:
                job.ended.set_result(None)
            elif job.future.done():
                continue  # cancelled before it began, or between the function's end and now
            elif isinstance(job.error, StopIteration):  # no future takes one
                job.future.set_exception(RuntimeError(f"a function of the disk threads raised {job.error!r}"))
            elif job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)

    def close(self) -> None:
        """End the threads when they have done what is queued; does not wait."""
        if not self._closed:
            self._closed = True
            for lane in (self._long, self._short):
                for _ in range(lane.threads):
                    lane.todo.put(None)


def _pop(job: _Job[T]) -> Callable[[], T] | None:
    """Take the function out of a job; None: somebody else has."""
    try:
        return job.ticket.pop()
    except IndexError:
        return None
