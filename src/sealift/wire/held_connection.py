"""A connection that one lane keeps for several small requests, one after the other.

`fetch` accepts only the usual response, in the form of `parse_simple_head`. Any other one is an error, and the caller
repeats the request with `Wire`.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import TransportError
from .connection import Connection
from .content_range import Expectation
from .exchange import Exchange
from .head_codec import MAX_HEAD_BYTES, encode_request, parse_simple_head
from .lanes import Lanes
from .message import Request, Response

__all__ = ["ConnectionLane", "HeldConnection"]

T = TypeVar("T")


class HeldConnection:
    """A connection for several exchanges. `fetch` and `send` block: call them in a function given to `run`.

    After an error it cannot be used again. Nothing is retried, not even on a stale connection.

    Args:
        connection: The connection.
        lanes: Threads that use it.

    Attributes:
        fastest: Seconds that the fastest exchange took; before the first one, the round trip that the kernel has
            measured.
    """

    def __init__(self, connection: Connection, lanes: Lanes) -> None:
        self.fastest = connection.round_trip
        self._connection = connection
        self._lanes = lanes
        self._scratch = memoryview(bytearray(MAX_HEAD_BYTES))
        self._measured = False

    @property
    def usable(self) -> bool:
        """Whether another exchange may follow."""
        return self._connection.reusable

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function on a lane; as `Lanes.run`."""
        return await self._lanes.run(self._connection, function)

    def fetch(self, request: Request, into: memoryview, expectation: Expectation) -> Response:
        """Receive a body of known length into memory.

        Raises:
            TransportError: The response is not the expected one, or the connection broke.
        """
        started = self._begin()
        self._connection.send(encode_request(request))
        response, ahead = self._receive_head()
        encoding = None if request.encoded else response.header("content-encoding")
        if (
            response.header("content-length") != str(len(into))
            or encoding not in {None, "identity"}
            or not expectation.matches(response, len(into))
        ):
            raise self._unexpected()
        self._receive_body(ahead, into)
        self._connection.finish(reusable=True)
        self._measure(started)
        return response

    def send(self, request: Request, body: memoryview) -> Response:
        """Send a request with a body, and receive the whole response, in any form: it may have stored something.

        Raises:
            TransportError: The connection broke.
        """
        started = self._begin()
        exchange = Exchange(self._connection, request, encode_request(request, len(body)), body)
        response = exchange.receive_small()
        self._measure(started)
        return response

    def _begin(self) -> float:
        if self._measured and not self._connection.is_still_idle():  # what has arrived is no response to this request
            raise self._unexpected()
        self._connection.reusable = False
        self._connection.waiting = True
        return time.perf_counter()

    def _measure(self, started: float) -> None:
        self._connection.waiting = False  # what happens until the next exchange is no stall
        elapsed = time.perf_counter() - started
        self.fastest = min(self.fastest, elapsed) if self._measured else elapsed
        self._measured = True

    def _receive_head(self) -> tuple[Response, memoryview]:
        """Receive the head of a success; return it with what has arrived of the body."""
        received = 0
        while count := self._connection.receive_into(self._scratch[received:]):
            received += count
            if (parsed := parse_simple_head(self._scratch[:received])) is not None:
                return parsed[0], self._scratch[parsed[1] : received]
            if b"\r\n\r\n" in bytes(self._scratch[:received]):
                break
        raise self._unexpected()

    def _receive_body(self, ahead: memoryview, into: memoryview) -> None:
        """Receive a body of exactly this length, whose first bytes have arrived."""
        done = len(ahead)
        if done > len(into):
            raise self._unexpected()
        into[:done] = ahead
        self._connection.transferring = True
        while done < len(into):
            count = self._connection.receive_into(into[done:])
            if not count:
                raise self._unexpected()
            done += count

    def _unexpected(self) -> TransportError:
        return TransportError(f"{self._connection.name} sent an unexpected response", retryable=True)


class ConnectionLane:
    """What the `contract.Lane` of each service needs besides its requests.

    Args:
        connection: The connection.
    """

    def __init__(self, connection: HeldConnection) -> None:
        self.connection = connection

    @property
    def fastest(self) -> float:
        return self.connection.fastest

    @property
    def usable(self) -> bool:
        return self.connection.usable

    async def run(self, function: Callable[[], T]) -> T:
        return await self.connection.run(function)
