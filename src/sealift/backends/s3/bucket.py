"""Send signed requests to one bucket. Those that `current_access` can mend are sent again."""

from collections.abc import AsyncGenerator, Collection, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ...config import S3Config
from ...config.s3 import UploadChecksum
from ...errors import ModelMissingError, StorageError
from ...instance import Instance
from ...lane_contract import ByteCount, Sink
from ...types import ObjectInfo
from ...uri import Location
from ...wire import Expectation, HeldConnection, Request, Response, StreamedResponse
from . import errors
from .access import BucketAccess
from .current_access import CurrentAccess
from .object_info import object_info, version_query
from .signature import EMPTY_SHA256, UNSIGNED_PAYLOAD, Credentials
from .signer import Headers, Signer

if TYPE_CHECKING:
    from .express import ExpressSession

__all__ = ["Bucket", "Headers"]

# Statuses with many reasons.
_UNEXPLAINED = {400, 403}


class Bucket:
    """Sends requests about a bucket and its objects.

    Args:
        location: The bucket.
        config: The caller's configuration, or the one from the environment.
        access: How to address and sign requests.
        instance: The instance that the bucket belongs to.
    """

    def __init__(self, location: Location, config: S3Config, access: BucketAccess, instance: Instance) -> None:
        self.location = location
        self.config = config
        self.instance = instance
        self._current = CurrentAccess(location.root, config, access, instance)

    @property
    def _access(self) -> BucketAccess:
        return self._current.access

    @property
    def address(self) -> str:
        """The URL of the bucket."""
        return f"{self._access.origin.scheme}://{self._access.origin.netloc}{self._access.path}"

    @property
    def directory(self) -> bool:
        """Whether this is a directory bucket (S3 Express One Zone)."""
        return self._access.directory

    @property
    def general(self) -> bool:
        """Whether this is a general purpose bucket, or a single-region access point of one."""
        return self._access.service == "s3" and self._access.scheme != "sigv4a"

    @property
    def checksum(self) -> UploadChecksum | None:
        """The checksum algorithm of uploads; None: uploads carry no checksum."""
        return self._access.checksum

    @property
    def object_headers(self) -> Headers:
        """Headers of requests that read or write the bytes of an object; they are added to each by `Signer`."""
        return self._access.object_headers

    async def signer(self, *, iam: bool = False) -> Signer:
        """What builds and signs requests, for the next few seconds.

        Args:
            iam: Sign with the caller's own (IAM) credentials instead of those of a directory bucket's session.
        """
        access = self._access
        if access.credentials is None:
            return Signer(access, None, user_agent=self.instance.user_agent)
        credentials = await access.credentials()
        if access.scheme == "sigv4-s3express" and not iam:
            credentials = await self._session.credentials(credentials, self._create_session)
        now = datetime.now(UTC) + access.clock_offset
        return Signer(access, credentials, now, user_agent=self.instance.user_agent)

    async def signed_request(
        self,
        method: str,
        key: str | None,
        headers: Headers = (),
        query: dict[str, str] | None = None,
        *,
        payload: str = EMPTY_SHA256,
        iam: bool = False,
    ) -> Request:
        """Build and sign a request; the arguments are those of `signer` and `Signer.request`."""
        return (await self.signer(iam=iam)).request(method, key, headers, query, payload=payload)

    async def located(self) -> tuple[BucketAccess, Credentials | None]:
        """The address and region of the bucket, and credentials for it, for a URL that no redirect can correct."""
        if not self._access.fixed_origin and self._access.scheme == "sigv4":
            await self.send("HEAD", None)  # whatever the status: a redirect names the region
        signer = await self.signer()
        return signer.access, signer.credentials

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[tuple[Signer, HeldConnection]]:
        """Keep a connection for several small requests, and what signs them; see `Wire.hold`."""
        signer = await self.signer()
        async with self.instance.wire.hold(signer.access.origin, signer.access.tls) as connection:
            yield signer, connection

    @property
    def is_direct(self) -> bool:
        """Whether requests are sent without a proxy, so that `hold` works."""
        return self.instance.wire.is_direct(self._access.origin)

    async def send(
        self,
        method: str,
        key: str | None,
        headers: Headers = (),
        query: dict[str, str] | None = None,
        *,
        body: memoryview | None = None,
        sent: ByteCount | None = None,
        iam: bool = False,
    ) -> Response:
        """Send a request and read its whole reply, which is small.

        Args:
            method: HTTP method.
            key: The object's key; None: the request is about the bucket.
            headers: Headers in addition to Host and those of the signature, with lower-case names.
            query: Query parameters, in any order.
            body: Sent without a copy. Its SHA-256 is not signed: that takes another pass and is slower than a CRC.
            sent: Counts the bytes of the body while they are sent.
            iam: As for `signed_request`.
        """
        payload = EMPTY_SHA256 if body is None else UNSIGNED_PAYLOAD
        wire, access = self.instance.wire, self._access
        with self._configured_attempts():
            request = await self.signed_request(method, key, headers, query, payload=payload, iam=iam)
            reply = await wire.send(request, body, sent)
            if self._session_rejected(reply, request) or await self._current.refresh(reply, access):
                request = await self.signed_request(method, key, headers, query, payload=payload, iam=iam)
                reply = await wire.send(request, body, sent)
            return reply

    async def fetch(
        self, obj: ObjectInfo, headers: Headers, into: memoryview | Sink, expectation: Expectation
    ) -> Response:
        """Receive an object, or a range of it; see `Wire.fetch`."""
        wire, access, query = self.instance.wire, self._access, version_query(obj)
        with self._configured_attempts():
            request = await self.signed_request("GET", obj.key, headers, query)
            reply = await wire.fetch(request, into, expectation)
            if self._session_rejected(reply, request) or await self._current.refresh(reply, access):
                request = await self.signed_request("GET", obj.key, headers, query)
                reply = await wire.fetch(request, into, expectation)
            return reply

    @asynccontextmanager
    async def stream(
        self, obj: ObjectInfo, headers: Headers, success: Collection[int] = (200,)
    ) -> AsyncGenerator[StreamedResponse]:
        """Receive an object, or a range of it, as a stream with one of these statuses; see `Wire.stream`.

        Raises:
            StorageError: The service refused the request.
        """
        with self._configured_attempts():
            for last in (False, True):
                access = self._access
                request = await self.signed_request("GET", obj.key, headers, version_query(obj))
                async with self.instance.wire.stream(request) as reply:
                    if reply.status in success:
                        yield reply
                        return
                    refusal = await reply.failure()
                resend = self._session_rejected(refusal, request) or await self._current.refresh(refusal, access)
                if last or not resend:
                    raise self.object_error(refusal, obj)

    async def stat(self, key: str, version_id: str | None = None) -> ObjectInfo:
        """Read an object's attributes with a HEAD.

        Args:
            key: Key of the object.
            version_id: The version; None: the current one.

        Raises:
            StorageError: The object does not exist, or the service refused the request.
        """
        obj = ObjectInfo(key, None, version_id=version_id)
        reply = await self.send("HEAD", key, [("x-amz-checksum-mode", "ENABLED")], version_query(obj))
        if reply.status != 200:
            raise self.object_error(await self._explained(reply, obj), obj)
        return object_info(key, reply, md5_tags=not self.directory, version_id=version_id)

    def object_error(self, reply: Response, obj: ObjectInfo) -> StorageError:
        """The error for a reply to a request for an object, or for one version of it; see `error`."""
        error = self.error(reply, obj.key)
        if obj.version_id is not None and isinstance(error, ModelMissingError):
            error.cause = f"there is no version {obj.version_id!r} of {obj.key!r}"
        return error

    async def _explained(self, reply: Response, obj: ObjectInfo) -> Response:
        """The reply to a GET instead of that to a HEAD, which has no body: it says why the request was refused."""
        if reply.status not in _UNEXPLAINED or reply.body:
            return reply
        try:
            explained = await self.fetch(obj, [("range", "bytes=0-0")], memoryview(bytearray(1)), Expectation(0))
        except StorageError:  # the reply to the HEAD is known
            return reply
        return explained if explained.status in _UNEXPLAINED and explained.body else reply

    def error(self, reply: Response, key: str | None) -> StorageError:
        """The error for a reply whose status is not a success; see `errors.reply_error`."""
        error = errors.reply_error(reply, bucket=self.location.root, key=key)
        error.attempts = self._access.attempts
        return error

    def required_field(self, reply: Response, name: str) -> str:
        """A field of the XML in a reply with status 200; see `errors.required_field`."""
        with self._configured_attempts():
            return errors.required_field(reply, name)

    @contextmanager
    def _configured_attempts(self) -> Generator[None]:
        """Set the number of attempts on errors, if the environment or the profile configures it."""
        try:
            yield
        except StorageError as error:
            error.attempts = self._access.attempts
            raise

    @property
    def _session(self) -> "ExpressSession":
        """The session on this directory bucket, shared by all calls of the instance."""
        from .express import ExpressSession  # noqa: PLC0415 - only for directory buckets

        access = self._access
        key = ("s3express", self.location.root, self.config, access.origin, access.path, access.region)
        session: ExpressSession = self.instance.credentials.setdefault(key, ExpressSession())
        return session

    async def _create_session(self) -> Response:
        reply = await self.send("GET", None, query={"session": ""}, iam=True)
        if reply.status != 200:
            from .express import session_error  # noqa: PLC0415

            raise session_error(self.error(reply, None), reply, self.location.root)
        return reply

    def _session_rejected(self, reply: Response, request: Request) -> bool:
        """Whether to resend a request with a new session, because the service rejected the current one."""
        if not self.directory:
            return False
        from .express import rejected_token  # noqa: PLC0415

        token = rejected_token(reply, request)
        if token is not None:
            self._session.discard(token)
        return token is not None
