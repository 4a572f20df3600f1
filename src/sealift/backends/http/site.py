"""Asking one server for its files, along redirects.

https://www.rfc-editor.org/rfc/rfc9110#section-15.4
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio

from ...config import HTTPConfig
from ...errors import StorageError, TransportError
from ...instance import Instance
from ...uri import Location
from ...wire import MOST_REDIRECTS, TLS, Origin, Request, Response, StreamedResponse, redirected
from ...wire.redirect import as_target
from . import replies

__all__ = ["Headers", "Site"]

Headers = Sequence[tuple[str, str]]

# Ranges are of the bytes as they are stored: https://www.rfc-editor.org/rfc/rfc9110#section-14.1
_IDENTITY = ("accept-encoding", "identity")
# Some servers refuse those who do not say who they are.
_AGENT = ("user-agent", "sealift")
# What those answer to a HEAD who know only GET; 403 where the signature in a URL is for a GET.
_HEAD_REFUSED = {403, 405, 501}
# What a signed URL may answer that was redirected to, and has expired.
_EXPIRED = {401, 403, 404, 410}


class Site:
    """Asks for files.

    Where redirects lead is found once for each file and kept for all its parts. The configuration's headers go to the
    origin of the URI only.

    Args:
        location: The origin, with the query that belongs to the URI.
        config: As the caller gave it.
        instance: Of the instance.
    """

    def __init__(self, location: Location, config: HTTPConfig, instance: Instance) -> None:
        self.location = location
        self._config = config
        self._wire = instance.wire
        self._places: dict[str, Request] = {}
        self._searching = anyio.Lock()

    async def find(self, key: str) -> Response:
        """The head of the reply to a GET of a file. From now on reads begin where that came from.

        Raises:
            StorageError: There is none, or the server refused.
        """
        walk = self._walk(self._first(key))
        while True:
            reply = await self._wire.send(_as("HEAD", walk.request))
            if not walk.follow(reply):
                break
        # Some say of every reply to a HEAD that it has no bytes, so that is to be looked at.
        if reply.status in _HEAD_REFUSED or (reply.status == 200 and reply.header("content-length") == "0"):
            async with self._open(walk) as streamed:
                reply = Response(streamed.status, streamed.headers)
        if reply.status != 200:
            raise self._error(reply, key, walk.request)
        self._places[key] = walk.request
        return reply

    async def fetch(self, key: str, headers: Headers, into: memoryview) -> Response:
        """Receive a range of a file, or all of it, in place; as `Wire.fetch`. Its status is 200 or 206.

        Raises:
            StorageError: The server refused.
        """
        for last in (False, True):
            place = self._places.get(key) or self._first(key)
            walk = self._walk(place)
            while True:
                reply = await self._wire.fetch(_as("GET", walk.request, headers), into)
                if not walk.follow(reply):
                    break
            if reply.status in {200, 206}:
                if walk.request is not place:
                    self._places[key] = walk.request
                break
            if last or not await self._found_again(key, place, reply):
                raise self._error(reply, key, walk.request)
        return reply

    @asynccontextmanager
    async def stream(self, key: str, headers: Headers) -> AsyncGenerator[StreamedResponse]:
        """Receive a file as it comes; as `Wire.stream`. Its status is 200.

        Raises:
            StorageError: The server refused.
        """
        for last in (False, True):
            place = self._places.get(key) or self._first(key)
            walk = self._walk(place)
            async with self._open(walk, headers) as reply:
                if reply.status == 200:
                    yield reply
                    return
                refusal = Response(reply.status, reply.headers)
            if last or not await self._found_again(key, place, refusal):
                raise self._error(refusal, key, walk.request)

    @asynccontextmanager
    async def _open(self, walk: "_Walk", headers: Headers = ()) -> AsyncGenerator[StreamedResponse]:
        while True:
            async with self._wire.stream(_as("GET", walk.request, headers)) as reply:
                if not walk.follow(Response(reply.status, reply.headers)):
                    yield reply
                    return

    def _walk(self, start: Request) -> "_Walk":
        return _Walk(start, self._config)

    def _first(self, key: str) -> Request:
        """The request for the URI itself."""
        verify = self._config.verify
        query = f"?{self.location.query}" if self.location.query else ""
        return Request(
            "GET",
            Origin.of(self.location.root),
            as_target(f"/{key}{query}"),
            [(name.lower(), value) for name, value in self._config.headers.items()],
            TLS(verify is not False, verify if isinstance(verify, str) else None),
        )

    async def _found_again(self, key: str, place: Request, reply: Response) -> bool:
        """Whether a file that a redirect led to is somewhere else by now, as when the signature in a URL expires."""
        known = self._places.get(key)
        if reply.status not in _EXPIRED or known is None or place == self._first(key):
            return False
        async with self._searching:  # for all parts at once
            if self._places[key] is place:
                await self.find(key)
        return self._places[key] != place

    def _error(self, reply: Response, key: str, asked: Request) -> StorageError:
        first = self._first(key)
        hints = []
        if asked.origin != first.origin:
            hints.append(f"the URL redirects to {asked.origin.netloc}")
            if self._config.headers:
                hints.append("which the configuration's headers are not sent to")
        elif self.location.query:
            hints.append("if the URL is signed, it may have expired")
        elif not self._config.headers:
            hints.append("if it asks for credentials, give them as HTTPConfig(headers=…)")
        return replies.error(reply, key, hint=", ".join(hints) or "check HTTPConfig(headers=…)")


class _Walk:
    """Where one request goes, from one redirect to the next.

    Attributes:
        request: The one to send next; that was sent last, when there is no other.
    """

    def __init__(self, start: Request, config: HTTPConfig) -> None:
        self.request = start
        self._config = config
        self._seen = {(start.origin, start.target)}

    def follow(self, reply: Response) -> bool:
        """Go where the reply leads; False: it is no redirect.

        Raises:
            TransportError: There are too many, or they lead in a circle, or where they must not.
        """
        config = self._config
        following = redirected(
            self.request, reply, downgrade=config.allow_downgrade, anywhere=config.allow_local_redirects
        )
        if following is None:
            return False
        where = (following.origin, following.target)
        if where in self._seen:
            raise TransportError(f"{self.request.origin.address} redirects in a circle")
        if len(self._seen) > MOST_REDIRECTS:
            raise TransportError(
                f"there are more than {MOST_REDIRECTS} redirects, the last from {self.request.origin.address}"
            )
        self._seen.add(where)
        self.request = following
        return True


def _as(method: str, place: Request, headers: Headers = ()) -> Request:
    given = {name for name, _ in place.headers}
    agent = [] if _AGENT[0] in given else [_AGENT]
    return replace(place, method=method, headers=[*agent, *place.headers, _IDENTITY, *headers])
