"""Send authorized requests to one container."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn
from urllib.parse import quote, urlsplit

from ...errors import ObjectChanged, StorageError, UnsupportedOperation
from ...instance import Instance
from ...lane_contract import SentBytes, Sink
from ...types import ObjectInfo
from ...uri import Location
from ...wire import TLS, Expectation, HeldConnection, Origin, Request, Response, StreamedResponse
from . import replies
from .account import Account
from .authorization import Authorization, Authorizer

__all__ = ["Container", "Headers"]

Headers = Sequence[tuple[str, str]]

# API version, which determines CRC64 of bodies, parts of 4,000 MiB, and encoding of names that XML cannot represent.
_VERSION = "2021-12-02"
# Bytes of an error response's body to read.


class Container:
    """Sends requests for a container and its objects.

    Args:
        location: Location of the container.
        account: Its storage account.
        authorizer: Authorizes each request.
        instance: Provides connections.
    """

    def __init__(self, location: Location, account: Account, authorizer: Authorizer, instance: Instance) -> None:
        self.location = location
        self.account = account
        self.authorizer = authorizer
        self.instance = instance
        self._origin = Origin.of(account.endpoint)
        self._path = f"{urlsplit(account.endpoint).path}/{quote(location.root, safe='$-')}"
        verify = account.verify
        self._tls = TLS.of(verify)

    @property
    def address(self) -> str:
        """URL of the container, without credentials."""
        return f"{self._origin.scheme}://{self._origin.netloc}{self._path}"

    def _target(self, key: str | None) -> str:
        if key is None:
            return self._path
        if not {".", ".."}.isdisjoint(key.split("/")):
            # A server would resolve the dots, to another object or out of the container.
            raise UnsupportedOperation(f"Azure does not allow object names with a segment . or ..: {key!r}")
        return f"{self._path}/{quote(key, safe='/-_.~', errors='surrogateescape')}"

    async def url(self, key: str) -> str:
        """Return the URL of an object, with the SAS if there is one, for the service to read it."""
        query = (await self.authorizer()).query
        return f"{self._origin.scheme}://{self._origin.netloc}{self._target(key)}" + (f"?{query}" if query else "")

    async def request(
        self, method: str, key: str | None, headers: Headers = (), query: Mapping[str, str] | None = None
    ) -> Request:
        """Build an authorized request; the arguments are those of `authorized`."""
        return self.authorized(await self.authorizer(), method, key, headers, query)

    def authorized(
        self,
        authorization: Authorization,
        method: str,
        key: str | None,
        headers: Headers = (),
        query: Mapping[str, str] | None = None,
    ) -> Request:
        """Build a request.

        Args:
            authorization: What authorizes it.
            method: HTTP method.
            key: Key of the object; None: the container.
            headers: Additional headers, with lower-case names.
            query: Query parameters.
        """
        fields = [
            f"{name}={quote(value, safe='-_.~', errors='surrogateescape')}" for name, value in (query or {}).items()
        ]
        if authorization.query:
            fields.append(authorization.query)
        target = self._target(key) + (f"?{'&'.join(fields)}" if fields else "")
        own = [("host", self._origin.netloc), ("user-agent", self.instance.user_agent), ("x-ms-version", _VERSION)]
        sent = [*own, *headers, *authorization.headers]
        # Content-Encoding is a property of the object: return its bytes as stored, without decoding.
        return Request(method, self._origin, target, sent, self._tls, encoded=True)

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[tuple[Authorization, HeldConnection]]:
        """Keep a connection for several small requests, and what authorizes them; see `Wire.hold`."""
        authorization = await self.authorizer()
        async with self.instance.wire.hold(self._origin, self._tls) as connection:
            yield authorization, connection

    @property
    def is_direct(self) -> bool:
        """Whether requests are sent without a proxy, so that `hold` works."""
        return self.instance.wire.is_direct(self._origin)

    async def send(
        self,
        method: str,
        key: str | None,
        headers: Headers = (),
        query: Mapping[str, str] | None = None,
        *,
        body: memoryview | None = None,
        sent: SentBytes | None = None,
    ) -> Response:
        """Send a request whose response is small.

        Args:
            method: HTTP method.
            key: Key of the object; None: the container.
            headers: Additional headers, with lower-case names.
            query: Query parameters.
            body: Request body, sent without copying.
            sent: Counts the bytes of the body while they are sent.
        """
        return await self.instance.wire.send(await self.request(method, key, headers, query), body, sent)

    async def fetch(self, key: str, headers: Headers, into: memoryview | Sink, expectation: Expectation) -> Response:
        """Receive an object or a range, as `Wire.fetch`; the status is 200 or 206.

        Raises:
            StorageError: The service returned an error.
        """
        reply = await self.instance.wire.fetch(await self.request("GET", key, headers), into, expectation)
        if reply.status not in {200, 206}:
            await self._raise_error(reply, key)
        return reply

    @asynccontextmanager
    async def stream(self, key: str, headers: Headers) -> AsyncGenerator[StreamedResponse]:
        """Stream an object, as `Wire.stream`; the status is 200.

        Raises:
            StorageError: The service returned an error.
        """
        async with self.instance.wire.stream(await self.request("GET", key, headers)) as reply:
            if reply.status == 200:
                yield reply
                return
            failure = await reply.failure()
        await self._raise_error(failure, key)

    async def _raise_error(self, reply: Response, key: str) -> NoReturn:
        error = self.error(reply, key)
        if isinstance(error, ObjectChanged):
            await self.head(key)  # a deleted object also fails the version condition; report it as missing
        raise error

    async def stat(self, key: str) -> ObjectInfo:
        """Return an object's info from a HEAD request.

        Raises:
            StorageError: The object does not exist, or the service returned an error.
        """
        return replies.object_info(key, await self.head(key))

    async def head(self, key: str) -> Response:
        """Return the response to a HEAD request.

        Raises:
            StorageError: As `stat`.
        """
        reply = await self.send("HEAD", key)
        if reply.status != 200:
            raise self.error(reply, key)
        return reply

    def error(self, reply: Response, key: str | None) -> StorageError:
        """Convert an error response to an exception."""
        return replies.error(reply, container=self.location.root, key=key)
