"""Read ahead of a file's position: more and more while it is read in order, nothing while it is read at random."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from ..errors import StorageError
from ..runtime import large_buffer
from ..runtime.shielded import shielded
from ..types import KiB, MiB

__all__ = ["MAX_WINDOW", "ReadAhead"]

MAX_WINDOW = 16 * MiB
"""The most bytes that are read ahead of the position of one file."""

# The smallest request: a few more bytes cost nothing, and another request costs a round trip.
_MIN_REQUEST = 16 * KiB
_FIRST_WINDOW = 128 * KiB
# A window is requested in this many blocks at once.
_BLOCKS = 4
# Larger blocks are allocated without the interpreter lock.
_SMALL_BLOCK = MiB

Fetch = Callable[[int, memoryview], Awaitable[None]]
"""Fills memory with the bytes of the object from an offset on."""


class _Block:
    """A range of the object that was requested ahead.

    Attributes:
        start: Offset of its first byte.
        end: Offset after its last byte.
        data: Its bytes, once `task` is done.
        task: Receives them. None: they are there.
        error: Why they could not be received.
    """

    __slots__ = ("data", "end", "error", "start", "task")

    def __init__(self, start: int, data: memoryview) -> None:
        self.start = start
        self.end = start + len(data)
        self.data = data
        self.task: asyncio.Task[None] | None = None
        self.error: StorageError | None = None

    async def receive(self, fetch: Fetch) -> None:
        try:
            await fetch(self.start, self.data)
        except StorageError as error:
            self.error = error

    @property
    def is_complete(self) -> bool:
        return self.error is None and (self.task is None or (self.task.done() and not self.task.cancelled()))


class ReadAhead:
    """Reads ranges of an object, and keeps what was requested ahead in memory.

    A read that begins where the last one ended is in order. The window, which is how much is requested ahead, doubles
    with each read in order that the requested blocks do not cover, and again whenever half of it is used up. Any other
    read that no block covers ends the read-ahead, and requests no more than it needs. Reads that exceed the window go
    directly to the memory of the caller.

    One read at a time.

    Args:
        size: Size of the object in bytes.
        fetch: Fills memory with a range of the object.
        window: Upper bound of the window in bytes.
    """

    def __init__(self, size: int, fetch: Fetch, window: int = MAX_WINDOW) -> None:
        self._size = size
        self._fetch = fetch
        self._max_window = window
        self._window = 0
        self._blocks: deque[_Block] = deque()  # contiguous
        self._last_end: int | None = None
        self._ending: set[asyncio.Task[None]] = set()

    def hold(self, data: memoryview) -> None:
        """Use the bytes of the whole object, which have been received already."""
        self._blocks.append(_Block(0, data))

    async def readinto(self, position: int, view: memoryview) -> None:
        """Fill memory with the bytes from an offset on; the object has that many.

        Args:
            position: Offset of the first byte.
            view: Where the bytes go.

        Raises:
            StorageError: The read failed; it can be tried again.
        """
        end = position + len(view)
        self._request_for(position, end)
        done = 0
        for block in list(self._blocks):
            if not block.start <= position + done < block.end:
                continue
            await self._wait_for(block)
            count = min(block.end - position, len(view)) - done
            offset = position + done - block.start
            view[done : done + count] = block.data[offset : offset + count]
            done += count
        if done < len(view):
            with view[done:] as rest:
                await self._fetch(position + done, rest)
        self._last_end = end
        self._advance(end)

    def rest(self, position: int) -> memoryview:
        """The bytes from an offset on that are in memory, up to the end of their block; perhaps none."""
        for block in self._blocks:
            if block.start <= position < block.end and block.is_complete:
                return block.data[position - block.start :]
        return memoryview(b"")

    async def aclose(self) -> None:
        """Cancel what was requested ahead, and wait for its end."""
        self._discard(len(self._blocks))
        if self._ending:
            await shielded(asyncio.wait(self._ending))

    @property
    def _requested(self) -> int | None:
        """Offset after the last block. None: there is none."""
        return self._blocks[-1].end if self._blocks else None

    def _request_for(self, position: int, end: int) -> None:
        """Request the blocks for a read, unless its bytes go directly to the caller's memory."""
        held = bool(self._blocks) and self._blocks[0].start <= position <= self._blocks[-1].end
        in_order = held or position == self._last_end
        if not held:
            self._discard(len(self._blocks))
        if not in_order:
            self._window = 0
        missing = end - (position if self._requested is None else self._requested)
        if missing <= 0:
            return
        if in_order:
            self._grow(end - position)
            if end - position <= self._window:
                self._extend(position, position + self._window)
        elif missing < _MIN_REQUEST:
            self._request(position, min(_MIN_REQUEST, self._size - position))

    def _advance(self, position: int) -> None:
        """Forget the blocks before a position, except the last of them, and read ahead of it."""
        while len(self._blocks) > 1 and self._blocks[0].end <= position:
            self._discard(1)
        if self._requested is not None and self._requested < position:
            self._discard(len(self._blocks))
        if self._window:
            ahead = 0 if self._requested is None else self._requested - position
            if ahead < self._window // 2:
                self._grow(0)
                self._extend(position, position + self._window)

    def _grow(self, length: int) -> None:
        self._window = min(max(2 * self._window, 2 * length, _FIRST_WINDOW), self._max_window)

    def _extend(self, position: int, target: int) -> None:
        """Request blocks up to an offset."""
        start = position if self._requested is None else self._requested
        target = min(target, self._size)
        while start < target:
            length = min(max(self._window // _BLOCKS, _MIN_REQUEST), self._size - start)
            self._request(start, length)
            start += length

    def _request(self, start: int, length: int) -> None:
        data = memoryview(bytearray(length) if length < _SMALL_BLOCK else large_buffer.allocate(length))
        block = _Block(start, data)
        block.task = asyncio.get_running_loop().create_task(block.receive(self._fetch))
        self._blocks.append(block)

    async def _wait_for(self, block: _Block) -> None:
        if block.task is not None:
            if not block.task.done():
                await asyncio.wait((block.task,))  # if this read is cancelled, the block still arrives
            if block.error is None:
                block.task.result()
        if block.error is not None:
            self._discard(len(self._blocks))  # requested again by the next read
            raise block.error

    def _discard(self, count: int) -> None:
        """Forget the first blocks; those that have not arrived are cancelled."""
        for _ in range(count):
            task = self._blocks.popleft().task
            if task is not None and not task.done():
                task.cancel()
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
