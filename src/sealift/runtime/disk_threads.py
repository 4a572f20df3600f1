"""Daemon threads for blocking work: a few for files, and the lanes of `wire/lanes.py`.

They replace the loop's default executor, which the whole process shares for name resolution and which rejects work once
the interpreter exits, and anyio's thread limiter, which web frameworks share. Results return in batches: however many
jobs end while the loop is busy, it is woken once. The loop and the threads share only a queue and a deque, so no lock
is needed.
"""

import asyncio
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

from ..errors import ClosedError
from .shielded import shielded
from .start_thread import NoThreadError, start_thread

__all__ = ["DiskThreads"]

P = ParamSpec("P")
T = TypeVar("T")


class _Job(Generic[T]):
    __slots__ = ("drained", "ended", "error", "future", "pool", "result", "ticket")

    def __init__(self, function: Callable[[], T], future: asyncio.Future[T], pool: "_ThreadPool") -> None:
        self.pool = pool
        self.ticket = [function]  # popped by the thread that runs it, or by the cancelled caller
        self.future = future
        self.drained = False
        self.ended: asyncio.Future[None] | None = None  # set only for a caller that was cancelled
        self.error: BaseException | None = None
        self.result: T | None = None


class _ThreadPool:
    """Threads that share a queue. Its counters are changed only in the loop's thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.threads = 0
        self.cpu_seconds: dict[int, float] = {}  # thread id → CPU seconds
        self.pending = 0  # jobs whose results the loop has not received
        self.queue: SimpleQueue[_Job[Any] | None] = SimpleQueue()


class DiskThreads:
    """Threads that run blocking functions for one event loop.

    Short functions share one thread, all others several: short functions spend much of their time holding the
    interpreter lock, and a second thread for them would only add contention with the loop.

    Args:
        threads: How many long functions run at once. Threads are started on demand.
        name: Name of the threads.

    Example:
        >>> async def size(path: str) -> int:
        ...     disk = DiskThreads()
        ...     try:
        ...         return (await disk.run(lambda: os.stat(path))).st_size
        ...     finally:
        ...         disk.close()
    """

    def __init__(self, threads: int = 4, name: str = "sealift-disk") -> None:
        self._name = name
        self._executor = _Executor(self)
        self._long = _ThreadPool(threads)
        self._short = _ThreadPool(1)
        self._done: deque[_Job[Any]] = deque()
        self._wakeup_pending = False  # the loop will drain
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds that the threads have used."""
        return sum(self._long.cpu_seconds.copy().values()) + sum(self._short.cpu_seconds.copy().values())

    async def run(
        self, function: Callable[[], T], *, short: bool = False, interrupt: Callable[[], None] | None = None
    ) -> T:
        """Run a function in a thread and return its result.

        A cancelled call returns once the function can have no more effects: immediately if it has not started,
        otherwise when it ends. Its result is lost then, so a function that opens a file must store it where cleanup
        finds it.

        Args:
            function: The function, without arguments.
            short: Whether it takes well under a millisecond, such as writing a small file.
            interrupt: Called if the call is cancelled while the function runs, to make it end soon.

        Raises:
            ClosedError: `close` was called.
            NoThreadError: No thread runs, and none can be started. If only some can be, they do all the work.
        """
        if self._closed:
            raise ClosedError("the storage is closed")
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        pool = self._short if short else self._long
        if pool.threads <= pool.pending and pool.threads < pool.limit:
            pool = self._start_thread(pool)
        job: _Job[T] = _Job(function, self._loop.create_future(), pool)
        del function  # only the job refers to it now
        pool.pending += 1
        pool.queue.put(job)
        try:
            result: T = await job.future
        except asyncio.CancelledError:
            if not _take_function(job):
                if interrupt is not None:
                    interrupt()
                await self._ended(job)
                job.error = job.result = None  # the caller's traceback must not keep buffers alive
            raise
        return result

    async def read_file(self, path: str) -> bytes:
        """Read a small file, such as a token.

        Raises:
            OSError: The file cannot be read.
        """
        import aiofiles  # noqa: PLC0415 - most calls read no such file

        # Not `async with`: that closes the file on the default executor, which rejects work while Python exits.
        file = await aiofiles.open(path, "rb", executor=self._executor)
        try:
            return await file.read()
        finally:
            await file.close()

    async def _ended(self, job: _Job[Any]) -> None:
        """Wait until the function of a cancelled job has returned."""
        if job.drained or job in self._done:
            return
        job.ended = asyncio.get_running_loop().create_future()
        with suppress(asyncio.CancelledError):  # cancelled again; the caller raises the first cancellation
            await shielded(job.ended)

    def _start_thread(self, pool: "_ThreadPool") -> "_ThreadPool":
        """Start a thread of a pool; return the pool whose threads do the work: another one if this one has none."""
        try:
            start_thread(self._work, pool, name=self._name)
        except (ClosedError, NoThreadError):
            for each in (pool, self._long, self._short):
                if each.threads:
                    return each
            raise
        pool.threads += 1
        return pool

    def _work(self, pool: "_ThreadPool") -> None:
        # Writing to a closed socket must be an error, even if the program has restored the default action.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
        while (job := pool.queue.get()) is not None:
            if function := _take_function(job):
                try:
                    job.result = function()
                except BaseException as error:  # noqa: BLE001 - raised again in the caller
                    job.error = error
            pool.cpu_seconds[threading.get_ident()] = time.thread_time()
            # With the result, the caller owns the function's buffers again: an idle thread must not keep them alive.
            function = None
            self._done.append(job)
            if not self._wakeup_pending and self._loop is not None and not self._loop.is_closed():
                self._wakeup_pending = True
                self._loop.call_soon_threadsafe(self._drain)
            del job

    def _drain(self) -> None:
        self._wakeup_pending = False  # before draining: a job appended after the last check wakes the loop again
        while self._done:
            job = self._done.popleft()
            job.pool.pending -= 1
            job.drained = True
            if job.ended is not None:
                job.ended.set_result(None)
            elif job.future.done():
                continue  # cancelled before the function started, or after it ended
            elif isinstance(job.error, StopIteration):  # futures do not accept it
                job.future.set_exception(RuntimeError(f"a function on a disk thread raised {job.error!r}"))
            elif job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)

    def close(self) -> None:
        """End the threads after the queued jobs; does not wait."""
        if not self._closed:
            self._closed = True
            for pool in (self._long, self._short):
                for _ in range(pool.threads):
                    pool.queue.put(None)


class _Executor(Executor):
    """The disk threads for `loop.run_in_executor`. Unlike the default executor, they still work while Python exits."""

    def __init__(self, threads: DiskThreads) -> None:
        self._threads = threads
        self._tasks: set[asyncio.Task[Any]] = set()  # the loop keeps only weak references

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a function on a disk thread; to be called in the event loop."""
        future: Future[T] = Future()

        async def run() -> None:
            try:
                future.set_result(await self._threads.run(partial(function, *args, **kwargs)))
            except Exception as error:  # noqa: BLE001 - raised again where the future is awaited
                future.set_exception(error)

        future.set_running_or_notify_cancel()  # a function that runs cannot be cancelled
        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return future


def _take_function(job: _Job[T]) -> Callable[[], T] | None:
    """Take the function out of a job; None: it was already taken."""
    try:
        return job.ticket.pop()
    except IndexError:
        return None
