"""An object that stays open between calls: a reader or a writer, and the open location that it needs."""

import asyncio
import os
import threading
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Generic, Self, TypeVar

from ..config import StorageConfig
from ..errors import DeadlineExceeded, StorageError
from ..operations.deadline import Deadline
from ..operations.open_location import OpenLocation
from ..runtime.shielded import shielded
from ..uri import Location, parse
from .lifetime import Lifetime

__all__ = ["Opened"]


T = TypeVar("T")


class Opened(Generic[T]):
    """An open reader or writer. It keeps its instance open, until it is closed.

    Args:
        location: Where the object is.
        stream: The reader or writer.
        discard: Ends it: stops a reader, and aborts a writer.
        resources: What it needs, to be closed after it.
        timeout: Seconds for each call. None: no limit.

    Attributes:
        name: The local path, or the URI without secrets.
        stream: The reader or writer.
        closed: Whether it was closed.
        thread: The thread of its event loop.
    """

    def __init__(
        self,
        location: Location,
        stream: T,
        discard: Callable[[], Awaitable[None]],
        resources: AsyncExitStack,
        timeout: float | None = None,
    ) -> None:
        self.name = f"/{location.key}" if location.scheme == "file" else str(location)
        self.stream = stream
        self.closed = False
        self._uri = str(location)
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self.thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        self._abandoned = False
        self._ending: asyncio.Task[None] | None = None  # a loop keeps only weak references to its tasks
        self._lifetime = _until_closed(discard, resources)
        with suppress(StopIteration):  # start it without waiting: from now on, the loop closes it at the latest
            self._lifetime.asend(None).send(None)

    @classmethod
    async def open(
        cls,
        lifetime: Lifetime,
        operation: str,
        uri: str,
        config: StorageConfig | None,
        open_stream: Callable[[OpenLocation], Awaitable[tuple[T, Callable[[], Awaitable[None]]]]],
        *,
        timeout: float | None = None,
        version_id: str | None = None,
    ) -> Self:
        """Open a location, and the reader or writer at it.

        Args:
            lifetime: Keeps the instance open.
            operation: The operation whose module `Lifetime` loads; also for errors.
            uri: URI or local path.
            config: Credentials and endpoint. None: from the environment.
            open_stream: Returns the reader or writer, and how to end it.
            timeout: Seconds for this call, and for each later one. None: no limit.
            version_id: The version of the object to read. None: the current one.

        Raises:
            DeadlineExceeded: The timeout expired.
            StorageError: It could not be opened.
        """
        deadline = Deadline(timeout)
        async with AsyncExitStack() as resources:
            # The location has no deadline of its own, which would also end the calls that follow.
            try:
                with deadline.enforced():
                    place = await lifetime.open_in(resources, operation, uri, config, version_id)
                    stream, discard = await open_stream(place)
            except DeadlineExceeded as error:
                raise error.about(operation, str(parse(uri))) from None
            return cls(parse(uri), stream, discard, resources.pop_all(), timeout)

    @asynccontextmanager
    async def use(self, operation: str) -> AsyncGenerator[T]:
        """Use the reader or writer. One call at a time: others wait.

        Args:
            operation: For errors, which also name the object.

        Raises:
            ValueError: It is closed.
            DeadlineExceeded: The timeout expired.
        """
        with self.named(operation), Deadline(self._timeout).enforced():
            async with self._lock:
                if self.closed:
                    raise ValueError("I/O operation on closed file")
                yield self.stream

    @contextmanager
    def named(self, operation: str) -> Generator[None]:
        """Add the operation and the URI to errors.

        Args:
            operation: As in `use`.
        """
        try:
            yield
        except StorageError as error:
            error.__context__ = None  # as in `Lifetime`
            raise error.about(operation, self._uri) from error.__cause__

    async def aclose(self) -> None:
        """Stop the reader, or abort the writer unless it is complete. Idempotent."""
        if not self.closed:
            self.closed = True
            await shielded(self._lifetime.aclose())

    def abandon(self) -> None:
        """Close it soon, from any thread and without waiting: for the finalizer of a file that nobody has closed."""
        self._abandoned = True
        if not self.closed and self._process == os.getpid():  # after a fork, it belongs to the parent
            with suppress(RuntimeError):  # the loop is closed, and with it everything else
                self._loop.call_soon_threadsafe(self._close_later)

    def _close_later(self) -> None:
        self._ending = self._loop.create_task(self.aclose())

    def __del__(self) -> None:
        if not self.closed and not self._abandoned and self._process == os.getpid():
            warnings.warn(f"unclosed file {self.name!r}", ResourceWarning, stacklevel=2, source=self)
            self.abandon()


async def _until_closed(discard: Callable[[], Awaitable[None]], resources: AsyncExitStack) -> AsyncGenerator[None]:
    """Closes what is open when it is closed itself; `loop.shutdown_asyncgens` does so for what nobody has closed."""
    try:
        yield
    finally:
        try:
            await discard()
        finally:
            await resources.aclose()
