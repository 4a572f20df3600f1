"""Calls of one event loop that do the same share one task: the work is done once, and all get its result."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

from ..types import Event, OnEvent
from .shielded import until_done

__all__ = ["SharedCalls"]

T = TypeVar("T")


class SharedCalls:
    """The shared calls of one event loop.

    Example:
        >>> async def download_once(calls: SharedCalls) -> str:
        ...     return await calls.run("s3://m/iris → /mnt/iris", lambda on_event: download(on_event), on_event=None)
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, _SharedCall[Any]] = {}

    async def run(self, key: Hashable, work: Callable[[OnEvent | None], Awaitable[T]], on_event: OnEvent | None) -> T:
        """Run the work of a call, or wait for an equal call that runs already.

        The work runs in a task of its own. It goes on as long as any of its callers waits for it; the last one that is
        cancelled cancels it, and waits for its end. A caller that joins later gets one "listed" and one "progress"
        event with the bytes so far, and then all further events. Calls without `on_event` share among themselves, since
        nothing counts their bytes.

        Args:
            key: Equal for calls that do the same.
            work: Does the work, and reports events to its argument unless it is None.
            on_event: Receives the events of this caller.

        Raises:
            BaseException: The error of the work, for all callers; or what `on_event` raised, for this one.
        """
        key = (key, on_event is None)
        shared: _SharedCall[T] | None = self._running.get(key)
        if shared is None:
            shared = self._running[key] = _SharedCall(work, self._running, key, observed=on_event is not None)
        return await shared.wait(on_event)


class _Caller:
    """One of the callers that wait."""

    def __init__(self, on_event: OnEvent | None) -> None:
        self._on_event = on_event
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    def receive(self, event: Event) -> None:
        """Pass on an event. An error of the callback is the caller's own: the others are not affected."""
        if self._on_event is not None and not self.failed.done():
            try:
                self._on_event(event)
            except Exception as error:  # noqa: BLE001 - raised in the caller
                self.failed.set_result(error)


class _SharedCall(Generic[T]):
    def __init__(
        self,
        work: Callable[[OnEvent | None], Awaitable[T]],
        running: dict[Hashable, "_SharedCall[Any]"],
        key: Hashable,
        *,
        observed: bool,
    ) -> None:
        self._running = running
        self._key = key
        self._callers: list[_Caller] = []
        self._listed = self._stored = 0
        self._last: Event | None = None
        self._task = asyncio.ensure_future(work(self._report if observed else None))
        self._task.add_done_callback(self._ended)

    def _report(self, event: Event) -> None:
        if event.kind == "listed":
            self._listed += event.size
        elif event.kind == "progress":
            self._stored += event.size
        self._last = event
        for caller in list(self._callers):
            caller.receive(event)

    def _ended(self, task: asyncio.Future[T]) -> None:
        self._forget()
        if not task.cancelled():
            task.exception()  # mark as retrieved: the last caller may have an error of its own

    def _forget(self) -> None:
        """Let the next equal call start anew."""
        if self._running.get(self._key) is self:
            del self._running[self._key]

    async def wait(self, on_event: OnEvent | None) -> T:
        caller = _Caller(on_event)
        if self._last is not None:
            caller.receive(Event("listed", self._last.key, self._listed, target=self._last.target))
            caller.receive(Event("progress", self._last.key, self._stored, target=self._last.target))
        self._callers.append(caller)
        try:
            await asyncio.wait((self._task, caller.failed), return_when=asyncio.FIRST_COMPLETED)
            if caller.failed.done():
                raise caller.failed.result()
            return self._task.result()
        except BaseException:
            if self._callers == [caller] and not self._task.done():
                self._forget()
                self._task.cancel()
                await until_done(self._task)
                if not self._task.cancelled():
                    self._task.result()  # raises its error
            raise
        finally:
            self._callers.remove(caller)
            if not self._callers:
                self._forget()
                del self._task  # breaks the cycle: the traceback of its error refers to this frame
            del caller
