"""A daemon thread with an event loop, for callers without one.

`concurrent.futures` rejects work once the interpreter exits, and anyio's blocking portal hangs at exit if it was never
closed. This thread does neither.
"""

import atexit
import contextvars
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import ClosedError, UnsupportedOperation
from .event_loop import loop_factory
from .patched_modules import refuse_patched_modules
from .standard_streams import reserve_descriptors
from .start_thread import start_thread

if TYPE_CHECKING:
    import asyncio

__all__ = ["Portal"]

_POLL_INTERVAL = 1.0  # seconds

_this_thread = threading.local()  # `open_resource`, in the thread of a portal

R = TypeVar("R")
T = TypeVar("T")


class Portal(Generic[R]):
    """Runs coroutines that use one shared resource, on a thread that the first call starts.

    A forked child process starts a thread of its own. At interpreter exit the thread ends after the calls that are
    running.

    Args:
        open_resource: Returns the context manager of the resource, which is entered and exited on the thread's loop.
    """

    def __init__(self, open_resource: Callable[[], AbstractAsyncContextManager[R]]) -> None:
        self._open_resource = open_resource
        self._lock = threading.RLock()  # a signal handler may call while this thread holds it
        self._loop_thread: _LoopThread[R] | None = None
        self._exiting = False
        self._inherited: list[object] = []
        os.register_at_fork(after_in_child=self._reset_after_fork)

    def call(self, function: Callable[[R], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine on the thread and wait for its result.

        Args:
            function: Takes the resource and returns the coroutine.

        Raises:
            ClosedError: The interpreter is exiting.
            NoThreadError: The thread cannot be started.
            UnsupportedOperation: This is the thread itself, which would wait for itself; or gevent or eventlet has
                patched the standard library.
            BaseException: The exception that the coroutine raises. On KeyboardInterrupt the coroutine is cancelled and
                this waits for its cleanup; a second interrupt ends the wait.
        """
        if getattr(_this_thread, "open_resource", None) is self._open_resource:
            raise UnsupportedOperation(
                "Storage was called in its own thread, in a callback such as on_event",
                hint="queue the work, and do it in another thread or after the call",
            )
        refuse_patched_modules()
        call = _Call(function)
        with self._lock:
            main = threading.main_thread()
            if self._exiting or (threading.current_thread() is main and not main.is_alive()):
                raise ClosedError("the interpreter is exiting", hint="finish transfers before the program exits")
            loop_thread = self._loop_thread or self._start()
            loop_thread.begin(call)
        try:
            return call.result()
        except BaseException:
            loop_thread.cancel(call)
            raise

    def _start(self) -> "_LoopThread[R]":
        started = _LoopThread(self._open_resource)
        if self._loop_thread is not None:  # a signal handler has called while this thread waited for the start
            started.close()
            return self._loop_thread
        self._loop_thread = started
        atexit.register(self._close)
        return started

    def _close(self) -> None:
        with self._lock:
            self._exiting = True
            loop_thread = self._loop_thread
        if loop_thread is not None:
            loop_thread.close()

    def _reset_after_fork(self) -> None:
        """Reset in a forked child, where the thread does not exist and nothing can release the lock if it is held.

        The parent's objects are kept alive: their finalizers could close what the parent still uses.
        """
        self._inherited += [self._lock, self._loop_thread]
        self._lock = threading.RLock()
        self._loop_thread = None


class _Call(Generic[R, T]):
    """One running coroutine, as seen by the thread that waits for it."""

    def __init__(self, function: Callable[[R], Coroutine[Any, Any, T]]) -> None:
        self.function = function
        self.context = contextvars.copy_context()
        self.task: asyncio.Task[T] | None = None
        self.ended = threading.Event()
        self._result: T
        self._error: BaseException | None = None

    def end(self, task: "asyncio.Task[T]") -> None:
        """Store the result of the task; its done callback."""
        if task.cancelled():
            self.fail(ClosedError("the transfer was cancelled"))
        elif (error := task.exception()) is not None:
            self.fail(error)
        else:
            self._result = task.result()
            self.ended.set()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self.ended.set()

    def wait(self) -> None:
        """Wait for the end. Polls, because an interrupt just before a thread starts to wait does not wake it."""
        while not self.ended.wait(_POLL_INTERVAL):
            pass

    def result(self) -> T:
        self.wait()
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # breaks the cycle: the traceback refers to this frame
        return self._result


class _LoopThread(Generic[R]):
    """The thread, its event loop, and the open resource."""

    def __init__(self, open_resource: Callable[[], AbstractAsyncContextManager[R]]) -> None:
        self._open_resource = open_resource
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._resource: R
        self._running: set[_Call[R, Any]] = set()
        self._drained = threading.Event()
        self._abandoned = False
        self._failure: BaseException | None = None
        self._thread = start_thread(self._run, name="sealift")
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        _this_thread.open_resource = self._open_resource
        try:
            import asyncio  # noqa: PLC0415 - takes 50 ms, which `import sealift` does not spend

            reserve_descriptors()  # before the event loop opens its own
            with asyncio.Runner(loop_factory=loop_factory(os.environ)) as runner:
                runner.run(self._serve())
        except BaseException as failure:  # noqa: BLE001 - raised again in the calling threads
            self._failure = failure
        finally:
            self._loop = None
            self._ready.set()
            self._drained.set()
            for call in list(self._running):
                call.fail(ClosedError(f"the engine's thread has ended: {self._failure!r}"))

    async def _serve(self) -> None:
        import asyncio  # noqa: PLC0415

        self._stop = asyncio.Event()
        async with self._open_resource() as self._resource:
            self._loop = asyncio.get_running_loop()
            self._ready.set()
            await self._stop.wait()
            running = [call.task for call in self._running if call.task is not None]
            if running:
                await asyncio.wait(running)
            self._drained.set()

    def begin(self, call: _Call[R, T]) -> None:
        """Start a call; called from other threads."""
        if self._loop is None:
            raise ClosedError(f"the engine's thread has ended: {self._failure!r}")
        self._running.add(call)
        self._loop.call_soon_threadsafe(self._start, call)

    def _start(self, call: _Call[R, T]) -> None:
        import asyncio  # noqa: PLC0415

        async def run() -> T:  # the function may raise before it returns a coroutine
            return await call.function(self._resource)

        call.task = asyncio.get_running_loop().create_task(run(), context=call.context)
        call.task.add_done_callback(call.end)
        call.task.add_done_callback(lambda _: self._running.discard(call))

    def cancel(self, call: _Call[R, T]) -> None:
        """Cancel a call unless it has ended, and wait for its end; called from other threads."""
        loop = self._loop
        if call.ended.is_set() or loop is None:
            return
        try:
            loop.call_soon_threadsafe(self._cancel, call)
            call.wait()
        except BaseException:  # interrupted again: the cleanup may hang, and must not block the interpreter's exit
            self._abandoned = True
            loop.call_soon_threadsafe(self._running.discard, call)
            raise

    @staticmethod
    def _cancel(call: _Call[R, T]) -> None:
        if call.task is not None:
            call.task.cancel()

    def close(self) -> None:
        """End the thread after the running calls; called from other threads."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._drained.wait()
        if not self._abandoned:
            self._thread.join()
