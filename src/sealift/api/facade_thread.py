"""The thread whose event loop runs the calls of `Storage`, on one `AsyncStorage` per process.

`configure` replaces the storage: calls that begin later use a new one, and the old one is closed after its last call.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakSet

from ..errors import ClosedError
from ..runtime.portal import Portal
from .process_settings import Settings, current_settings

if TYPE_CHECKING:
    from .async_storage import AsyncStorage

__all__ = ["Chunks", "run"]

T = TypeVar("T")


class _SharedStorage:
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
async def _open_shared() -> AsyncGenerator[_SharedStorage]:
    shared = _SharedStorage()
    try:
        yield shared
        for chunks in list(_open_chunks):
            await chunks._finish(shared)  # noqa: SLF001 - defined below
    finally:
        await shared.aclose()


_portal: Portal[_SharedStorage] = Portal(_open_shared)


def run(call: Callable[["AsyncStorage"], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine of the shared `AsyncStorage` in the thread, and wait for its result.

    Args:
        call: Makes the coroutine.
    """
    settings = current_settings()
    return _portal.call(lambda shared: shared.run(settings, call))


class Chunks:
    """The chunks of an object in order: an iterator, and a context manager for stopping early.

    Args:
        open_source: Opens the object in the thread.
    """

    def __init__(self, open_source: Callable[["AsyncStorage"], AsyncGenerator[bytes]]) -> None:
        self._open_source = open_source
        self._settings = current_settings()
        self._shared: _SharedStorage | None = None
        self._source: AsyncGenerator[bytes] | None = None
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._closed:
            raise StopIteration
        chunk = _portal.call(self._advance)
        if chunk is None:
            self._closed = True
            raise StopIteration
        return chunk

    async def _advance(self, shared: _SharedStorage) -> bytes | None:
        if self._source is None:
            storage = await shared.storage(self._settings)
            self._shared, self._source = shared, self._open_source(storage)
            _open_chunks.add(self)
        if self._shared is not shared:
            raise ClosedError("the object was opened before this process was forked", hint="open it again")
        return await anext(self._source, None)

    def close(self) -> None:
        """Stop reading."""
        if not self._closed and self._source is not None:
            _portal.call(self._finish)
        self._closed = True

    async def _finish(self, shared: _SharedStorage) -> None:
        if self._source is not None and self._shared is shared:
            with suppress(RuntimeError):  # an abandoned call still waits for its next chunk
                await self._source.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


# Closed with the thread's event loop.
_open_chunks: WeakSet[Chunks] = WeakSet()
