"""Send requests to one HTTP server and follow redirects.

https://www.rfc-editor.org/rfc/rfc9110#section-15.4
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from ...config import HTTPConfig
from ...errors import StorageError, TransportError
from ...instance import Instance
from ...lane_contract import Sink
from ...uri import Location
from ...wire import TLS, Expectation, Origin, Request, Response, StreamedResponse, first_byte_timeout
from ...wire.connection_errors import CannotConnectError
from ...wire.redirect import MOST_REDIRECTS, as_target, redirected
from . import replies
from .cookies import Cookies
from .netrc_credentials import Credentials

__all__ = ["Headers", "Site"]

Headers = Sequence[tuple[str, str]]

# Request the stored bytes, to which ranges apply: https://www.rfc-editor.org/rfc/rfc9110#section-14.1
_IDENTITY = ("accept-encoding", "identity")
# Statuses of servers that are busy, and ask for fewer requests; any other error may be a refusal of HEAD.
_BUSY = {408, 429}
# A GET of the whole file may succeed nevertheless; 416 for an empty file, which has no first byte.
_NO_RANGES = {206, 400, 416, 501}
_FIRST_BYTE = ("range", "bytes=0-0")
# Statuses of an expired signed URL, reached by a redirect.
_EXPIRED = {401, 403, 404, 410}


class Site:
    """Client for the files of one server.

    The target of redirects is resolved once per file and cached for all its parts. The configuration's headers and the
    credentials are sent to the origin of the URI only.

    Args:
        location: The origin, with the query of the URI.
        config: The caller's configuration.
        instance: Provides connections.
        credentials: Those of the URL or of `~/.netrc`. None: there are none.
    """

    def __init__(
        self,
        location: Location,
        config: HTTPConfig,
        instance: Instance,
        credentials: Credentials | None = None,
    ) -> None:
        self.location = location
        self._config = config
        self._credentials = credentials
        self._headers = [(name.lower(), value) for name, value in config.headers.items()]
        if credentials is not None:
            self._headers.append(("authorization", credentials.authorization))
        self._wire = instance.wire
        self._agent = ("user-agent", instance.user_agent)
        self._resolved: dict[str, Request] = {}
        self._resolving = asyncio.Lock()
        self._first_byte_timeout = first_byte_timeout(config.first_byte_timeout, instance.limits.idle_timeout)
        self._head_refused = False

    async def find(self, key: str) -> Response:
        """Return the headers of a file, and cache the target of its redirects for later reads.

        A GET replaces a HEAD that the server refuses or does not answer.

        Raises:
            StorageError: The file does not exist, or the server returned an error.
        """
        chain = self._chain(self._original(key))
        reply = None if self._head_refused else await self._head(chain)
        if reply is None:
            reply = await self._first_byte(chain)
            self._head_refused = self._head_refused or reply.status == 200
        if reply.status != 200:
            raise self._error(reply, key, chain.request)
        self._resolved[key] = chain.request
        return reply

    async def _head(self, chain: "_RedirectChain") -> Response | None:
        """Send a HEAD; None: the response says nothing about a GET."""
        try:
            while True:
                reply = await self._wire.send(replace(self._as("HEAD", chain.request), first_byte_timeout=0.0))
                if not chain.follow(reply):
                    break
        except TransportError as error:
            if not error.retryable or isinstance(error, CannotConnectError):
                raise
            return None
        # Some servers send Content-Length: 0 for every HEAD, others none, although a range would tell the size.
        length = reply.header("content-length")
        tells = length != "0" if length is not None else (reply.header("accept-ranges") or "").lower() != "bytes"
        busy = reply.status in _BUSY or (reply.status == 503 and reply.retry_after is not None)
        return reply if (reply.status == 200 and tells) or busy else None

    async def _first_byte(self, chain: "_RedirectChain") -> Response:
        """Request the first byte of a file; return the response to a GET of the whole file, without its body."""
        for headers in ([_FIRST_BYTE], []):
            async with self._open(chain, headers) as streamed:
                reply = Response(streamed.status, streamed.headers, host=streamed.host)
                whole = replies.whole(reply)
                while whole is not None and reply.status == 206 and await streamed.readinto(memoryview(bytearray(1))):
                    pass  # so that the connection can be used again
            if whole is not None or reply.status not in _NO_RANGES:
                break
        return whole or reply

    async def fetch(
        self, key: str, headers: Headers, into: memoryview | Sink, expectation: Expectation, *, encoded: bool = False
    ) -> Response:
        """Receive a file or a range, as `Wire.fetch`; the status is 200 or 206.

        Args:
            key: The key.
            headers: Headers of the request.
            into: As in `Wire.fetch`.
            expectation: As there.
            encoded: As in `Request`.

        Raises:
            StorageError: The server returned an error.
        """
        for last in (False, True):
            start = self._resolved.get(key) or self._original(key)
            chain = self._chain(start)
            while True:
                request = replace(self._as("GET", chain.request, headers), encoded=encoded)
                reply = await self._wire.fetch(request, into, expectation)
                if not chain.follow(reply):
                    break
            if reply.status in {200, 206}:
                if chain.request is not start:
                    self._resolved[key] = chain.request
                break
            if last or not await self._resolved_again(key, start, reply):
                raise self._error(reply, key, chain.request)
        return reply

    @asynccontextmanager
    async def stream(
        self, key: str, headers: Headers, success: Collection[int] = (200,)
    ) -> AsyncGenerator[StreamedResponse]:
        """Stream a file, or a range of it, as `Wire.stream`; the status is one of these.

        Raises:
            StorageError: The server returned an error.
        """
        for last in (False, True):
            start = self._resolved.get(key) or self._original(key)
            chain = self._chain(start)
            async with self._open(chain, headers) as reply:
                if reply.status in success:
                    yield reply
                    return
                failure = Response(reply.status, reply.headers, host=reply.host)
            if last or not await self._resolved_again(key, start, failure):
                raise self._error(failure, key, chain.request)

    @asynccontextmanager
    async def _open(self, chain: "_RedirectChain", headers: Headers = ()) -> AsyncGenerator[StreamedResponse]:
        while True:
            async with self._wire.stream(self._as("GET", chain.request, headers)) as reply:
                if not chain.follow(Response(reply.status, reply.headers)):
                    yield reply
                    return

    def _as(self, method: str, request: Request, headers: Headers = ()) -> Request:
        names = {name for name, _ in request.headers}
        agent = [] if self._agent[0] in names else [self._agent]  # some servers reject requests without one
        return replace(request, method=method, headers=[*agent, *request.headers, _IDENTITY, *headers])

    def _chain(self, start: Request) -> "_RedirectChain":
        return _RedirectChain(start, self._config)

    def _original(self, key: str) -> Request:
        """Build the request for the URI itself."""
        query = f"?{self.location.query}" if self.location.query else ""
        return Request(
            "GET",
            Origin.of(self.location.root),
            as_target(f"/{key}{query}"),
            self._headers,
            TLS.of(self._config.verify_ssl),
            first_byte_timeout=self._first_byte_timeout,
        )

    async def _resolved_again(self, key: str, start: Request, reply: Response) -> bool:
        """Resolve redirects again if the cached target has expired; return whether the target has changed."""
        if reply.status not in _EXPIRED or key not in self._resolved or start == self._original(key):
            return False
        async with self._resolving:  # once for all parts
            if self._resolved[key] is start:
                await self.find(key)
        return self._resolved[key] != start

    def _error(self, reply: Response, key: str, request: Request) -> StorageError:
        original = self._original(key)
        hints = []
        if request.origin != original.origin:
            hints.append(f"the URL redirects to {request.origin.netloc}")
            if self._config.headers:
                hints.append("which does not get the headers of HTTPConfig")
            elif self._credentials is not None:
                hints.append(f"which does not get the password in {self._credentials.path}")
        elif self._credentials is not None and reply.status in {401, 403}:
            hints.append(f"check the password for this host in {self._credentials.path}")
        elif self.location.query:
            hints.append("if the URL is signed, it may have expired")
        elif not self._config.headers:
            hints.append("if the server requires credentials, pass them as HTTPConfig(headers=…) or in ~/.netrc")
        return replies.error(reply, key, hint=", ".join(hints) or "check HTTPConfig(headers=…)")


class _RedirectChain:
    """The redirects of one request.

    Attributes:
        request: The request to send next; after the last redirect, the one that was sent.
    """

    def __init__(self, start: Request, config: HTTPConfig) -> None:
        self.request = start
        self._config = config
        self._cookies = Cookies()
        self._own_cookie = [value for name, value in start.headers if name == "cookie"]
        self._seen = {(start.origin, start.target, "")}

    def follow(self, reply: Response) -> bool:
        """Follow a redirect; return False if the response is not a redirect.

        Raises:
            TransportError: The redirects are too many, form a loop, or lead to a forbidden target.
        """
        config = self._config
        following = redirected(
            self.request, reply, downgrade=config.allow_downgrade, anywhere=config.allow_local_redirects
        )
        if following is None:
            return False
        self._cookies.store(self.request, reply)
        cookie = self._cookies.header(following.origin, following.target)
        target = (following.origin, following.target, cookie)
        if target in self._seen:
            raise TransportError(f"{self.request.origin.address} redirects in a loop")
        if len(self._seen) > MOST_REDIRECTS:
            raise TransportError(
                f"there are more than {MOST_REDIRECTS} redirects, the last from {self.request.origin.address}"
            )
        self._seen.add(target)
        if following.origin != self.request.origin:
            self._own_cookie = []
        headers = [header for header in following.headers if header[0] != "cookie"]
        if both := "; ".join([*self._own_cookie, *filter(None, [cookie])]):
            headers.append(("cookie", both))
        self.request = replace(following, headers=headers)
        return True
