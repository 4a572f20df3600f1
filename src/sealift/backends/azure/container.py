"""Send authorized requests to one container."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NoReturn
from urllib.parse import quote, urlsplit

from ...errors import ModelMissingError, ObjectChanged, StorageError, UnsupportedOperation
from ...instance import Instance
from ...lane_contract import ByteCount, Sink
from ...types import ObjectInfo
from ...uri import Location
from ...wire import TLS, Expectation, HeldConnection, Origin, Request, Response, StreamedResponse
from . import replies
from .account import Account
from .authorization import AccountKeyAuthorizer, Authorization, Authorizer
from .errors import error_code, reply_error

__all__ = ["Container", "Headers"]

Headers = Sequence[tuple[str, str]]


class Container:
    """Sends requests for a container and its objects.

    Args:
        location: Location of the container.
        account: Its storage account.
        authorizer: Authorizes each request.
        instance: Provides connections.
        key_headers: Headers of a customer-provided encryption key; see `customer_key`.

    Attributes:
        api_version: Version of the protocol, which determines CRC64 of bodies, parts of 4,000 MiB, and encoding of
            names that XML cannot represent.
    """

    api_version = "2021-12-02"

    def __init__(
        self,
        location: Location,
        account: Account,
        authorizer: Authorizer,
        instance: Instance,
        key_headers: list[tuple[str, str]] | None = None,
    ) -> None:
        self.location = location
        self.account = account
        self.authorizer = authorizer
        self.key_headers = key_headers or []
        self.instance = instance
        self._origin = Origin.of(account.endpoint)
        self._path = f"{urlsplit(account.endpoint).path}/{quote(location.root, safe='$-')}"
        self._tls = TLS.of(account.verify_ssl)

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

    def plain_url(self, key: str) -> str:
        """Return the URL of an object, without a signature."""
        return f"{self._origin.scheme}://{self._origin.netloc}{self._target(key)}"

    async def url(self, obj: ObjectInfo) -> str:
        """Return the URL of an object, with the SAS if there is one, for the service to read it."""
        return self.plain_url(obj.key) + _encoded(replies.version_query(obj), (await self.authorizer()).query)

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
        target = self._target(key) + _encoded(query or {}, authorization.query)
        own = [("host", self._origin.netloc), ("user-agent", self.instance.user_agent)]
        sent = [*own, ("x-ms-version", self.api_version), *headers, *authorization.headers]
        if self.key_headers and key is not None and _needs_key(method, query):
            sent += self.key_headers
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
        sent: ByteCount | None = None,
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
        reply = await self.instance.wire.send(await self.request(method, key, headers, query), body, sent)
        if self._clock_corrected(reply):
            reply = await self.instance.wire.send(await self.request(method, key, headers, query), body, sent)
        return reply

    async def fetch(
        self, obj: ObjectInfo, headers: Headers, into: memoryview | Sink, expectation: Expectation
    ) -> Response:
        """Receive an object or a range, as `Wire.fetch`; the status is 200 or 206.

        Raises:
            StorageError: The service returned an error.
        """
        query = replies.version_query(obj)
        reply = await self.instance.wire.fetch(await self.request("GET", obj.key, headers, query), into, expectation)
        if self._clock_corrected(reply):
            request = await self.request("GET", obj.key, headers, query)
            reply = await self.instance.wire.fetch(request, into, expectation)
        if reply.status not in {200, 206}:
            await self._raise_error(reply, obj)
        return reply

    @asynccontextmanager
    async def stream(self, obj: ObjectInfo, headers: Headers) -> AsyncGenerator[StreamedResponse]:
        """Stream an object, as `Wire.stream`; the status is 200.

        Raises:
            StorageError: The service returned an error.
        """
        for last in (False, True):
            async with self.instance.wire.stream(
                await self.request("GET", obj.key, headers, replies.version_query(obj))
            ) as reply:
                if reply.status == 200:
                    yield reply
                    return
                failure = await reply.failure()
            if last or not self._clock_corrected(failure):
                await self._raise_error(failure, obj)

    def _clock_corrected(self, reply: Response) -> bool:
        """Whether to resend a request, because it was signed with a wrong time."""
        if reply.status != 403 or not isinstance(self.authorizer, AccountKeyAuthorizer):
            return False
        date = reply.time("date") if error_code(reply) == "AuthenticationFailed" else None
        return date is not None and self.authorizer.correct_clock(date)

    async def _raise_error(self, reply: Response, obj: ObjectInfo) -> NoReturn:
        error = self._object_error(reply, obj)
        if isinstance(error, ObjectChanged):
            # A deleted object also fails the version condition; report it as missing.
            await self.head(obj.key, obj.version_id)
        raise error

    async def stat(self, key: str, version_id: str | None = None) -> ObjectInfo:
        """Return an object's info from a HEAD request.

        Args:
            key: Key of the object.
            version_id: The version; see `replies.version_query`. None: the current one.

        Raises:
            StorageError: The object does not exist, or the service returned an error.
        """
        return replace(replies.object_info(key, await self.head(key, version_id)), version_id=version_id)

    async def head(self, key: str, version_id: str | None = None) -> Response:
        """Return the response to a HEAD request.

        Raises:
            StorageError: As `stat`.
        """
        obj = ObjectInfo(key, None, version_id=version_id)
        reply = await self.send("HEAD", key, query=replies.version_query(obj))
        if reply.status != 200:
            raise self._object_error(reply, obj)
        return reply

    def _object_error(self, reply: Response, obj: ObjectInfo) -> StorageError:
        error = self.error(reply, obj.key)
        if obj.version_id is not None and isinstance(error, ModelMissingError):
            error.cause = f"there is no version {obj.version_id!r} of {obj.key!r}"
        return error

    def error(self, reply: Response, key: str | None) -> StorageError:
        """Convert an error response to an exception."""
        return reply_error(reply, container=self.location.root, key=key)


def _encoded(query: Mapping[str, str], signature: str) -> str:
    """Encode a query, with the SAS if there is one."""
    fields = [f"{name}={quote(value, safe='-_.~', errors='surrogateescape')}" for name, value in query.items()]
    if signature:
        fields.append(signature)
    return f"?{'&'.join(fields)}" if fields else ""


def _needs_key(method: str, query: Mapping[str, str] | None) -> bool:
    """Whether a request about an object reads or writes what is encrypted: its bytes and metadata, not its tags."""
    operation = (query or {}).get("comp")
    return method != "DELETE" and operation not in {"tags", "copy"} and (method, operation) != ("GET", "blocklist")
