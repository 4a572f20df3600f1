"""Write to stdout from a thread, so that a slow reader blocks neither the event loop nor Ctrl-C."""

import asyncio
import errno
import os
import select
import sys
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Self

import click

from ..runtime.start_thread import start_thread
from .escaping import for_stdout

__all__ = ["StdoutWriter", "encoded", "print_line"]

# Bytes in the queue before `write` waits.
_MAX_QUEUED = 1 << 20
# Seconds that an interrupted command waits for the queue to drain.
_DRAIN_SECONDS = 1.0


class StdoutWriter:
    """Writes to stdout while the event loop runs. The block ends when everything is written.

    Example:
        >>> async def copy(storage: AsyncStorage, uri: str) -> None:
        ...     async with StdoutWriter() as stdout:
        ...         async for chunk in storage.stream(uri):
        ...             await stdout.write(chunk)
    """

    def __init__(self) -> None:
        stream = None if sys.stdout is None else sys.stdout.buffer  # None: the process was started without it
        # Unbuffered: the interpreter flushes buffers at exit, which fails if a thread is still writing.
        self._stream: Any = getattr(stream, "raw", stream)
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._queued = 0
        self._error: OSError | None = None
        self._drained = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        # A daemon thread: it may be blocked in a write when the command is interrupted.
        start_thread(self._write_queued, name="sealift-stdout")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            async with asyncio.timeout(_DRAIN_SECONDS if kind is asyncio.CancelledError else None):
                await self._wait_below(0)
        except (OSError, TimeoutError):
            if kind is None:
                raise
        finally:
            self._queue.put(None)

    def print_line(self, line: str) -> None:
        """Queue a line, without waiting.

        Raises:
            OSError: An earlier write failed, or stdout is closed; BrokenPipeError: the reader has closed the pipe.
        """
        self._put(encoded(f"{for_stdout(line)}\n"))

    async def write(self, data: bytes) -> None:
        """Queue bytes, and wait while the queue is full. Raises like `print_line`."""
        self._put(data)
        await self._wait_below(_MAX_QUEUED)

    async def write_line(self, line: str) -> None:
        """Queue a line, and wait while the queue is full. Raises like `print_line`."""
        await self.write(encoded(f"{for_stdout(line)}\n"))

    def _put(self, data: bytes) -> None:
        if self._error is not None:
            raise self._error
        if data:
            _require_stdout()
            self._queued += len(data)
            self._queue.put(data)

    async def _wait_below(self, limit: int) -> None:
        while self._error is None and self._queued > limit:
            self._drained.clear()
            await self._drained.wait()
        if self._error is not None:
            raise self._error

    def _write_queued(self) -> None:
        with suppress(RuntimeError):  # the event loop was closed
            while (data := self._queue.get()) is not None:
                pieces = [data]
                while not self._queue.empty() and (data := self._queue.get()) is not None:
                    pieces.append(data)
                block = b"".join(pieces)
                error = self._write(block)
                self._loop.call_soon_threadsafe(self._on_written, len(block), error)
                if error is not None or data is None:
                    return

    def _write(self, data: bytes) -> OSError | None:
        rest = memoryview(data)
        try:
            while rest:
                count = self._stream.write(rest)
                if count is None:  # another program made the terminal non-blocking
                    select.select([], [self._stream], [])
                rest = rest[count or 0 :]
        except OSError as error:
            return error
        return None

    def _on_written(self, size: int, error: OSError | None) -> None:
        self._queued -= size
        self._error = error
        self._drained.set()


def print_line(line: str) -> None:
    """Print a line on stdout, outside an event loop.

    Raises:
        OSError: It cannot be written, or stdout is closed.
    """
    _require_stdout()
    click.echo(encoded(for_stdout(line)))


def encoded(text: str) -> bytes:
    """Return text in the encoding of file names, which can contain any bytes; in UTF-8 if it lacks a character."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace")


def _require_stdout() -> None:
    if sys.stdout is None:
        raise OSError(errno.EBADF, "stdout is closed")
