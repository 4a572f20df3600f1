"""The bytes of an archive, handed over in order by the event loop to the thread that unpacks it."""

import asyncio
import io
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from ..errors import ClosedError, StorageError
from ..types import KiB, MiB
from .zip_stream import ZipStream

__all__ = ["ArchiveStream", "ReadRange"]

_BUFFER = 64 * KiB
_NOTHING = memoryview(b"")

ReadRange = Callable[[int, int], Awaitable[bytes]]
"""Reads a range of the archive, given its offset and its length in bytes."""


class ArchiveStream(io.RawIOBase):
    """An `Archive` that is read while it arrives. Create it in the event loop.

    Args:
        size: Size of the archive in bytes; None: not known yet.
        read_range: Reads any range of the archive, which a zip needs. None: not possible, so a zip is stored first.
        directory: Where to store it, in a file without a name.

    Attributes:
        reader: The bytes, for the thread.
    """

    def __init__(self, size: int | None, read_range: ReadRange | None, directory: str) -> None:
        self.reader: io.BufferedReader = io.BufferedReader(self, _BUFFER)
        self._loop = asyncio.get_running_loop()
        self._size = size
        self._read_range = read_range
        self._directory = directory
        self._arrived: SimpleQueue[tuple[memoryview, asyncio.Future[None]] | None] = SimpleQueue()
        self._view = _NOTHING
        self._taken: asyncio.Future[None] | None = None
        self._count = 0
        self._ended = self._stopped = False
        self._reading: asyncio.Task[Any] | None = None

    # Methods for the event loop

    def feed(self, data: memoryview) -> "asyncio.Future[None]":
        """Hand over the next bytes, at least one.

        Returns:
            A future that is done when the thread no longer needs the buffer.
        """
        taken: asyncio.Future[None] = self._loop.create_future()
        self._arrived.put((data, taken))
        return taken

    def end(self) -> None:
        """Report that all bytes have been handed over."""
        self._arrived.put(None)

    def stop(self) -> None:
        """Make the thread fail soon. Until it has ended, it may still use the buffers of `feed`."""
        self._stopped = True
        self._arrived.put(None)
        if self._reading is not None:
            self._reading.cancel()

    # Methods for the thread

    def check(self) -> None:
        """Raise ClosedError if `stop` was called."""
        if self._stopped:
            raise ClosedError("unpacking was stopped")

    @property
    def size(self) -> int:
        return self._count if self._size is None else self._size

    @contextmanager
    def random_access(self) -> Iterator[ZipStream]:
        if self._read_range is not None and self._size is not None:
            yield ZipStream(self.reader, self._size, self._fetch)
            return
        with tempfile.TemporaryFile(dir=self._directory) as file:
            shutil.copyfileobj(self.reader, file, MiB)
            file.seek(0)
            yield ZipStream(file, self.size, lambda start, length: os.pread(file.fileno(), length, start))

    def _fetch(self, start: int, length: int) -> bytes:
        return asyncio.run_coroutine_threadsafe(self._read(start, length), self._loop).result()

    async def _read(self, start: int, length: int) -> bytes:
        assert self._read_range is not None  # noqa: S101 - for mypy: checked by `random_access`
        self.check()
        self._reading = asyncio.current_task()
        try:
            return await self._read_range(start, length)
        except StorageError as error:
            error.retryable = False  # it was retried often enough
            raise
        finally:
            self._reading = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer, as the bytes arrive; fewer only at the end of the archive."""
        done = 0
        with memoryview(buffer) as into:
            while done < len(into) and not self._ended:
                if not len(self._view):
                    self._wait()
                    continue
                count = min(len(self._view), len(into) - done)
                into[done : done + count] = self._view[:count]
                self._view = self._view[count:]
                done += count
                if not len(self._view) and self._taken is not None:
                    self._view = _NOTHING
                    self._loop.call_soon_threadsafe(_set_done, self._taken)
        self._count += done
        return done

    def _wait(self) -> None:
        arrived = self._arrived.get()
        self.check()
        if arrived is None:
            self._ended = True
        else:
            self._view, self._taken = arrived


def _set_done(future: "asyncio.Future[None]") -> None:
    if not future.done():  # its caller may have been cancelled
        future.set_result(None)
