"""Asking one bucket: requests with a bearer token, and what makes one worth sending a second time."""

import itertools
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote, urlencode

from ...config import GCSConfig
from ...errors import ModelMissingError, ObjectChanged, StorageError, UnsupportedOperation
from ...instance import Instance
from ...types import KiB, ObjectInfo
from ...uri import Location
from ...wire import Origin, Request, Response, StreamedResponse
from . import replies
from .credentials import Credentials

__all__ = ["Bucket", "Headers", "Query"]

Headers = Sequence[tuple[str, str]]
Query = Mapping[str, str]

# What an object with a Content-Encoding is stored as is what comes, without this the service would decode it:
# https://cloud.google.com/storage/docs/transcoding
_AS_STORED = [("accept-encoding", "gzip")]
# Bytes of an error's body that are looked at.
_ERROR_BODY = 16 * KiB


class Bucket:
    """Sends requests about a bucket and its objects.

    Args:
        location: The bucket.
        config: As the caller gave it, or from the environment.
        origin: The service.
        credentials: Who asks; None: nobody in particular.
        instance: Of the instance.
    """

    def __init__(
        self,
        location: Location,
        config: GCSConfig,
        origin: Origin,
        credentials: Credentials | None,
        instance: Instance,
    ) -> None:
        self.location = location
        self.config = config
        self.instance = instance
        self._origin = origin
        self._credentials = credentials
        self._pays = False

    def at(self, location: Location) -> "Bucket":
        """Another bucket of this service, asked by the same."""
        return Bucket(location.at(""), self.config, self._origin, self._credentials, self.instance)

    def path(self, key: str | None = None) -> str:
        """Of the bucket's objects, or of one of them.

        Raises:
            ModelMissingError: The key is empty, which is no object's.
            UnsupportedOperation: No object can have this key.
        """
        objects = f"/storage/v1/b/{quote(self.location.root, safe='')}/o"
        if key is None:
            return objects
        if not key:
            raise ModelMissingError(key, cause="an object's key is missing")
        try:
            return f"{objects}/{quote(key, safe='')}"
        except UnicodeEncodeError:  # a file's name need not be text
            raise UnsupportedOperation(f"the key {key!r} is not UTF-8, and gs:// has no others") from None

    @property
    def address(self) -> str:
        """The URL of the bucket."""
        return f"{self._origin.scheme}://{self._origin.netloc}/{quote(self.location.root, safe='')}"

    async def ask(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        headers: Headers = (),
        *,
        body: memoryview | None = None,
    ) -> Response:
        """Send a request whose reply is small.

        Args:
            method: HTTP method.
            path: See `path`.
            query: Parameters.
            headers: Beside Host and the token; their names in lower case.
            body: Sent from where it is.
        """
        for attempt in itertools.count():
            request = await self._request(method, path, query or {}, headers)
            reply = await self.instance.wire.send(request, body)
            if not self._once_more(attempt, request, reply):
                break
        return reply

    async def fetch(self, key: str, query: Query, headers: Headers, into: memoryview) -> Response:
        """Receive an object as it is stored, or a range of it, in place; as `Wire.fetch`."""
        query = {**query, "alt": "media"}
        for attempt in itertools.count():
            request = await self._request("GET", self.path(key), query, [*_AS_STORED, *headers], encoded=True)
            reply = await self.instance.wire.fetch(request, into)
            if not self._once_more(attempt, request, reply):
                break
        return reply

    @asynccontextmanager
    async def stream(self, key: str, query: Query) -> AsyncGenerator[StreamedResponse | Response]:
        """Receive an object as it is stored, as it comes; as `Wire.stream`. A refusal is a `Response` with its body."""
        query = {**query, "alt": "media"}
        for attempt in itertools.count():
            request = await self._request("GET", self.path(key), query, _AS_STORED)
            async with self.instance.wire.stream(request) as reply:
                if reply.status == 200:
                    yield reply
                    return
                told = memoryview(bytearray(_ERROR_BODY))
                count = await reply.readinto(told)
                refusal = Response(reply.status, reply.headers, bytes(told[:count]))
            if not self._once_more(attempt, request, refusal):
                yield refusal
                return

    async def stat(self, key: str) -> ObjectInfo:
        """What the service tells of an object.

        Raises:
            StorageError: There is none, or the service refused.
        """
        reply = await self.ask("GET", self.path(key), {"fields": replies.FIELDS})
        if reply.status != 200:
            raise self.error(reply, key)
        return replies.object_info(replies.body(reply))

    async def gone(self, obj: ObjectInfo) -> StorageError | None:
        """What has become of a version that was not found; None: it is there."""
        try:
            there = await self.stat(obj.key)
        except StorageError as error:
            return error
        if obj.version in {None, there.version}:
            return None
        return ObjectChanged(f"the object {obj.key!r} was replaced while it was read", status=404)

    def error(self, reply: Response, key: str | None) -> StorageError:
        """The failure that a reply tells of."""
        anonymous = self._credentials is None
        return replies.error(reply, bucket=self.location.root, key=key, anonymous=anonymous)

    async def _request(
        self, method: str, path: str, query: Query, headers: Headers, *, encoded: bool = False
    ) -> Request:
        sent = list(headers)
        if self._credentials is not None:
            sent.append(("authorization", f"Bearer {await self._credentials.bearer()}"))
        if self._pays and self.config.project_id is not None:
            query = {**query, "userProject": self.config.project_id}
        target = f"{path}?{urlencode(query, quote_via=quote, safe='')}" if query else path
        return Request(method, self._origin, target, sent, encoded=encoded)

    def _once_more(self, attempt: int, request: Request, reply: Response) -> bool:
        """Whether the next attempt differs: by a new token, once, or by who pays.

        https://cloud.google.com/storage/docs/requester-pays
        """
        if reply.status == 401 and self._credentials is not None and attempt < 1:
            self._credentials.refused(dict(request.headers)["authorization"].removeprefix("Bearer "))
            return True
        if reply.status == 400 and not self._pays and self.config.project_id is not None:
            self._pays = replies.failure(reply)[0] == "required"
            return self._pays
        return False
