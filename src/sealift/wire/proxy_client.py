"""`fetch`, `send` and `stream` through an HTTP proxy, with httpx; imported only if a proxy applies.

Uses httpx's transport without its client, which would follow redirects, store cookies, add headers, decode bodies and
log URLs. No httpx type or error leaves this module.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

import anyio
import httpx

from ..config import Proxies
from ..config.user_agent import OWN_USER_AGENT
from ..errors import ClosedError, InvalidConfig, TransportError
from ..lane_contract import Sink
from ..runtime.sdk_logging import filter_loggers, suppress_logs
from ..types import KiB, Limits
from .address_policy import blocked_reason
from .content_range import Expectation
from .dialer import redirect_blocked
from .dns import RunBlocking
from .exchange import check_body
from .head_codec import encode_request
from .message import TLS, Origin, Request, Response
from .proxy_choice import proxy_for
from .response_reader import MAX_BUFFERED_BODY, MAX_ERROR_BODY
from .sinks import fill
from .streamed_response import StreamedResponse
from .tls import handshake_error

if TYPE_CHECKING:
    from ..runtime.bandwidth import Bandwidths

__all__ = ["ProxyClient"]

_SLICE = 256 * KiB

# httpcore logs response headers, and a Location may hold a signed URL.
filter_loggers("httpcore.connection", "httpcore.http11", "httpcore.proxy")


class ProxyClient:
    """`fetch`, `send` and `stream` of `Wire` through a proxy, with the same limits; bodies are copied.

    Args:
        limits: As in `Wire`.
        proxies: Proxy URLs, and the hosts exempt from them.
        context: Returns the SSL context for TLS settings.
        run_blocking: Runs a function in a thread; used to write bodies to files.
        bandwidths: Limits of the bytes per second. None: there are none.
    """

    def __init__(
        self,
        limits: Limits,
        proxies: Proxies,
        context: Callable[[TLS], Awaitable[ssl.SSLContext]],
        run_blocking: RunBlocking,
        bandwidths: "Bandwidths | None" = None,
    ) -> None:
        self._bandwidths = bandwidths
        self._run_blocking = run_blocking
        self._limits = limits
        self._proxies = proxies
        self._context = context
        self._transports: dict[tuple[str, TLS], httpx.AsyncHTTPTransport] = {}
        self._slots = asyncio.Semaphore(limits.connections)
        self._per_host: dict[Origin, asyncio.Semaphore] = {}
        self._closed = False

    async def fetch(self, request: Request, sink: Sink, expectation: Expectation | None) -> Response:
        """See `Wire.fetch`."""
        async with self._exchange(request, None) as (response, pieces):
            wanted = response.status in {200, 206} and (expectation is None or expectation.matches(response, len(sink)))
            if not wanted:
                response.unexpected = response.status in {200, 206}
                body = bytearray()
                async for piece in pieces:
                    body += piece[: MAX_ERROR_BODY - len(body)]
                    if len(body) == MAX_ERROR_BODY:
                        break
                response.body = bytes(body)
                return response
            expected = len(sink)
            check_body(response, expected, request)
            try:
                async for piece in pieces:
                    if len(piece) > len(sink):
                        break
                    await self._run_blocking(partial(fill, sink, memoryview(piece)))
                else:
                    if not len(sink):
                        return response
                await self._run_blocking(sink.rewind)
            finally:
                with anyio.CancelScope(shield=True):
                    await self._run_blocking(sink.flush)
        raise TransportError(
            f"{request.origin.address} sent a body whose length is not the expected {expected} bytes", retryable=True
        )

    async def send(self, request: Request, body: memoryview | None) -> Response:
        """See `Wire.send`."""
        async with self._exchange(request, body) as (response, pieces):
            received = bytearray()
            async for piece in pieces:
                received += piece
                if len(received) > MAX_BUFFERED_BODY:
                    raise TransportError(
                        f"{request.origin.address} sent a response of more than {MAX_BUFFERED_BODY} bytes"
                    )
            response.body = bytes(received)
            return response

    @asynccontextmanager
    async def stream(self, request: Request, body: memoryview | None) -> AsyncIterator[StreamedResponse]:
        """See `Wire.stream`."""
        async with self._exchange(request, body) as (response, pieces):
            unread = memoryview(b"")

            async def readinto(view: memoryview) -> int:
                nonlocal unread
                view = view.cast("B") if view.nbytes else view
                if not view.nbytes:
                    raise InvalidConfig("a body cannot be read into an empty buffer")
                while not unread:
                    piece = await anext(pieces, None)
                    if piece is None:
                        return 0
                    unread = memoryview(piece)
                count = min(len(unread), len(view))
                view[:count] = unread[:count]
                unread = unread[count:]
                return count

            yield StreamedResponse(response, readinto)

    async def aclose(self) -> None:
        """Close all connections."""
        self._closed = True
        with suppress_logs():
            for transport in self._transports.values():
                await transport.aclose()

    @asynccontextmanager
    async def _exchange(
        self, request: Request, body: memoryview | None
    ) -> AsyncIterator[tuple[Response, AsyncIterator[bytes]]]:
        """Send a request; yield the response without its body, and an iterator over the pieces of the body."""
        httpx_request = self._to_httpx(request, body)
        origin = request.origin
        per_host = self._per_host.setdefault(origin, asyncio.Semaphore(self._limits.per_host))
        async with per_host, self._slots:
            transport = await self._transport(origin, request.tls)
            with self._translating_errors(origin), suppress_logs():
                httpx_response = await transport.handle_async_request(httpx_request)
            try:
                if httpx_response.status_code == 407:
                    raise self._refused(origin, 407)
                headers = [(name.lower(), value) for name, value in httpx_response.headers.raw]
                yield Response(httpx_response.status_code, headers), self._pieces(httpx_response, origin)
            finally:
                with self._translating_errors(origin), suppress_logs():
                    await httpx_response.aclose()

    def _to_httpx(self, request: Request, body: memoryview | None) -> httpx.Request:
        encode_request(request, None if body is None else len(body))  # validates the request
        # The proxy resolves names, so only literal IP addresses can be checked here.
        if (reason := blocked_reason(request.origin.host, request.tls.allowed_addresses)) is not None:
            raise redirect_blocked(request.origin, reason)
        origin, target = request.origin, request.target.encode("ascii")
        try:
            url = httpx.URL(scheme=origin.scheme, host=origin.host, port=origin.port, raw_path=target)
        except httpx.InvalidURL:
            url = None
        segments = unquote(request.target.partition("?")[0]).split("/")
        if url is None or url.raw_path != target or not {".", ".."}.isdisjoint(segments):
            raise InvalidConfig(
                f"a path on {origin.address} cannot be sent through a proxy unchanged",
                hint="keys with '.' or '..' as a path segment need a direct connection: add the host to NO_PROXY",
            )
        headers = list(request.headers)
        if body is not None or request.method in {"POST", "PUT"}:
            headers = [header for header in headers if header[0].lower() != "content-length"]
            headers.append(("Content-Length", str(len(body or b""))))
        limit = self._limits.idle_timeout
        read = max(limit, request.first_byte_timeout)  # of each read, not only the first
        return httpx.Request(
            request.method,
            url,
            headers=headers,
            content=None if body is None else self._body_slices(body),
            extensions={"timeout": {"connect": limit, "read": read, "write": limit, "pool": None}},
        )

    async def _transport(self, origin: Origin, tls: TLS) -> httpx.AsyncHTTPTransport:
        url = proxy_for(origin, self._proxies) or ""
        ssl_context = await self._context(tls)
        proxy_ssl_context = await self._context(TLS()) if url.startswith("https://") else None
        if (transport := self._transports.get((url, tls))) is None:
            try:
                proxy = httpx.Proxy(url, ssl_context=proxy_ssl_context, headers={"User-Agent": OWN_USER_AGENT})
            except (ValueError, httpx.InvalidURL):
                proxy = None
            if url.startswith("socks"):
                raise InvalidConfig(
                    f"the proxy URL begins with {url.partition(':')[0]}://, but SOCKS proxies are not supported",
                    hint="set HTTP_PROXY and HTTPS_PROXY to an http:// proxy, or add the host to NO_PROXY",
                )
            if proxy is None or proxy.url.scheme not in {"http", "https"} or not proxy.url.host:
                raise InvalidConfig("the proxy URL is not valid", hint="write it as http://host:port")
            transport = httpx.AsyncHTTPTransport(
                verify=ssl_context,
                trust_env=False,
                limits=httpx.Limits(max_connections=self._limits.connections, keepalive_expiry=20),
                proxy=proxy,
            )
            self._transports[url, tls] = transport
        return transport

    async def _pieces(self, httpx_response: httpx.Response, origin: Origin) -> AsyncIterator[bytes]:
        """Iterate over the body. Only time spent waiting for data counts towards the minimum throughput."""
        assert isinstance(httpx_response.stream, httpx.AsyncByteStream)  # noqa: S101  # for mypy
        source = aiter(httpx_response.stream)
        now = asyncio.get_running_loop().time
        waited, received = 0.0, 0
        while True:
            started = now()
            with self._translating_errors(origin), suppress_logs():
                piece = await anext(source, None)
            if piece is None:
                return
            waited += now() - started
            received += len(piece)
            if waited >= self._limits.idle_timeout:
                if received < waited * self._limits.min_throughput:
                    raise TransportError(
                        f"{origin.address} stalled: less than {self._limits.min_throughput} bytes/s", retryable=True
                    )
                waited, received = 0.0, 0
            if self._bandwidths is not None:
                await asyncio.sleep(self._bandwidths.received.spend(len(piece)))
            yield piece

    async def _body_slices(self, body: memoryview) -> AsyncIterator[bytes]:
        limit = None if self._bandwidths is None else self._bandwidths.sent
        size = _SLICE if limit is None else limit.piece
        for start in range(0, len(body), size):
            piece = bytes(body[start : start + size])
            yield piece
            if limit is not None:
                await asyncio.sleep(limit.spend(len(piece)))

    @contextmanager
    def _translating_errors(self, origin: Origin) -> Iterator[None]:
        """Translate httpx errors, whose text may contain a URL."""
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError) as error:
            raise self._to_sealift_error(error, origin) from None

    def _to_sealift_error(self, error: Exception, origin: Origin) -> Exception:
        proxy = f"the proxy {self._proxy(origin)}"
        where, limit = f"{origin.address} through {proxy}", f"{self._limits.idle_timeout:g} s"
        if self._closed:
            return ClosedError("the storage instance is closed")
        if isinstance(error, httpx.ProxyError):  # for example "407 Proxy Authentication Required"
            digits = str(error)[:3]
            return self._refused(origin, int(digits) if digits.isdigit() else None)
        cause: BaseException | None = error if isinstance(error, httpx.ConnectError) else None
        while cause is not None:
            if isinstance(cause, ssl.SSLError):
                return handshake_error(cause, origin)
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, httpx.ConnectTimeout):
            message = f"connecting to {where} took longer than {limit}"
        elif isinstance(error, httpx.TimeoutException):
            message = f"{where} stalled: no byte for {limit}"
        elif isinstance(error, httpx.ConnectError):
            hint = "check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or add the host to NO_PROXY"
            return TransportError(f"cannot connect to {proxy}, for {origin.address}", hint=hint, retryable=True)
        else:
            message = f"the connection to {where} was lost"
        return TransportError(message, retryable=True)

    def _refused(self, origin: Origin, status: int | None) -> TransportError:
        """The error for a request that the proxy has refused."""
        return TransportError(
            f"the proxy {self._proxy(origin)} refused to connect to {origin.address}"
            + (f": {status}" if status else ""),
            hint="check the credentials in the proxy URL" if status == 407 else None,
            status=status,
            retryable=status is not None and Response(status, []).is_transient,
        )

    def _proxy(self, origin: Origin) -> str:
        """Host and port of the proxy, without its credentials."""
        return Origin.of(proxy_for(origin, self._proxies) or "").address
