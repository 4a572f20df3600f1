"""Connections that one lane keeps for several small requests, one after the other.

`fetch` accepts only the usual response, in the form of `parse_simple_head`. Any other one is an error, and the caller
repeats the request with `Wire`.
"""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import TypeVar

from ..errors import TransportError
from ..lane_contract import ByteCount
from ..runtime.host_pace import HostPace
from ..runtime.request_record import RequestRecord, request_records
from .connection import Connection
from .content_range import Expectation
from .exchange import Exchange
from .head_codec import MAX_HEAD_BYTES, parse_simple_head, response_framing
from .lanes import Lanes
from .message import TLS, Origin, Request, Response
from .observation import Observation
from .pool import Pool
from .response_reader import ResponseReader

__all__ = ["HeldConnection", "hold_connections"]

T = TypeVar("T")


class HeldConnection:
    """Connections for several exchanges. `ask`, `fetch` and `send` block: call them in a function given to `run`.

    Responses are fetched in the order of their requests. Bodies arrive as they are stored, whatever their encoding.

    After an error they cannot be used again. Nothing is retried, not even on a stale connection.

    Args:
        connections: The connections, to one server.
        lanes: Threads that use them.
        pace: The pace of the server's host.
        records: Begins the records of requests, given the method, the target and the size of the body. None: nobody
            observes them.

    Attributes:
        fastest: Seconds that the fastest exchange took; before the first one, the round trip that the kernel has
            measured.
        ahead: How many requests `ask` may send before the response to the first is fetched.
        completed: How many exchanges have completed.
    """

    def __init__(
        self,
        connections: Sequence[Connection],
        lanes: Lanes,
        pace: HostPace,
        records: Callable[[str, str, int], RequestRecord] | None = None,
    ) -> None:
        self.fastest = connections[0].round_trip
        self.ahead = len(connections) - 1
        self.completed = 0
        self._connections = connections
        self._lanes = lanes
        self._scratch = memoryview(bytearray(MAX_HEAD_BYTES))
        self._measured = False
        self._free = deque(connections)
        self._used: set[Connection] = set()
        # Where and when each request was sent, and its record.
        self._asked: deque[tuple[Connection, float, RequestRecord | None]] = deque()
        self._records = records
        self._pace = pace
        self._reusable = True

    @property
    def usable(self) -> bool:
        """Whether another exchange may follow: not if the host limits its requests, so that each needs a turn."""
        return self._reusable and not self._pace.limited

    @property
    def asked(self) -> int:
        """How many requests were sent whose responses are not fetched yet."""
        return len(self._asked)

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function on a lane; as `Lanes.run`."""
        first, *others = self._connections
        return await self._lanes.run(first, function, *others)

    def ask(self, head: bytes) -> None:
        """Send a request for an object; `fetch` receives the response.

        Args:
            head: The encoded request, which has no body.

        Raises:
            TransportError: The connection broke.
        """
        connection, started = self._begin()
        self._asked.append((connection, started, self._record(head)))
        connection.send(head)
        connection.waiting = False  # what happens until the response is fetched is no stall

    def fetch(self, into: memoryview, expectation: Expectation, counter: ByteCount) -> Response:
        """Receive the body that the first of the requests was sent for.

        Args:
            into: Memory of the length that it must have.
            expectation: What else the response must say.
            counter: Counts the bytes of the body.

        Raises:
            TransportError: The response is not the expected one, or the connection broke.
        """
        connection, started, record = self._asked.popleft()
        if record is None:
            return self._fetch(connection, started, into, expectation, counter)
        with record:
            return record.answered(self._fetch(connection, started, into, expectation, counter))

    def _fetch(
        self,
        connection: Connection,
        started: float,
        into: memoryview,
        expectation: Expectation,
        counter: ByteCount,
    ) -> Response:
        connection.waiting = True
        response, ahead = self._receive_head(connection)
        if response.header("content-length") != str(len(into)) or not expectation.matches(response, len(into)):
            raise _unexpected(connection)
        _receive_body(connection, ahead, into, counter)
        connection.finish(reusable=True)
        self._end(connection, started)
        return response

    def send(self, head: bytes, body: memoryview, counter: ByteCount) -> Response:
        """Send a request with a body, and receive the whole response, in any form: it may have stored something.

        Args:
            head: The encoded head of the request.
            body: Its body.
            counter: Counts the bytes of the body.

        Raises:
            TransportError: The connection broke.
        """
        connection, started = self._begin()
        with self._record(head, len(body)) or nullcontext() as record:
            request = Request("PUT", connection.origin, "/")
            response = Exchange(connection, request, head, body, counter).receive_small()
            response.host = connection.name
            if record is not None:
                record.answered(response)
        self._end(connection, started)
        return response

    def _record(self, head: bytes, size: int = 0) -> RequestRecord | None:
        """Begin the record of a request, if somebody observes it."""
        if self._records is None:
            return None
        method, target, _ = head.decode("ascii").split(" ", 2)
        return self._records(method, target, size)

    def forget_asked(self) -> None:
        """End the records of requests whose responses will not be fetched."""
        for _, _, record in self._asked:
            if record is not None:
                record.end()
        self._asked.clear()

    def _begin(self) -> tuple[Connection, float]:
        connection = self._free.popleft()
        # What has arrived is no response to this request. The pool has just looked at those that are new here.
        still_idle = connection not in self._used or connection.is_still_idle()
        connection.reusable = False
        if not still_idle:
            raise _unexpected(connection)
        self._used.add(connection)
        connection.waiting = True
        return connection, time.perf_counter()

    def _end(self, connection: Connection, started: float) -> None:
        connection.waiting = False  # what happens until the next exchange is no stall
        self._free.append(connection)
        self.completed += 1
        self._reusable = self._reusable and connection.reusable
        elapsed = time.perf_counter() - started
        self.fastest = min(self.fastest, elapsed) if self._measured else elapsed
        self._measured = True

    def _receive_head(self, connection: Connection) -> tuple[Response, memoryview]:
        """Receive the head of a success; return it with what has arrived of the body."""
        received = 0
        while count := connection.receive_into(self._scratch[received:]):
            received += count
            if (parsed := parse_simple_head(self._scratch[:received])) is not None:
                return parsed[0], self._scratch[parsed[1] : received]
            if b"\r\n\r\n" in bytes(self._scratch[:received]):
                break
        error = _unexpected(connection)
        framing = partial(response_framing, Request("GET", connection.origin, "/"), None, sent=True)
        reader = ResponseReader(connection, connection.origin, framing, self._scratch)
        reader.feed(received)
        if (response := reader.response) is not None:
            error = TransportError(f"{connection.name} answered {response.status}", retryable=True, host=error.host)
            error.status, error.retry_after = response.status, response.retry_after
            error.throttled = response.asks_for_less
        raise error


def _receive_body(connection: Connection, ahead: memoryview, into: memoryview, counter: ByteCount) -> None:
    """Receive a body of exactly this length, whose first bytes have arrived."""
    done = len(ahead)
    if done > len(into):
        raise _unexpected(connection)
    into[:done] = ahead
    connection.transferring = True
    while done < len(into):
        count = connection.receive_into(into[done:])
        if not count:
            raise _unexpected(connection)
        done += count
        counter.count = done


def _unexpected(connection: Connection) -> TransportError:
    return TransportError(f"{connection.name} sent an unexpected response", retryable=True, host=connection.name)


@asynccontextmanager
async def hold_connections(pool: Pool, lanes: Lanes, origin: Origin, tls: TLS) -> AsyncIterator[HeldConnection]:
    """Keep connections of a pool; see `Wire.hold`."""
    pace = pool.pace(origin)
    held: list[Connection] = []
    lane = None
    observation = Observation(origin, pace)
    try:
        with observation:
            _check_unlimited(pace, origin)
            held.append(await pool.acquire(origin, tls))
            _check_unlimited(pace, origin)  # `acquire` may have waited
        with suppress(TransportError):  # one is enough
            second = await pool.acquire_now(origin, tls)
            held += [] if second is None else [second]
        for connection in held:
            lanes.watch(connection)
        lane = HeldConnection(held, lanes, pace, request_records(origin))
        yield lane
    finally:
        if lane is not None:
            lane.forget_asked()
            observation.completed(lane.completed)
        for connection in held:
            lanes.unwatch(connection)
            pool.release(connection)


def _check_unlimited(pace: HostPace, origin: Origin) -> None:
    if pace.limited:
        raise TransportError(f"{origin.address} limits its requests", retryable=True)
