"""Streamed bodies, of any length: read once, in order, at the pace of the reader."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from ..errors import ClosedError, InvalidConfig, TransportError
from ..types import KiB
from .exchange import Exchange
from .lanes import Lanes
from .message import Headers, Response

if TYPE_CHECKING:
    from ..contract import Reader
    from ..lane_contract import ByteCount
    from .response_reader import ResponseReader

__all__ = ["BodyStream", "StreamedResponse", "fill_buffer"]

_BUFFER = 256 * KiB
_ERROR_BODY = 16 * KiB


class BodyStream:
    """The body of one response, received piece by piece while it is read.

    A cancelled read does not end the receiving of a piece: the next read gets it.

    Args:
        exchange: The exchange.
        lanes: The lanes.
    """

    def __init__(self, exchange: Exchange, lanes: Lanes) -> None:
        self._exchange = exchange
        self._lanes = lanes
        self._scratch = memoryview(bytearray(_BUFFER))
        self._reader: ResponseReader | None = None
        self._pieces: Iterator[memoryview] = iter(())
        self._unread = memoryview(b"")
        self._receiving: asyncio.Task[memoryview | None] | None = None
        self._error: Exception | None = None
        self._ended = False

    async def open(self) -> Response:
        """Send the request and receive the head of the response."""
        self._lanes.watch(self._exchange.connection)
        try:
            return await self._lanes.run(self._exchange.connection, self._begin)
        except BaseException:
            await self.aclose()
            raise

    def _begin(self) -> Response:
        self._reader = self._exchange.begin(self._scratch)
        response = self._exchange.read_head(self._reader)
        self._exchange.connection.transferring = True
        self._pieces = self._reader.pieces()
        if self._reader.finished:
            self._exchange.finish(self._reader)
        return response

    def _next_piece(self) -> memoryview | None:
        piece = next(self._pieces, None)
        assert self._reader is not None  # noqa: S101 - for mypy
        if self._reader.finished:
            self._exchange.finish(self._reader)
        return piece

    async def readinto(self, view: memoryview) -> int:
        """See `StreamedResponse.readinto`."""
        if not view.nbytes:
            raise InvalidConfig("a body cannot be read into an empty buffer")
        view = view.cast("B")
        while not self._unread:
            if self._error is not None:
                raise self._error
            if self._ended:
                return 0
            if self._receiving is None:
                self._receiving = asyncio.ensure_future(self._receive())
            await asyncio.wait([self._receiving])
            if self._receiving is None or not self._receiving.done():
                continue
            receiving, self._receiving = self._receiving, None
            try:
                piece = receiving.result()
            except Exception as error:
                if isinstance(error, TransportError):
                    error.host = self._exchange.connection.name
                self._error = error
                raise
            self._unread, self._ended = piece or memoryview(b""), piece is None
        if self._error is not None:
            raise self._error
        count = min(len(self._unread), len(view))
        view[:count] = self._unread[:count]
        self._unread = self._unread[count:]
        return count

    async def _receive(self) -> memoryview | None:
        return await self._lanes.run(self._exchange.connection, self._next_piece)

    async def aclose(self) -> None:
        """End the receiving, and wait until it has ended."""
        self._error = ClosedError("the body was closed before its end")
        self._lanes.unwatch(self._exchange.connection)
        receiving, cancelled = self._receiving, False
        if receiving is None:
            return
        self._exchange.connection.interrupt(self._error)
        while not receiving.done():
            try:
                await asyncio.wait([receiving])
            except asyncio.CancelledError:  # the lane still uses the buffer
                cancelled = True
        if not receiving.cancelled():
            receiving.exception()  # mark as retrieved
        if cancelled:
            raise asyncio.CancelledError


async def fill_buffer(reader: "Reader", buffer: memoryview, counter: "ByteCount | None" = None) -> int:
    """Read until a buffer is full, or until the end of the body.

    Args:
        reader: The body.
        buffer: The buffer.
        counter: The bytes are added to it as they arrive. None: nobody asks.

    Returns:
        Number of bytes read.
    """
    done = 0
    while done < len(buffer) and (count := await reader.readinto(buffer[done:])):
        done += count
        if counter is not None:
            counter.count += count
    return done


class StreamedResponse:
    """A response whose body is streamed.

    Attributes:
        status: Status code.
        headers: Header fields, names in lower case.
        host: Host and port of the server, for errors.
        request: The request, for errors.
    """

    def __init__(self, response: Response, readinto: Callable[[memoryview], Awaitable[int]]) -> None:
        self.status = response.status
        self.host = response.host
        self.request = response.request
        self.is_failure = response.is_failure
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

    async def failure(self) -> Response:
        """The response with the beginning of its body, for the error that it describes.

        Raises:
            TransportError: As `readinto`.
        """
        body = memoryview(bytearray(_ERROR_BODY))
        count = await fill_buffer(self, body)
        failure = Response(self.status, self.headers, bytes(body[:count]), host=self.host)
        failure.request = self.request
        return failure

    def __repr__(self) -> str:
        return f"StreamedResponse({self.status})"
