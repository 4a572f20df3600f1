"""Standard output, written by a thread of its own: a reader who takes his time holds up no loop and no Ctrl-C."""

import asyncio
import json
import select
import sys
import threading
from contextlib import suppress
from datetime import datetime
from queue import SimpleQueue
from typing import Any, Self

from ..types import Event
from .exit_codes import printable

__all__ = ["Output", "as_json", "skip_line"]

# Bytes that wait for the reader before the writer waits too.
_ENOUGH = 1 << 20
# How long an interrupted command waits for its reader, in seconds.
_LAST_WORDS = 1.0


def as_json(**facts: Any) -> str:
    """A JSON object in a line; times as in ISO 8601."""
    return json.dumps(facts, default=datetime.isoformat)


def skip_line(name: str, event: Event) -> str:
    """The warning about what is left out, in one line.

    Args:
        name: What the user calls it.
        event: Says why.
    """
    return printable(f"skipped: {name}: {event.reason}")


class Output:
    """What a command prints on stdout while its loop runs; at the end of the block all of it has been taken.

    Example:
        >>> async def copy(storage: AsyncStorage, uri: str) -> None:
        ...     async with Output() as output:
        ...         async for chunk in storage.open(uri):
        ...             await output.write(chunk)
    """

    def __init__(self) -> None:
        stream = sys.stdout.buffer
        # Unbuffered: the interpreter flushes buffers when it exits, and cannot if a thread is still writing.
        self._stream = getattr(stream, "raw", stream)
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._waiting = 0
        self._error: OSError | None = None
        self._taken = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        # A daemon: it may be stuck in a write when the command is interrupted.
        threading.Thread(target=self._work, name="sealift-stdout", daemon=True).start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            async with asyncio.timeout(_LAST_WORDS if kind is asyncio.CancelledError else None):
                await self._room(0)
        except (OSError, TimeoutError):
            if kind is None:
                raise
        finally:
            self._queue.put(None)

    def say(self, line: str) -> None:
        """Print a line; does not wait.

        Raises:
            OSError: What was printed before could not be written; BrokenPipeError: nobody reads it.
        """
        self._put(_encoded(line))

    async def write(self, data: bytes) -> None:
        """Print bytes, and wait while much is waiting to be read; as `say`."""
        self._put(data)
        await self._room(_ENOUGH)

    async def write_line(self, line: str) -> None:
        """Print a line; as `write`."""
        await self.write(_encoded(line))

    def _put(self, data: bytes) -> None:
        if self._error is not None:
            raise self._error
        if data:
            self._waiting += len(data)
            self._queue.put(data)

    async def _room(self, enough: int) -> None:
        while self._error is None and self._waiting > enough:
            self._taken.clear()
            await self._taken.wait()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            while (data := self._queue.get()) is not None:
                pieces = [data]
                while not self._queue.empty() and (data := self._queue.get()) is not None:
                    pieces.append(data)
                everything = b"".join(pieces)
                error = self._write(everything)
                self._loop.call_soon_threadsafe(self._done, len(everything), error)
                if error is not None or data is None:
                    return

    def _write(self, data: bytes) -> OSError | None:
        rest = memoryview(data)
        try:
            while rest:
                count = self._stream.write(rest)
                if count is None:  # a terminal that another program has set to be non-blocking
                    select.select([], [self._stream], [])
                rest = rest[count or 0 :]
        except OSError as error:
            return error
        return None

    def _done(self, size: int, error: OSError | None) -> None:
        self._waiting -= size
        self._error = error
        self._taken.set()


def _encoded(line: str) -> bytes:
    return f"{line}\n".encode(errors="surrogateescape")  # names of files may hold any bytes
