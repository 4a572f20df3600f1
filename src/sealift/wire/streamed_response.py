"""Streamed bodies, of any length: read once, in order, at the pace of the reader."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import h11

from ..errors import ClosedError, InvalidConfig
from ..types import KiB
from .message import Headers, Origin, Response
from .response_receiver import ResponseReceiver

__all__ = ["StreamedResponse", "StreamingReceiver"]

_HIGH_WATER = 256 * KiB
"""Buffered bytes above which reading from the socket is paused."""


class Pausable(Protocol):
    """A connection whose reading can be paused."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class StreamingReceiver(ResponseReceiver):
    """Resolves once the head has arrived; buffers a limited amount of the body until it is read.

    Attributes:
        finished: The whole body has been received.
    """

    def __init__(
        self,
        framing: h11.Connection,
        scratch: memoryview,
        origin: Origin,
        future: asyncio.Future[Response],
        socket: Pausable,
    ) -> None:
        super().__init__(framing, scratch, origin, future)
        self.finished = False
        self._socket = socket
        self._chunks: deque[memoryview] = deque()
        self._buffered = 0
        self._paused = False
        self._data_ready: asyncio.Future[None] | None = None
        self._error: Exception | None = None

    @property
    def waiting(self) -> bool:  # type: ignore[override]  # a property here
        return not self.future.done() or self._data_ready is not None

    async def readinto(self, view: memoryview) -> int:
        if not view.nbytes:
            raise InvalidConfig("a body cannot be read into an empty buffer")
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self.finished:
                return 0
            self._data_ready = asyncio.get_running_loop().create_future()
            try:
                await self._data_ready
            finally:
                self._data_ready = None
        view = view.cast("B")
        filled = 0
        while self._chunks and filled < len(view):
            chunk = self._chunks.popleft()
            count = min(len(chunk), len(view) - filled)
            view[filled : filled + count] = chunk[:count]
            filled += count
            if count < len(chunk):
                self._chunks.appendleft(chunk[count:])
        self._buffered -= filled
        if self._paused and self._buffered <= _HIGH_WATER // 2:
            self._resume()
        return filled

    def complete(self) -> None:
        self.finished = True
        if self._paused:
            self._resume()  # for the next exchange
        super().complete()
        self._notify()

    def fail(self, error: Exception) -> None:
        self._error = error
        super().fail(error)
        self._notify()

    def cancel(self) -> None:
        self._error = ClosedError("the body was closed before its end")
        super().cancel()
        self._notify()

    def _on_head(self, response: Response) -> None:
        self.transferring = True
        self.future.set_result(response)

    def _on_data(self, data: bytes) -> None:
        self._chunks.append(memoryview(data))
        self._buffered += len(data)
        self._notify()
        if self._buffered >= _HIGH_WATER and not self._paused:
            self._paused = True
            self._socket.pause_reading()

    def _resume(self) -> None:
        self._paused = False
        self._socket.resume_reading()

    def _notify(self) -> None:
        if self._data_ready is not None and not self._data_ready.done():
            self._data_ready.set_result(None)


class StreamedResponse:
    """A response whose body is streamed.

    Attributes:
        status: Status code.
        headers: Header fields, names in lower case.
    """

    def __init__(self, response: Response, readinto: Callable[[memoryview], Awaitable[int]]) -> None:
        self.status = response.status
        self.headers: Headers = response.headers
        self.header = response.header
        self._readinto = readinto

    async def readinto(self, view: memoryview) -> int:
        """Read the available data into a buffer, waiting for at least one byte.

        Returns:
            Number of bytes read; 0 at the end of the body.

        Raises:
            TransportError: The body is truncated, or the connection stalled.
        """
        return await self._readinto(view)

    def __repr__(self) -> str:
        return f"StreamedResponse({self.status})"
