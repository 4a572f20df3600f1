"""The responses of one `Wire` whose bodies are being streamed, and their connections."""

from typing import TYPE_CHECKING

from .connection_errors import StaleConnectionError
from .exchange import Exchange
from .head_codec import encode_request
from .lanes import Lanes
from .message import Request, Response
from .pool import Pool
from .streamed_response import BodyStream

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["Streams"]


class Streams:
    """The open streams.

    Args:
        pool: The connections.
        lanes: Threads that use them.
    """

    def __init__(self, pool: Pool, lanes: Lanes) -> None:
        self._pool = pool
        self._lanes = lanes
        self._open: dict[BodyStream, Connection] = {}

    async def open(self, request: Request, body: memoryview | None = None) -> tuple[BodyStream, Response]:
        """Send a request and receive the head of its response; the body needs a `close`."""
        while True:
            head = encode_request(request, None if body is None else len(body))
            connection = await self._pool.acquire(request.origin, request.tls)
            received = BodyStream(Exchange(connection, request, head, body), self._lanes)
            try:
                response = await received.open()
            except BaseException as error:
                self._pool.release(connection)
                if not isinstance(error, StaleConnectionError) or request.method == "POST":
                    raise
            else:
                self._open[received] = connection
                return received, response

    async def close(self, body: BodyStream) -> None:
        """Give the connection of a stream back, or close it if the body was not read to its end."""
        connection = self._open.pop(body)
        try:
            await body.aclose()
        finally:
            self._pool.release(connection)

    async def aclose(self) -> None:
        """Close the connections of all streams: perhaps nobody reads them, or leaves their context."""
        for body, connection in list(self._open.items()):
            await body.aclose()
            self._pool.release(connection)
