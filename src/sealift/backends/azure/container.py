"""Asking one container: requests with what lets them pass."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn
from urllib.parse import quote, urlsplit

from ...errors import ObjectChanged, StorageError, UnsupportedOperation
from ...instance import Instance
from ...types import KiB, ObjectInfo
from ...uri import Location
from ...wire import TLS, Origin, Request, Response, StreamedResponse
from . import replies
from .account import Account
from .authorization import Access

__all__ = ["Container", "Headers"]

Headers = Sequence[tuple[str, str]]

# The meaning of requests and replies: CRC64 of bodies, parts of 4,000 MiB, names in listings that XML cannot carry.
_VERSION = "2021-12-02"
# Bytes of an error's body that are looked at.
_ERROR_BODY = 16 * KiB


class Container:
    """Sends requests about a container and its objects.

    Args:
        location: The container.
        account: Where it is.
        access: What the requests carry.
        instance: Of the instance.
    """

    def __init__(self, location: Location, account: Account, access: Access, instance: Instance) -> None:
        self.location = location
        self.account = account
        self.access = access
        self.instance = instance
        self._origin = Origin.of(account.endpoint)
        self._path = f"{urlsplit(account.endpoint).path}/{quote(location.root, safe='$-')}"
        verify = account.verify
        self._tls = TLS(verify=verify is not False, ca_file=verify if isinstance(verify, str) else None)

    @property
    def address(self) -> str:
        """The URL of the container, without what signs in."""
        return f"{self._origin.scheme}://{self._origin.netloc}{self._path}"

    def _target(self, key: str | None) -> str:
        if key is None:
            return self._path
        if not {".", ".."}.isdisjoint(key.split("/")):
            # It would be taken for a path, and lead to another object, or out of the container.
            raise UnsupportedOperation(f"Azure has no objects whose names have a segment . or .., as {key!r}")
        return f"{self._path}/{quote(key, safe='/-_.~', errors='surrogateescape')}"

    async def url(self, key: str) -> str:
        """The address of an object, with the signature if there is one, for the service to read it itself."""
        query = (await self.access()).query
        return f"{self._origin.scheme}://{self._origin.netloc}{self._target(key)}" + (f"?{query}" if query else "")

    async def request(
        self, method: str, key: str | None, headers: Headers = (), query: Mapping[str, str] | None = None
    ) -> Request:
        """A request that the service lets pass.

        Args:
            method: HTTP method.
            key: The object's; None: about the container.
            headers: Beside the ones that each has; their names in lower case.
            query: Parameters.
        """
        passed = await self.access()
        fields = [
            f"{name}={quote(value, safe='-_.~', errors='surrogateescape')}" for name, value in (query or {}).items()
        ]
        if passed.query:
            fields.append(passed.query)
        target = self._target(key) + (f"?{'&'.join(fields)}" if fields else "")
        sent = [("host", self._origin.netloc), ("x-ms-version", _VERSION), *headers, *passed.headers]
        # A Content-Encoding is what the object was stored with, and its bytes come as they were stored.
        return Request(method, self._origin, target, sent, self._tls, encoded=True)

    async def ask(
        self,
        method: str,
        key: str | None,
        headers: Headers = (),
        query: Mapping[str, str] | None = None,
        *,
        body: memoryview | None = None,
    ) -> Response:
        """Send a request whose reply is small; arguments as in `request`.

        Args:
            method: HTTP method.
            key: The object's; None: about the container.
            headers: Beside the ones that each has.
            query: Parameters.
            body: Sent from where it is.
        """
        return await self.instance.wire.send(await self.request(method, key, headers, query), body)

    async def fetch(self, key: str, headers: Headers, into: memoryview) -> Response:
        """Receive an object, or a range of it, in place; as `Wire.fetch`. Its status is 200 or 206.

        Raises:
            StorageError: The service refused.
        """
        reply = await self.instance.wire.fetch(await self.request("GET", key, headers), into)
        if reply.status not in {200, 206}:
            await self._refuse(reply, key)
        return reply

    @asynccontextmanager
    async def stream(self, key: str, headers: Headers) -> AsyncGenerator[StreamedResponse]:
        """Receive an object as it comes; as `Wire.stream`. Its status is 200.

        Raises:
            StorageError: The service refused.
        """
        async with self.instance.wire.stream(await self.request("GET", key, headers)) as reply:
            if reply.status == 200:
                yield reply
                return
            told = memoryview(bytearray(_ERROR_BODY))
            count = await reply.readinto(told)
            refusal = Response(reply.status, reply.headers, bytes(told[:count]))
        await self._refuse(refusal, key)

    async def _refuse(self, reply: Response, key: str) -> NoReturn:
        error = self.error(reply, key)
        if isinstance(error, ObjectChanged):
            await self.head(key)  # what is gone is not of the version asked for either
        raise error

    async def stat(self, key: str) -> ObjectInfo:
        """What a HEAD tells of an object.

        Raises:
            StorageError: There is none, or the service refused.
        """
        return replies.object_info(key, await self.head(key))

    async def head(self, key: str) -> Response:
        """The reply to a HEAD.

        Raises:
            StorageError: As `stat`.
        """
        reply = await self.ask("HEAD", key)
        if reply.status != 200:
            raise self.error(reply, key)
        return reply

    def error(self, reply: Response, key: str | None) -> StorageError:
        """The failure that a reply tells of."""
        return replies.error(reply, container=self.location.root, key=key)
