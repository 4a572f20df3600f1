"""The same three calls through an HTTP proxy, by httpx; imported only where a proxy applies.

httpx's transport is used without its client: that way it follows no redirect, keeps no cookie, adds no header, decodes
no body and logs no URL. None of its types or errors is seen outside of this module.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import unquote

import httpx

from ..config import Proxies
from ..errors import ClosedError, InvalidConfig, TransportError
from ..runtime.sdk_logging import filter_loggers, suppress_logs
from ..types import KiB, Limits
from .address_check import barred
from .connect import must_not_lead
from .head import encode
from .message import TLS, Origin, Request, Response
from .no_proxy import proxy_for
from .reply import LARGEST_ERROR, LARGEST_SMALL, check_body
from .stream import StreamedResponse
from .tls import handshake_error

__all__ = ["Proxied"]

_SLICE = 256 * KiB

# httpcore prints the headers of replies, and a Location may hold a signed URL.
filter_loggers("httpcore.connection", "httpcore.http11", "httpcore.proxy")


class Proxied:
    """`Wire`'s three calls through a proxy, with the same bounds; here bodies are copied.

    Args:
        limits: As for `Wire`.
        proxies: The proxies' URLs, and for which origins each is used.
        context: Builds the TLS context for these settings.
    """

    def __init__(self, limits: Limits, proxies: Proxies, context: Callable[[TLS], Awaitable[ssl.SSLContext]]) -> None:
        self._limits = limits
        self._proxies = proxies
        self._context = context
        self._transports: dict[tuple[str, TLS], httpx.AsyncHTTPTransport] = {}
        self._slots = asyncio.Semaphore(limits.connections)
        self._per_host: dict[Origin, asyncio.Semaphore] = {}
        self._closed = False

    async def fetch(self, request: Request, into: memoryview) -> Response:
        """As `Wire.fetch`."""
        async with self._exchange(request, None) as (response, pieces):
            error = response.status not in {200, 206}
            if not error:
                check_body(response, len(into), request.origin, encoded=request.encoded)
            filled = 0
            body = bytearray()
            async for piece in pieces:
                if error:
                    body += piece[: LARGEST_ERROR - len(body)]
                    if len(body) == LARGEST_ERROR:
                        break
                    continue
                end = filled + len(piece)
                if end > len(into):
                    break
                into[filled:end] = piece
                filled = end
            else:
                if not error and filled == len(into):
                    return response
            if error:
                response.body = bytes(body)
                return response
        raise TransportError(f"{request.origin.address} sent another length than {len(into)} bytes", retryable=True)

    async def send(self, request: Request, body: memoryview | None) -> Response:
        """As `Wire.send`."""
        async with self._exchange(request, body) as (response, pieces):
            reply = bytearray()
            async for piece in pieces:
                reply += piece
                if len(reply) > LARGEST_SMALL:
                    raise TransportError(f"{request.origin.address} sent a reply of more than {LARGEST_SMALL} bytes")
            response.body = bytes(reply)
            return response

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[StreamedResponse]:
        """As `Wire.stream`."""
        async with self._exchange(request, None) as (response, pieces):
            left = memoryview(b"")

            async def readinto(view: memoryview) -> int:
                nonlocal left
                view = view.cast("B") if view.nbytes else view
                if not view.nbytes:
                    raise InvalidConfig("a body cannot be read into an empty buffer")
                while not left:
                    piece = await anext(pieces, None)
                    if piece is None:
                        return 0
                    left = memoryview(piece)
                count = min(len(left), len(view))
                view[:count] = left[:count]
                left = left[count:]
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
        """One request; gives the reply without a body, and the pieces of its body as they come."""
        prepared = self._prepare(request, body)
        origin = request.origin
        per_host = self._per_host.setdefault(origin, asyncio.Semaphore(self._limits.per_host))
        async with per_host, self._slots:
            transport = await self._transport(origin, request.tls)
            with self._translated(origin), suppress_logs():
                answer = await transport.handle_async_request(prepared)
            try:
                headers = [(name.lower(), value) for name, value in answer.headers.raw]
                yield Response(answer.status_code, headers), self._pieces(answer, origin)
            finally:
                with self._translated(origin), suppress_logs():
                    await answer.aclose()

    def _prepare(self, request: Request, body: memoryview | None) -> httpx.Request:
        encode(request, None if body is None else len(body))  # refuses what must not be sent
        # The proxy resolves names, so only addresses that are written as such are known here.
        if (what := barred(request.origin.host, request.tls.reach)) is not None:
            raise must_not_lead(request.origin, what)
        origin, target = request.origin, request.target.encode("ascii")
        try:
            url = httpx.URL(scheme=origin.scheme, host=origin.host, port=origin.port, raw_path=target)
        except httpx.InvalidURL:
            url = None
        segments = unquote(request.target.partition("?")[0]).split("/")
        if url is None or url.raw_path != target or not {".", ".."}.isdisjoint(segments):
            raise InvalidConfig(
                f"a target on {origin.address} cannot go through a proxy unchanged",
                hint="a key with '.' or '..' between slashes needs a direct connection: add the host to NO_PROXY",
            )
        headers = list(request.headers)
        if body is not None or request.method in {"POST", "PUT"}:
            headers = [header for header in headers if header[0].lower() != "content-length"]
            headers.append(("Content-Length", str(len(body or b""))))
        limit = self._limits.idle_timeout
        return httpx.Request(
            request.method,
            url,
            headers=headers,
            content=None if body is None else _slices(body),
            extensions={"timeout": {"connect": limit, "read": limit, "write": limit, "pool": None}},
        )

    async def _transport(self, origin: Origin, tls: TLS) -> httpx.AsyncHTTPTransport:
        url = proxy_for(origin, self._proxies) or ""
        trusted = await self._context(tls)
        proxy_trusted = await self._context(TLS()) if url.startswith("https://") else None
        if (transport := self._transports.get((url, tls))) is None:
            try:
                proxy = httpx.Proxy(url, ssl_context=proxy_trusted)
            except (ValueError, httpx.InvalidURL):
                proxy = None
            if proxy is None or proxy.url.scheme not in {"http", "https"} or not proxy.url.host:
                raise InvalidConfig("the URL of the proxy cannot be used", hint="write it as http://host:port")
            transport = httpx.AsyncHTTPTransport(
                verify=trusted,
                trust_env=False,
                limits=httpx.Limits(max_connections=self._limits.connections, keepalive_expiry=20),
                proxy=proxy,
            )
            self._transports[url, tls] = transport
        return transport

    async def _pieces(self, answer: httpx.Response, origin: Origin) -> AsyncIterator[bytes]:
        """The body; only the time in which a piece is waited for counts towards the minimum throughput."""
        assert isinstance(answer.stream, httpx.AsyncByteStream)  # noqa: S101  # for mypy
        source = aiter(answer.stream)
        now = asyncio.get_running_loop().time
        waited, received = 0.0, 0
        while True:
            asked = now()
            with self._translated(origin), suppress_logs():
                piece = await anext(source, None)
            if piece is None:
                return
            waited += now() - asked
            received += len(piece)
            if waited >= self._limits.idle_timeout:
                if received < waited * self._limits.min_throughput:
                    raise TransportError(f"{origin.address} stalled: less than {self._limits.min_throughput} bytes/s")
                waited, received = 0.0, 0
            yield piece

    @contextmanager
    def _translated(self, origin: Origin) -> Iterator[None]:
        """Errors of httpx, which may quote a URL, as ours."""
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError) as error:
            raise self._explain(error, origin) from None

    def _explain(self, error: Exception, origin: Origin) -> Exception:
        where, limit = f"{origin.address} through the proxy", f"{self._limits.idle_timeout:g} s"
        if self._closed:
            return ClosedError("the connections of this instance have been closed")
        if isinstance(error, httpx.ProxyError):
            return _refusal(error, origin)
        cause: BaseException | None = error if isinstance(error, httpx.ConnectError) else None
        while cause is not None:
            if isinstance(cause, ssl.SSLError):
                return handshake_error(cause, origin)
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, httpx.ConnectTimeout):
            what = f"connecting to {where} took longer than {limit}"
        elif isinstance(error, httpx.TimeoutException):
            what = f"{where} stalled: no byte for {limit}"
        elif isinstance(error, httpx.ConnectError):
            what = f"cannot connect to {where}"
        else:
            what = f"the connection to {where} was lost"
        return TransportError(what, retryable=True)


def _refusal(error: httpx.ProxyError, origin: Origin) -> TransportError:
    """The answer to CONNECT: httpx gives it as "407 Proxy Authentication Required"."""
    digits = str(error)[:3]
    status = int(digits) if digits.isdigit() else None
    return TransportError(
        f"the proxy refused to connect to {origin.address}" + (f": {status}" if status else ""),
        hint="check the credentials in the proxy's URL" if status == 407 else None,
        status=status,
        retryable=status is not None and status >= 500,
    )


async def _slices(body: memoryview) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _SLICE):
        yield bytes(body[start : start + _SLICE])
