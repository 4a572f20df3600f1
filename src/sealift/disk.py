"""Our own few daemon threads for blocking work: files, and name resolution.

Neither the loop's default executor (it resolves names for everybody, and refuses work once the interpreter exits) nor
anyio's limiter (web frameworks share it). Results go back in batches: however many jobs end while the loop is busy, it is
woken once.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import anyio

from .errors import ClosedError

__all__ = ["Disk"]

T = TypeVar("T")


class _Job(Generic[T]):
    __slots__ = ("ended", "error", "function", "future", "result", "returned")

    def __init__(self, function: Callable[[], T], future: asyncio.Future[T]) -> None:
        self.function = function
        self.future = future
        self.returned = False  # told by the thread; the loop may not know yet
        self.ended: asyncio.Future[None] | None = None  # made only for a caller that was cancelled meanwhile
        self.error: BaseException | None = None
        self.result: T | None = None


class Disk:
    """Runs blocking functions beside one event loop.

    Args:
        threads: How many at once, started as they are needed. Large writes do not hold the interpreter's lock; small
            files mostly do, so few threads are best.

    Example:
        >>> async def size(path: str) -> int:
        ...     disk = Disk()
        ...     try:
        ...         return (await disk.run(lambda: os.stat(path))).st_size
        ...     finally:
        ...         disk.close()
    """

    def __init__(self, threads: int = 4) -> None:
        self._limit = threads
        self._threads = 0
        self._idle = 0
        self._ready = threading.Condition()
        self._todo: deque[_Job[Any]] = deque()
        self._done: deque[_Job[Any]] = deque()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in a thread and return what it returns.

        A cancelled call ends when the function cannot touch anything any more: at once if it had not begun, else when
        it is done. What it returned is lost then, so a function that opens a file must leave it where it can be found.

        Raises:
            ClosedError: After `close`.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        job: _Job[T] = _Job(function, self._loop.create_future())
        with self._ready:
            if self._closed:
                raise ClosedError("the storage is closed")
            self._todo.append(job)
            # An idle thread counts until it has woken up, so one of them may already be meant for an earlier job.
            if self._idle >= len(self._todo):
                self._ready.notify()
            elif self._threads < self._limit:
                self._start_thread()
        try:
            result: T = await job.future
        except asyncio.CancelledError:
            await self._settle(job)
            raise
        return result

    async def _settle(self, job: _Job[Any]) -> None:
        """Take a cancelled job back, or wait for its end."""
        with self._ready:
            if job in self._todo:
                self._todo.remove(job)
                return
            if not job.returned:
                job.ended = asyncio.get_running_loop().create_future()
        if job.ended is None:
            return
        with anyio.CancelScope(shield=True):
            while not job.ended.done():
                try:
                    await asyncio.shield(job.ended)
                except asyncio.CancelledError:
                    continue  # cancelled once more; the caller raises the first one when the function is done

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"sealift-disk-{self._threads}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the interpreter is exiting, or there are too many threads
            if not self._threads:
                self._todo.pop()
                raise ClosedError(f"no thread can be started: {error}") from None
        else:
            self._threads += 1

    def _work(self) -> None:
        while True:
            with self._ready:
                while not self._todo:
                    if self._closed:
                        return
                    self._idle += 1
                    self._ready.wait()
                    self._idle -= 1
                job = self._todo.popleft()
            try:
                job.result = job.function()
            except BaseException as error:  # noqa: BLE001 - it is raised again in the caller
                job.error = error
            with self._ready:
                job.returned = True
                wake = not self._done
                self._done.append(job)
                if wake and self._loop is not None and not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(self._drain)
            del job  # a buffer must not live on in an idle thread

    def _drain(self) -> None:
        with self._ready:
            done, self._done = self._done, deque()
        for job in done:
            if job.ended is not None:
                job.ended.set_result(None)
            elif job.future.done():
                continue  # cancelled between the function's end and now
            elif job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)

    def close(self) -> None:
        """End the threads when they have done what is queued; does not wait."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
