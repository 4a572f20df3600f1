"""`Wire`, the HTTP client: `fetch`, `send` and `stream`."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from ..config import Proxies
from ..errors import ClosedError, InvalidConfig
from ..lane_contract import ByteCount, FileRange, Sink
from ..runtime.host_pace import Hosts
from ..runtime.request_record import begin_request
from ..runtime.start_thread import NoThreadError
from ..types import Limits
from .connection_errors import StaleConnectionError
from .content_range import Expectation
from .dialer import Dialer
from .dns import RunBlocking
from .exchange import Exchange
from .head_codec import encode_request
from .held_connection import HeldConnection, hold_connections
from .lanes import Lanes
from .message import TLS, Origin, Request, Response
from .observation import Observation
from .pool import Pool
from .proxy_choice import proxy_for
from .sinks import is_file_range, memory_sink
from .stall_watchdog import Watchdog
from .streamed_response import StreamedResponse
from .streams import Streams

if TYPE_CHECKING:
    from ..runtime.bandwidth import Bandwidths
    from .proxy_client import ProxyClient
    from .workers.worker import Worker
    from .workers.workers import Workers

__all__ = ["Wire"]

T = TypeVar("T")


class Wire:
    """HTTP/1.1 client for bulk transfer, bound to one event loop.

    Idle connections are kept for 20 seconds. Calls have no total timeout: an exchange fails if no byte is transferred
    for `Limits.idle_timeout` seconds, or if a body is slower than `Limits.min_throughput`. Calls are not retried,
    except that a stale keep-alive connection (closed by the server while idle) is replaced.

    Args:
        limits: `connections`, `per_host`, `processes`, `bandwidth`, `idle_timeout` and `min_throughput` apply.
        hosts: The pace of each host. None: nothing is known about any.
        run_blocking: Runs a function in a thread; used for DNS lookups and for reading certificates.
        proxies: HTTP proxies and the hosts exempt from them.
        environ: Environment variables; those that `tls.ca_paths` names are read.

    Example:
        >>> async def first_mebibyte(wire: Wire, url: str, target: str) -> bytearray:
        ...     body = bytearray(1 << 20)
        ...     request = Request("GET", Origin.of(url), target, [("Range", "bytes=0-1048575")])
        ...     response = await wire.fetch(request, memoryview(body))
        ...     check_range(response, 0, len(body))
        ...     return body
    """

    def __init__(
        self,
        limits: Limits,
        *,
        hosts: Hosts | None = None,
        run_blocking: RunBlocking,
        proxies: Proxies = Proxies(),  # noqa: B008
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._limits = limits
        self._run_blocking = run_blocking
        self._proxies = proxies
        self._any_proxy = proxies.http is not None or proxies.https is not None
        self._proxy_client: ProxyClient | None = None
        self._closed = False
        self._watchdog = Watchdog(limits, lambda: self._pool.sweep())  # noqa: PLW0108 - it is made below
        self._lanes = Lanes(limits.connections, self._watchdog)
        self._bandwidths = _bandwidths(limits)
        self._dialer = Dialer(limits, self._lanes, self._run_in_thread, environ, self._bandwidths)
        self._pool = Pool(limits, self._dialer.dial, hosts or Hosts(limits.per_host))
        self._streams = Streams(self._pool, self._lanes)
        self._environ = environ
        self._workers: Workers | None = None

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds that the lanes have used."""
        return self._lanes.cpu_seconds

    @property
    def round_trip(self) -> float:
        """Seconds of a round trip on the newest connection; 0 if unknown."""
        return self._dialer.round_trip

    async def fetch(
        self, request: Request, into: memoryview | Sink, expectation: Expectation | None = None
    ) -> Response:
        """Receive a body of known length into memory or a file.

        Args:
            request: The request, including the Range header for a ranged read.
            into: Writable buffer of exactly the body's length, at least 1 byte, or a sink. After the call has returned,
                failed or been cancelled, nothing more is written to it.
            expectation: What the response must say before its body is written. None: it is checked afterwards.

        Returns:
            For status 200 or 206, the body is in its place; `check_range` verifies which range it is. For any other
            status, and if the response is not the expected one (`Response.unexpected`), `Response.body` holds the first
            64 KiB of the body, and nothing was written.

        Raises:
            TransportError: The connection failed, broke or stalled, or the body has the wrong length. Retryable, except
                for certificate errors and names that do not exist. A sink keeps what has arrived.
            InvalidConfig: The request or the buffer is not valid.
            ClosedError: The client is closed.
        """
        if request.method == "HEAD":
            raise InvalidConfig("a response to HEAD has no body to fetch")
        with self._observe(request) as observation:
            if not isinstance(into, memoryview):
                return observation.answered(await self._fetch(request, into, expectation, observation))
            sink = memory_sink(into)
            try:
                return observation.answered(await self._fetch(request, sink, expectation, observation))
            finally:
                sink.release()

    async def _fetch(
        self, request: Request, sink: Sink, expectation: Expectation | None, observation: Observation
    ) -> Response:
        if self._any_proxy and (proxy_client := await self._proxy_client_for(request)) is not None:
            await observation.turn()
            return await proxy_client.fetch(request, sink, expectation)
        if expectation is not None and is_file_range(sink):
            if self._workers is None:
                from .workers.workers import Workers  # noqa: PLC0415 - they receive only parts of files

                self._workers = Workers(self._limits, self._dialer, self._lanes, self._run_in_thread, self._environ)
            worker = await self._workers.worker_for(len(sink))
            if worker is not None:
                return await self._fetch_in_worker(worker, request, sink, expectation)
        return await self._exchange(request, None, lambda exchange: exchange.receive_into(sink, expectation))

    async def _fetch_in_worker(
        self, worker: "Worker", request: Request, sink: FileRange, expectation: Expectation
    ) -> Response:
        head = encode_request(request)
        with worker.assign():
            while True:
                connection = await self._pool.acquire(request.origin, request.tls, worker.dial)
                try:
                    return await connection.fetch(request, head, sink, expectation)
                except StaleConnectionError:
                    continue
                finally:
                    self._pool.release(connection)

    async def send(self, request: Request, body: memoryview | None = None, sent: ByteCount | None = None) -> Response:
        """Send a request whose response is small.

        Args:
            request: The request.
            body: Request body, sent in slices of 256 KiB. It must not change before the call ends.
            sent: Counts the bytes of the body while they are sent.

        Returns:
            The response with its whole body. If the server responds before it has received the whole request body, the
            rest is not sent.

        Raises:
            TransportError: As in `fetch`; also if the response exceeds 8 MiB.
            InvalidConfig: The request is not valid.
            ClosedError: The client is closed.
        """
        if body is not None:
            body = body.cast("B") if body.nbytes else memoryview(b"")
        with self._observe(request, 0 if body is None else len(body)) as observation:
            if self._any_proxy and (proxy_client := await self._proxy_client_for(request)) is not None:
                await observation.turn()
                return observation.answered(await proxy_client.send(request, body))
            return observation.answered(await self._exchange(request, body, Exchange.receive_small, sent))

    async def _exchange(
        self,
        request: Request,
        body: memoryview | None,
        run: Callable[[Exchange], Response],
        sent: ByteCount | None = None,
    ) -> Response:
        """Carry out an exchange on a lane."""
        while True:
            head = encode_request(request, None if body is None else len(body))
            connection = await self._pool.acquire(request.origin, request.tls)
            self._lanes.watch(connection)
            try:
                return await self._lanes.run(connection, partial(run, Exchange(connection, request, head, body, sent)))
            except StaleConnectionError:
                if request.method == "POST":
                    raise
            finally:
                self._lanes.unwatch(connection)
                self._pool.release(connection)

    def is_direct(self, origin: Origin) -> bool:
        """Whether requests to an origin are sent without a proxy, so that `hold` works."""
        return not self._any_proxy or proxy_for(origin, self._proxies) is None

    def hold(self, origin: Origin, tls: TLS) -> AbstractAsyncContextManager[HeldConnection]:
        """Keep connections for several small requests, which a lane sends one after the other.

        It has two connections if that needs no waiting: while one waits for a response, the lane works on the other.

        Args:
            origin: The server; `is_direct` must be true for it.
            tls: Connection security.

        Raises:
            TransportError: The connection cannot be opened, or the host limits its requests, so that each needs a turn.
            ClosedError: The client is closed.
        """
        return hold_connections(self._pool, self._lanes, origin, tls)

    @asynccontextmanager
    async def stream(self, request: Request, body: memoryview | None = None) -> AsyncIterator[StreamedResponse]:
        """Stream a body, of known or unknown length.

        A piece of at most 256 KiB is buffered. The connection does not count as stalled while the caller is not
        reading. Leaving the context before the end of the body closes the connection.

        Args:
            request: The request.
            body: Request body. It must not change before the context is entered.

        Yields:
            The response, once its head has arrived, whatever the status.

        Raises:
            TransportError: As in `fetch`; `readinto` raises it if the body is truncated.
            InvalidConfig: The request is not valid.
            ClosedError: The client is closed.
        """
        observation = self._observe(request, 0 if body is None else len(body))
        if self._any_proxy and (proxy_client := await self._proxy_client_for(request)) is not None:
            with observation:
                await observation.turn()
                async with proxy_client.stream(request, body) as streamed:
                    yield observation.answered(streamed)
            return
        with observation:  # the record of the request ends here, not with the body
            received, response = await self._streams.open(request, body)
            observation.answered(response)
        try:
            if self._closed:
                raise ClosedError("the storage instance is closed")
            yield StreamedResponse(response, received.readinto)
        finally:
            await self._streams.close(received)

    async def aclose(self) -> None:
        """Close all connections and wait until they are closed. Running calls raise `ClosedError`."""
        self._closed = True
        self._dialer.close()
        self._pool.close()
        await self._streams.aclose()
        await self._pool.wait_closed()
        if self._workers is not None:
            await self._workers.aclose()
        self._watchdog.close()
        self._lanes.close()
        if self._proxy_client is not None:
            await self._proxy_client.aclose()
        if self._bandwidths is not None:
            self._bandwidths.close()

    def abandon(self) -> None:
        """Close what can be closed without the event loop: idle connections, workers, threads. Idempotent."""
        self._closed = True
        if self._workers is not None:
            self._workers.abandon()
        self._pool.close_idle()
        self._lanes.close()
        if self._bandwidths is not None:
            self._bandwidths.close()

    async def _proxy_client_for(self, request: Request) -> "ProxyClient | None":
        """The proxy client, if a proxy applies to this request; None: connect directly."""
        if self._closed:
            raise ClosedError("the storage instance is closed")
        if self.is_direct(request.origin):
            return None
        if self._proxy_client is None:
            module = await self._run_in_thread(partial(import_module, ".proxy_client", __package__))
            # A concurrent call may have created it during the import.
            self._proxy_client = self._proxy_client or module.ProxyClient(
                self._limits, self._proxies, self._dialer.context, self._lanes.run_blocking, self._bandwidths
            )
        return self._proxy_client

    async def _run_in_thread(self, function: Callable[[], T]) -> T:
        """Run a function in a thread of its own or, if the system allows no other thread, on a lane."""
        try:
            return await self._run_blocking(function)
        except NoThreadError:
            return await self._lanes.run_blocking(function)

    def _observe(self, request: Request, sent: int = 0) -> Observation:
        origin = request.origin
        record = begin_request(request.method, origin, request.target, sent)
        return Observation(origin, self._pool.pace(origin), request, record)


def _bandwidths(limits: Limits) -> "Bandwidths | None":
    if limits.bandwidth is None:
        return None
    from ..runtime.bandwidth import Bandwidths  # noqa: PLC0415 - few programs set a limit

    return Bandwidths.of(limits.bandwidth)
