"""Async generators that run in tasks of their own, and so unwind in order when their event loop ends."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar

from .shielded import shielded, until_done

__all__ = ["in_own_task", "without_task"]

P = ParamSpec("P")
T = TypeVar("T")

# Seconds before a task is cancelled because nobody refers to its generator. A loop that ends meanwhile cancels it, and
# would cut short a cleanup that has begun.
_GRACE = 0.05
# Tasks whose generators are gone: a loop keeps only weak references to its tasks.
_ending: set["asyncio.Task[None]"] = set()


def in_own_task(*, ahead: int = 0) -> Callable[[Callable[P, AsyncGenerator[T]]], Callable[P, AsyncGenerator[T]]]:
    """Run each async generator of a function in a task of its own.

    An event loop that ends closes all generators at once (`loop.shutdown_asyncgens`). For those that are suspended
    within others that is an error, which asyncio prints, and which ends their cleanup half-way. Tasks are cancelled
    before, and unwind. So is the task of a generator that nobody refers to any more. Besides, a generator in a task
    does not change the context variables of its caller.

    Args:
        ahead: How many items it may yield before they are asked for, which saves switching between the tasks for each.

    Example:
        >>> @in_own_task()
        ... async def lines(uri: str) -> AsyncGenerator[bytes]:
        ...     async with aclosing(chunks(uri)) as body:
        ...         async for chunk in body:
        ...             yield chunk
    """

    def decorate(function: Callable[P, AsyncGenerator[T]]) -> Callable[P, AsyncGenerator[T]]:
        @wraps(function)
        def start(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
            return _TaskGenerator(function(*args, **kwargs), ahead)

        return start

    return decorate


def without_task(generator: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """A generator that has not begun, without its task: for a loop that closes its generators itself.

    A process that is forked meanwhile would report the task as destroyed when it ends.
    """
    return generator.source if isinstance(generator, _TaskGenerator) else generator


class _Handover(Generic[T]):
    """The items between the task and the generator.

    The task refers to this, not to the generator, so that the generator can be collected.

    Attributes:
        items: Items that were not asked for yet.
        arrived: The generator waits for it: an item, or the end of the task.
        wanted: The task waits for it: more items may be yielded.
    """

    def __init__(self, ahead: int) -> None:
        self.items: deque[T] = deque()
        self.arrived: asyncio.Future[None] | None = None
        self.wanted: asyncio.Future[None] | None = None
        self._ahead = ahead

    async def fill(self, source: AsyncGenerator[T]) -> None:
        async with aclosing(source):
            async for item in source:
                self.items.append(item)
                del item  # it belongs to the caller
                _wake(self.arrived)
                while len(self.items) >= self._ahead and (self.items or self.arrived is None):
                    self.wanted = asyncio.get_running_loop().create_future()
                    await self.wanted

    def end(self, _: asyncio.Future[None]) -> None:
        """Let the generator go on when the task has ended."""
        _wake(self.arrived)


class _TaskGenerator(AsyncGenerator[T]):
    """The generator that the caller sees."""

    def __init__(self, source: AsyncGenerator[T], ahead: int) -> None:
        self.source = source
        self._handover: _Handover[T] = _Handover(ahead)
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def __anext__(self) -> T:
        handover = self._handover
        if handover.arrived is not None:
            raise RuntimeError("anext(): asynchronous generator is already running")
        if not handover.items:
            await self._wait()
        item = handover.items.popleft()
        _wake(handover.wanted)
        return item

    async def asend(self, _: None) -> T:
        return await self.__anext__()

    async def athrow(self, kind: Any, value: Any = None, traceback: Any = None, /) -> T:
        """End the generator, and raise the error."""
        await self.aclose()
        error = kind if isinstance(kind, BaseException) else value or kind()
        raise error.with_traceback(traceback)

    async def aclose(self) -> None:
        """Cancel the task, and wait for its end."""
        await shielded(self._end())

    async def _wait(self) -> None:
        """Wait for an item."""
        if self._closed:
            raise StopAsyncIteration
        loop, handover = asyncio.get_running_loop(), self._handover
        if self._task is None:
            self._task = loop.create_task(handover.fill(self.source))
            self._task.add_done_callback(handover.end)
        if not self._task.done():
            handover.arrived = loop.create_future()
            _wake(handover.wanted)
            try:
                await handover.arrived
            except asyncio.CancelledError:
                await self._end()
                raise
            finally:
                handover.arrived = None
        if not handover.items:
            self._closed = True
            task, self._task = self._task, None
            try:
                if task is not None:  # None: the generator was closed meanwhile
                    task.result()  # raises its error
            finally:
                del task  # breaks the cycle: the traceback of its error refers to this frame
            raise StopAsyncIteration

    async def _end(self) -> None:
        self._closed = True
        self._handover.items.clear()
        task, self._task = self._task, None
        try:
            if task is None or _is_over(task):
                return
            task.cancel()
            await until_done(task)
            if not task.cancelled():
                task.result()  # raises the error of its cleanup
        finally:
            del task  # as above

    def __del__(self) -> None:
        task = self._task
        if task is not None and not _is_over(task):
            with suppress(RuntimeError):  # the loop is closed
                task.get_loop().call_soon_threadsafe(_abandon, task)


def _abandon(task: "asyncio.Task[None]") -> None:
    _ending.add(task)
    task.add_done_callback(_ended)
    task.get_loop().call_later(_GRACE, _cancel_once, task)


def _cancel_once(task: "asyncio.Task[None]") -> None:
    if not task.cancelling():
        task.cancel()


def _ended(task: "asyncio.Task[None]") -> None:
    _ending.discard(task)
    _is_over(task)


def _is_over(task: "asyncio.Task[None]") -> bool:
    """Whether a task has ended. Its error is that of an item which nobody has asked for, so nobody is told."""
    if task.done() and not task.cancelled():
        task.exception()
    return task.done()


def _wake(future: "asyncio.Future[None] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)
