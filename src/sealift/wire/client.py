"""The three calls that move bodies."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from ..config import Proxies
from ..errors import ClosedError, InvalidConfig
from ..types import Limits
from .connection import Connection, StaleConnectionError
from .dialer import Dialer
from .dns import RunBlocking
from .head_codec import encode_request
from .message import Request, Response
from .no_proxy import proxy_for
from .pool import Pool
from .response_receiver import BufferedReceiver, InPlaceReceiver
from .stall_watchdog import Watchdog
from .streamed_response import StreamedResponse, StreamingReceiver

if TYPE_CHECKING:
    from .proxy_client import ProxyClient

__all__ = ["Wire"]


class Wire:
    """A small HTTP/1.1 client for moving bodies, for one event loop.

    Idle connections are kept for 20 seconds. No call has a limit of total time: an exchange fails when nothing moves
    for `Limits.idle_timeout` seconds, or when a body moves at less than `Limits.min_throughput`. No call retries, but a
    kept connection that the server has closed meanwhile is replaced.

    Args:
        limits: Its `connections`, `per_host`, `idle_timeout` and `min_throughput`.
        run_blocking: Runs a function in a thread: for resolving names and reading certificates.
        proxies: Which origins are reached through an HTTP proxy.
        environ: Environment variables, which may name the trusted authorities.

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
        self._watchdog = Watchdog(limits, self._sweep)
        self._dialer = Dialer(limits, run_blocking, self._watchdog, environ)
        self._pool = Pool(limits, self._dialer.dial)

    async def fetch(self, request: Request, into: memoryview) -> Response:
        """Receive a body of known length in place.

        Args:
            request: What to ask, with its Range header where it is one.
            into: Writable memory of exactly the body's length, which is at least 1. The kernel writes to it directly;
                however the call ends, cancelled too, nothing is written to it afterwards.

        Returns:
            For status 200 or 206 the buffer is full (`check_range` says with what). For any other status the first
            64 KiB of its body are in `Response.body`, and the buffer holds nothing of it.

        Raises:
            TransportError: No connection, a broken or stalled one, or a body of another length; retryable unless it is
                about trust or the name.
            InvalidConfig: The request or the buffer cannot be used.
            ClosedError: The wire is closed.
        """
        if into.readonly or not into.nbytes or not into.c_contiguous:
            raise InvalidConfig("a body needs writable, contiguous memory of at least one byte")
        if request.method == "HEAD":
            raise InvalidConfig("a reply to HEAD has no body that could be fetched")
        into = into.cast("B")
        if self._any_proxy and (proxy_client := await self._proxy_client_for(request)) is not None:
            return await proxy_client.fetch(request, into)
        create_future = asyncio.get_running_loop().create_future
        scratch = self._dialer.scratch
        while True:
            framing, head = encode_request(request)
            connection = await self._pool.acquire(request.origin, request.tls)
            try:
                receiver = InPlaceReceiver(framing, scratch, request.origin, create_future(), into, request.encoded)
                return await connection.exchange(receiver, head)
            except StaleConnectionError:
                if request.method == "POST":
                    raise
            finally:
                self._pool.release(connection)

    async def send(self, request: Request, body: memoryview | None = None) -> Response:
        """Send a request whose reply is small.

        Args:
            request: What to ask.
            body: Sent from where it is, under flow control: no copy larger than about 1 MiB is made. It must not change
                before the call ends.

        Returns:
            The reply with its whole body. A server may answer before it has all of the body; that ends the sending.

        Raises:
            TransportError: As in `fetch`, and for a receiver of more than 8 MiB.
            InvalidConfig: The request cannot be sent.
            ClosedError: The wire is closed.
        """
        if body is not None:
            body = body.cast("B") if body.nbytes else memoryview(b"")
        if self._any_proxy and (proxy_client := await self._proxy_client_for(request)) is not None:
            return await proxy_client.send(request, body)
        create_future = asyncio.get_running_loop().create_future
        scratch = self._dialer.scratch
        while True:
            framing, head = encode_request(request, None if body is None else len(body))
            connection = await self._pool.acquire(request.origin, request.tls)
            try:
                return await connection.exchange(
                    BufferedReceiver(framing, scratch, request.origin, create_future()), head, body
                )
            except StaleConnectionError:
                if request.method == "POST":
                    raise
            finally:
                self._pool.release(connection)

    def stream(self, request: Request) -> AbstractAsyncContextManager[StreamedResponse]:
        """Receive a body of unknown length, or one that is read as it comes.

        At most about 256 KiB wait for the reader; time in which it does not ask does not count as a stall. Leaving the
        context before the end of the body closes the connection.

        Args:
            request: What to ask.

        Returns:
            A context that is entered when the head has come, whatever its status.

        Raises:
            TransportError: As in `fetch`; `readinto` raises it for a body that breaks off.
            InvalidConfig: The request cannot be sent.
            ClosedError: The wire is closed.
        """
        return self._stream(request)

    async def aclose(self) -> None:
        """Close all connections, those of running calls too (which raise `ClosedError`), and wait until they are."""
        self._closed = True
        self._dialer.close()
        await self._pool.aclose()
        self._watchdog.close()
        if self._proxy_client is not None:
            await self._proxy_client.aclose()
        await asyncio.sleep(0)  # a transport whose handshake was cut short closes in the loop's next turn, untold

    @asynccontextmanager
    async def _stream(self, request: Request) -> AsyncIterator[StreamedResponse]:
        if self._any_proxy and (proxy_client := await self._proxy_client_for(request)) is not None:
            async with proxy_client.stream(request) as response:
                yield response
            return
        connection, receiver = await self._open_stream(request)
        try:
            yield StreamedResponse(receiver.future.result(), receiver.readinto)
        finally:
            if not receiver.finished:
                connection.abort()
            self._pool.release(connection)

    async def _open_stream(self, request: Request) -> tuple[Connection, StreamingReceiver]:
        create_future = asyncio.get_running_loop().create_future
        while True:
            framing, head = encode_request(request)
            connection = await self._pool.acquire(request.origin, request.tls)
            receiver = StreamingReceiver(framing, self._dialer.scratch, request.origin, create_future(), connection)
            try:
                await connection.exchange(receiver, head)
                return connection, receiver
            except BaseException as error:
                self._pool.release(connection)
                if not isinstance(error, StaleConnectionError) or request.method == "POST":
                    raise

    async def _proxy_client_for(self, request: Request) -> "ProxyClient | None":
        """The other way to make the same three calls, where a proxy applies to this request."""
        if self._closed:
            raise ClosedError("the connections of this instance have been closed")
        if proxy_for(request.origin, self._proxies) is None:
            return None
        if self._proxy_client is None:
            module = await self._run_blocking(partial(import_module, ".proxy_client", __package__))
            # Another call may have come first meanwhile.
            self._proxy_client = self._proxy_client or module.ProxyClient(
                self._limits, self._proxies, self._dialer.context
            )
        return self._proxy_client

    def _sweep(self) -> bool:
        return self._pool.sweep()
