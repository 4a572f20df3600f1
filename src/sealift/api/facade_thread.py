"""The thread whose event loop runs the calls of `Storage`, on one `AsyncStorage` per process.

`configure` replaces the storage: calls that begin later use a new one, and the old one is closed after its last call.
"""

import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar
from weakref import WeakSet

from ..errors import ClosedError
from ..runtime.portal import Portal
from .process_settings import Settings, current_settings

if TYPE_CHECKING:
    import asyncio

    from .async_storage import AsyncStorage

__all__ = ["Chunks", "SharedStorage", "close_with_thread", "collected", "run", "run_in_engine", "run_shared"]

T = TypeVar("T")

# For `run_in_engine`: this process, the thread's event loop, and what it owns.
_engine: "tuple[int, asyncio.AbstractEventLoop, SharedStorage] | None" = None


class SharedStorage:
    """What the thread owns: the open storage of the latest settings."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._storage: AsyncStorage | None = None

    async def run(self, settings: Settings, call: Callable[["AsyncStorage"], Coroutine[Any, Any, T]]) -> T:
        """Run a call with the settings that were current when it began."""
        return await call(await self.storage(settings))

    async def storage(self, settings: Settings) -> "AsyncStorage":
        """Return the storage with these settings, and keep it open if they are the current ones.

        Raises:
            InvalidConfig: There are no limits in the settings, and a variable of the environment cannot be used.
        """
        if settings is self._settings and self._storage is not None:
            return self._storage
        from .async_storage import AsyncStorage  # noqa: PLC0415 - deferred to the first call: it loads asyncio

        storage = AsyncStorage(settings.limits, config=settings.config)
        if settings is not current_settings():  # replaced since the call began: opened for this call only
            return storage
        replaced = self._storage
        self._settings, self._storage = settings, await storage.__aenter__()
        if replaced is not None:
            await replaced.__aexit__()  # closes it now, or after its last running call
        return storage

    async def aclose(self) -> None:
        """Close the storage."""
        if self._storage is not None:
            await self._storage.__aexit__()


@asynccontextmanager
async def _open_shared() -> AsyncGenerator[SharedStorage]:
    shared = SharedStorage()
    try:
        yield shared
        for result in list(_open_results):
            await result._finish(shared)  # noqa: SLF001 - defined below
    finally:
        await shared.aclose()


_portal: Portal[SharedStorage] = Portal(_open_shared)


def run(call: Callable[["AsyncStorage"], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine of the shared `AsyncStorage` in the thread, and wait for its result.

    Args:
        call: Makes the coroutine.
    """
    settings = current_settings()
    return _portal.call(lambda shared: shared.run(settings, call))


def run_shared(call: Callable[[SharedStorage], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in the thread, and wait for its result.

    Args:
        call: Makes the coroutine, given what the thread of this process owns.
    """
    return _portal.call(call)


async def collected(items: AsyncGenerator[T]) -> list[T]:
    """All items of a generator."""
    async with aclosing(items):
        return [item async for item in items]


async def run_in_engine(call: Callable[["AsyncStorage"], Coroutine[Any, Any, T]]) -> T:
    """As `run`, from an event loop in another thread, which it does not block.

    Args:
        call: Makes the coroutine; it is cancelled if this call is.
    """
    global _engine  # noqa: PLW0603
    import asyncio  # noqa: PLC0415 - loaded, since an event loop runs

    settings = current_settings()
    if _engine is None or _engine[0] != os.getpid():
        from ..runtime.detached import run_detached  # noqa: PLC0415 - imports asyncio

        _engine = (os.getpid(), *await run_detached(lambda: run_shared(_describe)))
    _, loop, shared = _engine
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(shared.run(settings, call), loop))


async def _describe(shared: SharedStorage) -> "tuple[asyncio.AbstractEventLoop, SharedStorage]":
    import asyncio  # noqa: PLC0415

    return asyncio.get_running_loop(), shared


class Chunks:
    """The chunks of an object in order: an iterator, and a context manager for stopping early.

    Args:
        open_source: Opens the object in the thread.
    """

    def __init__(self, open_source: Callable[["AsyncStorage"], AsyncGenerator[bytes]]) -> None:
        self._open_source = open_source
        self._settings = current_settings()
        self._shared: SharedStorage | None = None
        self._source: AsyncGenerator[bytes] | None = None
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._closed:
            raise StopIteration
        chunk = run_shared(self._advance)
        if chunk is None:
            self._closed = True
            raise StopIteration
        return chunk

    async def _advance(self, shared: SharedStorage) -> bytes | None:
        if self._source is None:
            storage = await shared.storage(self._settings)
            self._shared, self._source = shared, self._open_source(storage)
            close_with_thread(self)
        if self._shared is not shared:
            raise ClosedError("the object was opened before this process was forked", hint="open it again")
        return await anext(self._source, None)

    def close(self) -> None:
        """Stop reading."""
        if not self._closed and self._source is not None:
            run_shared(self._finish)
        self._closed = True

    async def _finish(self, shared: SharedStorage) -> None:
        if self._source is not None and self._shared is shared:
            with suppress(RuntimeError):  # an abandoned call still waits for its next chunk
                await self._source.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Open(Protocol):
    """A result that needs the thread after the call that returns it."""

    async def _finish(self, shared: SharedStorage) -> None: ...


_open_results: WeakSet[_Open] = WeakSet()


def close_with_thread(result: _Open) -> None:
    """Close a result when the thread's event loop ends, unless it is closed by then; called in the thread."""
    _open_results.add(result)
