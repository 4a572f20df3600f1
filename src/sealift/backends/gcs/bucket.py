"""Send requests with an access token to one bucket; renew rejected tokens and bill requests to the project."""

import itertools
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import quote, urlencode

from ...config import GCSConfig
from ...errors import ModelMissingError, ObjectChanged, StorageError, UnsupportedOperation
from ...instance import Instance
from ...lane_contract import ByteCount, Sink
from ...types import ObjectInfo
from ...uri import Location
from ...wire import TLS, Expectation, HeldConnection, Origin, Request, Response, StreamedResponse
from . import replies
from .credentials import Credentials
from .customer_key import customer_key_headers

__all__ = ["Bucket", "Headers", "Query"]

Headers = Sequence[tuple[str, str]]
Query = Mapping[str, str]

# Receive objects as they are stored. Without this header, the service decompresses those with Content-Encoding gzip:
# https://cloud.google.com/storage/docs/transcoding
_AS_STORED = [("accept-encoding", "gzip")]


class Bucket:
    """Sends requests about a bucket and its objects.

    Args:
        location: The bucket.
        config: The caller's configuration, or the one from the environment.
        origin: Origin of the service.
        credentials: Credentials of the requests; None: requests are anonymous.
        instance: The instance that the bucket belongs to.

    Attributes:
        keeps_objects: Whether objects cannot be deleted for some time after they were stored; None: not known yet.
        hides_retention: Whether these credentials may not see that of the bucket.
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
        self.origin = origin
        self.keeps_objects: bool | None = None
        self.hides_retention = False
        self._credentials = credentials
        self._requester_pays = False
        self._customer_key_headers = customer_key_headers(config)
        self._tls = TLS.of(config.verify_ssl)

    def at(self, location: Location) -> "Bucket":
        """Another bucket of this service, with the same credentials."""
        return Bucket(location.at(""), self.config, self.origin, self._credentials, self.instance)

    def path(self, key: str | None = None) -> str:
        """The URL path of the bucket's objects, or of one object.

        Raises:
            ModelMissingError: The key is empty.
            UnsupportedOperation: The key is not valid UTF-8.
        """
        objects = f"/storage/v1/b/{quote(self.location.root, safe='')}/o"
        if key is None:
            return objects
        if not key:
            raise ModelMissingError(key, cause="the object key is empty")
        try:
            return f"{objects}/{quote(key, safe='')}"
        except UnicodeEncodeError:  # file names may contain any bytes
            raise UnsupportedOperation(f"the key {key!r} is not UTF-8, which gs:// requires") from None

    @property
    def address(self) -> str:
        """The URL of the bucket."""
        return f"{self.origin.scheme}://{self.origin.netloc}/{quote(self.location.root, safe='')}"

    async def send(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        headers: Headers = (),
        *,
        body: memoryview | None = None,
        sent: ByteCount | None = None,
    ) -> Response:
        """Send a request and read its whole reply, which is small.

        Args:
            method: HTTP method.
            path: URL path; see `path`.
            query: Query parameters.
            headers: Headers in addition to Host and Authorization, with lower-case names.
            body: Sent without a copy.
            sent: Counts the bytes of the body while they are sent.
        """
        for attempt in itertools.count():
            request = self.request(method, path, query or {}, headers, await self.bearer())
            reply = await self.instance.wire.send(request, body, sent)
            if not self._should_resend(attempt, request, reply):
                break
        return reply

    async def fetch(
        self, key: str, query: Query, headers: Headers, into: memoryview | Sink, expectation: Expectation
    ) -> Response:
        """Receive an object as it is stored, or a range of it; see `Wire.fetch`."""
        for attempt in itertools.count():
            request = self.read_request(key, query, headers, await self.bearer())
            reply = await self.instance.wire.fetch(request, into, expectation)
            if not self._should_resend(attempt, request, reply):
                break
        return reply

    @asynccontextmanager
    async def stream(
        self, key: str, query: Query, headers: Headers = ()
    ) -> AsyncGenerator[StreamedResponse | Response]:
        """Receive an object as it is stored, or a range of it, as a stream; see `Wire.stream`.

        An error is a `Response` with its body.
        """
        query = {**query, "alt": "media"}
        for attempt in itertools.count():
            request = self.request("GET", self.path(key), query, [*_AS_STORED, *headers], await self.bearer())
            async with self.instance.wire.stream(request) as reply:
                if reply.status == 200 or (reply.status == 206 and headers):
                    yield reply
                    return
                refusal = await reply.failure()
            if not self._should_resend(attempt, request, refusal):
                yield refusal
                return

    async def stat(self, key: str, generation: str | None = None) -> ObjectInfo:
        """Fetch an object's attributes.

        Args:
            key: Key of the object.
            generation: The version; None: the current one.

        Raises:
            StorageError: The object does not exist, or the service refused the request.
        """
        query = {"fields": replies.FIELDS} | ({} if generation is None else {"generation": generation})
        reply = await self.send("GET", self.path(key), query)
        if reply.status != 200:
            raise self.version_error(reply, key, generation)
        return replace(replies.object_info(replies.json_object(reply)), version_id=generation)

    def version_error(self, reply: Response, key: str, generation: str | None) -> StorageError:
        """The error for a reply to a request for an object, or for one version of it; see `error`."""
        error = self.error(reply, key)
        if generation is not None and isinstance(error, ModelMissingError):
            error.cause = f"there is no generation {generation!r} of {key!r}"
        return error

    async def missing_error(self, obj: ObjectInfo) -> StorageError | None:
        """The error for a version that was not found: deleted or replaced; None: this version exists."""
        try:
            current = await self.stat(obj.key, obj.version_id)
        except StorageError as error:
            return error
        if obj.version in {None, current.version}:
            return None
        return ObjectChanged(f"the object {obj.key!r} was replaced while it was read", status=404)

    def error(self, reply: Response, key: str | None) -> StorageError:
        """The error for a reply whose status is not a success; see `replies.reply_error`."""
        anonymous = self._credentials is None
        return replies.reply_error(reply, bucket=self.location.root, key=key, anonymous=anonymous)

    async def bearer(self) -> str | None:
        """The token of the next requests; None: they are anonymous."""
        return None if self._credentials is None else await self._credentials.bearer()

    def request(
        self,
        method: str,
        path: str,
        query: Query,
        headers: Headers,
        bearer: str | None,
        *,
        encoded: bool = False,
    ) -> Request:
        """Build a request; the arguments are those of `send`, and `bearer` as it was returned by `bearer`."""
        all_headers = [("user-agent", self.instance.user_agent), *headers]
        if self._customer_key_headers and method != "DELETE" and ("/o/" in path or path.startswith("/upload/")):
            all_headers += self._customer_key_headers
        if bearer is not None:
            all_headers.append(("authorization", f"Bearer {bearer}"))
        if self._requester_pays and self.config.project_id is not None:
            query = {**query, "userProject": self.config.project_id}
        target = f"{path}?{urlencode(query, quote_via=quote, safe='')}" if query else path
        return Request(method, self.origin, target, all_headers, self._tls, encoded=encoded)

    def read_request(self, key: str, query: Query, headers: Headers, bearer: str | None) -> Request:
        """Build a request for an object as it is stored, or for a range of it."""
        query = {**query, "alt": "media"}
        return self.request("GET", self.path(key), query, [*_AS_STORED, *headers], bearer, encoded=True)

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[tuple[str | None, HeldConnection]]:
        """Keep a connection for several small requests, and the token for them; see `Wire.hold`."""
        bearer = await self.bearer()
        async with self.instance.wire.hold(self.origin, self._tls) as connection:
            yield bearer, connection

    @property
    def is_direct(self) -> bool:
        """Whether requests are sent without a proxy, so that `hold` works."""
        return self.instance.wire.is_direct(self.origin)

    def _should_resend(self, attempt: int, request: Request, reply: Response) -> bool:
        """Whether to resend a request: with a new token, once, or billed to the configured project.

        https://cloud.google.com/storage/docs/requester-pays
        """
        if reply.status == 401 and self._credentials is not None and attempt < 1:
            self._credentials.discard(dict(request.headers)["authorization"].removeprefix("Bearer "))
            return True
        if reply.status == 400 and not self._requester_pays and self.config.project_id is not None:
            self._requester_pays = replies.error_details(reply)[0] == "required"
            return self._requester_pays
        return False
