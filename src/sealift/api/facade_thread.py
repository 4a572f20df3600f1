"""The thread whose event loop runs the calls of `Storage`, on one `AsyncStorage` per process."""

import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar
from weakref import WeakSet

from ..errors import ClosedError
from ..runtime.portal import Portal
from ..types import Limits

if TYPE_CHECKING:
    import asyncio

    from .async_storage import AsyncStorage

__all__ = ["Chunks", "close_with_thread", "run", "run_in_engine"]

T = TypeVar("T")

# For `run_in_engine`: this process, the thread's event loop, and the shared storage.
_engine: "tuple[int, asyncio.AbstractEventLoop, AsyncStorage] | None" = None

# Limits of the shared storage, for tests; set before the first call. None: the defaults.
limits: Limits | None = None


@asynccontextmanager
async def _open_storage() -> AsyncGenerator["AsyncStorage"]:
    from .async_storage import AsyncStorage  # noqa: PLC0415 - deferred to the first call: it loads asyncio

    async with AsyncStorage(limits) as storage:
        yield storage
        for result in list(_open_results):
            await result._finish(storage)  # noqa: SLF001 - defined below


_portal: Portal["AsyncStorage"] = Portal(_open_storage)


def run(call: Callable[["AsyncStorage"], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine of the shared `AsyncStorage` in the thread, and wait for its result.

    Args:
        call: Makes the coroutine.
    """
    return _portal.call(call)


async def run_in_engine(call: Callable[["AsyncStorage"], Coroutine[Any, Any, T]]) -> T:
    """As `run`, from an event loop in another thread, which it does not block.

    Args:
        call: Makes the coroutine; it is cancelled if this call is.
    """
    global _engine  # noqa: PLW0603
    import asyncio  # noqa: PLC0415 - loaded, since an event loop runs

    if _engine is None or _engine[0] != os.getpid():
        from ..runtime.detached import run_detached  # noqa: PLC0415 - imports asyncio

        _engine = (os.getpid(), *await run_detached(lambda: run(_describe)))
    _, loop, storage = _engine
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(storage), loop))


async def _describe(storage: "AsyncStorage") -> "tuple[asyncio.AbstractEventLoop, AsyncStorage]":
    import asyncio  # noqa: PLC0415

    return asyncio.get_running_loop(), storage


class Chunks:
    """The chunks of an object in order: an iterator, and a context manager for stopping early.

    Args:
        open_source: Opens the object in the thread.
    """

    def __init__(self, open_source: Callable[["AsyncStorage"], AsyncGenerator[bytes]]) -> None:
        self._open_source = open_source
        self._storage: AsyncStorage | None = None
        self._source: AsyncGenerator[bytes] | None = None
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._closed:
            raise StopIteration
        chunk = run(self._advance)
        if chunk is None:
            self._closed = True
            raise StopIteration
        return chunk

    async def _advance(self, storage: "AsyncStorage") -> bytes | None:
        if self._source is None:
            self._storage, self._source = storage, self._open_source(storage)
            close_with_thread(self)
        if self._storage is not storage:
            raise ClosedError("the object was opened before this process was forked", hint="open it again")
        return await anext(self._source, None)

    def close(self) -> None:
        """Stop reading."""
        if not self._closed and self._source is not None:
            run(self._finish)
        self._closed = True

    async def _finish(self, storage: "AsyncStorage") -> None:
        if self._source is not None and self._storage is storage:
            with suppress(RuntimeError):  # an abandoned call still waits for its next chunk
                await self._source.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Open(Protocol):
    """A result that needs the thread after the call that returns it."""

    async def _finish(self, storage: "AsyncStorage") -> None: ...


_open_results: WeakSet[_Open] = WeakSet()


def close_with_thread(result: _Open) -> None:
    """Close a result when the thread's event loop ends, unless it is closed by then; called in the thread."""
    _open_results.add(result)
