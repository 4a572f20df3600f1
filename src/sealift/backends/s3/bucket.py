"""Asking one bucket: signed requests, the redirect to the bucket's own region, and credentials that end meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import anyio

from ...config import S3Config
from ...config.s3 import UploadChecksum
from ...errors import StorageError
from ...instance import Instance
from ...types import KiB, ObjectInfo
from ...uri import Location
from ...wire import Request, Response, StreamedResponse
from . import express, replies, sigv4a
from .identity import Identity, resolve
from .sdk import identifying
from .signature import EMPTY_SHA256, UNSIGNED_PAYLOAD, quote_key, quote_query, sign

__all__ = ["Bucket", "Headers"]

Headers = Sequence[tuple[str, str]]

# Bytes of an error's body that are looked at.
_ERROR_BODY = 16 * KiB
# Seconds after a look for newer credentials that found none.
_LOOK_AGAIN = 1.0
# Seconds to wait for a file of credentials that another program is writing.
_WHILE_WRITTEN = (0.02, 0.1, 0.3)


class Bucket:
    """Sends requests about a bucket and its objects.

    Args:
        location: The bucket.
        config: As the caller gave it, or from the environment.
        identity: How to address and sign requests.
        instance: Of the instance.
    """

    def __init__(self, location: Location, config: S3Config, identity: Identity, instance: Instance) -> None:
        self.location = location
        self.config = config
        self.instance = instance
        self._identity = self._first = identity
        self._changing = anyio.Lock()
        self._look_again = 0.0

    @property
    def address(self) -> str:
        """The URL of the bucket, where its requests went first."""
        return f"{self._identity.origin.scheme}://{self._identity.origin.netloc}{self._identity.path}"

    @property
    def directory(self) -> bool:
        """Whether this is a directory bucket (S3 Express One Zone)."""
        return self._identity.directory

    @property
    def general(self) -> bool:
        """Whether this is a general purpose bucket, or an access point of one, in one region."""
        return self._identity.service == "s3" and self._identity.scheme != "sigv4a"

    @property
    def checksum(self) -> UploadChecksum | None:
        """Sent with everything that is written; None: no checksum."""
        return self._identity.checksum

    async def request(
        self,
        method: str,
        key: str | None,
        headers: Headers = (),
        query: dict[str, str] | None = None,
        *,
        payload: str = EMPTY_SHA256,
        iam: bool = False,
    ) -> Request:
        """A signed request.

        Args:
            method: HTTP method.
            key: The object's; None: about the bucket.
            headers: Beside Host and the signature's; their names in lower case.
            query: Parameters, in no order.
            payload: Hash of the body, as in `sign`.
            iam: Sign with the caller's own credentials where others belong to a session (directory buckets).
        """
        identity = self._identity
        target = f"{identity.path}/{'' if key is None else quote_key(key)}" + (
            f"?{quote_query(query)}" if query else ""
        )
        sent = [("host", identity.origin.netloc), *headers]
        if identity.credentials is not None:
            signer = sigv4a.sign if identity.scheme == "sigv4a" else sign
            credentials = await identity.credentials()
            if identity.scheme == "sigv4-s3express" and not iam:
                credentials = await self._session.credentials(credentials, self._create_session)
            sent = signer(
                method,
                target,
                sent,
                credentials=credentials,
                region=identity.region,
                service=identity.service,
                now=datetime.now(UTC),
                payload=payload,
            )
        # A Content-Encoding is what the object was stored with, and its bytes come as they were stored.
        return Request(method, identity.origin, target, sent, identity.tls, encoded=True)

    async def ask(
        self,
        method: str,
        key: str | None,
        headers: Headers = (),
        query: dict[str, str] | None = None,
        *,
        body: memoryview | None = None,
        iam: bool = False,
    ) -> Response:
        """Send a request whose reply is small, to the region where the bucket is.

        Args:
            method: HTTP method.
            key: The object's; None: about the bucket.
            headers: Beside Host and the signature's; their names in lower case.
            query: Parameters, in no order.
            body: Sent from where it is. Its hash is not signed: that would read it once more, and slower than a CRC.
            iam: As for `request`.
        """
        payload = EMPTY_SHA256 if body is None else UNSIGNED_PAYLOAD
        wire, asked = self.instance.wire, self._identity
        with self._counting_attempts():
            request = await self.request(method, key, headers, query, payload=payload, iam=iam)
            reply = await wire.send(request, body)
            if self._session_rejected(reply, request) or await self._outdated(reply, asked):
                reply = await wire.send(await self.request(method, key, headers, query, payload=payload, iam=iam), body)
            return reply

    async def fetch(self, key: str, headers: Headers, into: memoryview) -> Response:
        """Receive an object, or a range of it, in place; as `Wire.fetch`."""
        wire, asked = self.instance.wire, self._identity
        with self._counting_attempts():
            request = await self.request("GET", key, headers)
            reply = await wire.fetch(request, into)
            if self._session_rejected(reply, request) or await self._outdated(reply, asked):
                reply = await wire.fetch(await self.request("GET", key, headers), into)
            return reply

    @asynccontextmanager
    async def stream(self, key: str, headers: Headers) -> AsyncGenerator[StreamedResponse]:
        """Receive an object as it comes; as `Wire.stream`. Its status is 200.

        Raises:
            StorageError: The service refused.
        """
        with self._counting_attempts():
            for last in (False, True):
                asked = self._identity
                request = await self.request("GET", key, headers)
                async with self.instance.wire.stream(request) as reply:
                    if reply.status == 200:
                        yield reply
                        return
                    told = memoryview(bytearray(_ERROR_BODY))
                    count = 0
                    while count < len(told) and (more := await reply.readinto(told[count:])):
                        count += more
                    refusal = Response(reply.status, reply.headers, bytes(told[:count]))
                again = not last and (self._session_rejected(refusal, request) or await self._outdated(refusal, asked))
                if not again:
                    raise self.error(refusal, key)

    async def stat(self, key: str) -> ObjectInfo:
        """What a HEAD tells of an object.

        Raises:
            StorageError: There is none, or the service refused.
        """
        reply = await self.ask("HEAD", key, [("x-amz-checksum-mode", "ENABLED")])
        if reply.status != 200:
            raise self.error(reply, key)
        return replies.object_info(key, reply, md5_tags=not self.directory)

    def error(self, reply: Response, key: str | None) -> StorageError:
        """The failure that a reply reports."""
        error = replies.error(reply, bucket=self.location.root, key=key)
        error.attempts = self._identity.attempts
        return error

    def field(self, reply: Response, name: str) -> str:
        """A field of the XML in a reply of status 200; as `replies.field`."""
        with self._counting_attempts():
            return replies.field(reply, name)

    @contextmanager
    def _counting_attempts(self) -> Generator[None]:
        """Let errors say how often a request may be sent, where the environment or the profile does."""
        try:
            yield
        except StorageError as error:
            error.attempts = self._identity.attempts
            raise

    @property
    def _session(self) -> express.Session:
        """The session on this directory bucket, which all calls of the instance share."""
        identity = self._identity
        key = ("s3express", self.location.root, self.config, identity.origin, identity.path, identity.region)
        found: express.Session = self.instance.credentials.setdefault(key, express.Session())
        return found

    async def _create_session(self) -> Response:
        reply = await self.ask("GET", None, query={"session": ""}, iam=True)
        if reply.status != 200:
            raise express.refused(self.error(reply, None), self.location.root)
        return reply

    def _session_rejected(self, reply: Response, request: Request) -> bool:
        """Whether to send a request once more, with the credentials of the next session."""
        token = express.rejected(reply, request)
        if token is not None:
            self._session.discard(token)
        return token is not None

    async def _outdated(self, reply: Response, asked: Identity) -> bool:
        """Whether to send a request once more: to the region that the service names, or with the next credentials."""
        region = replies.region_told(reply)
        # A signature for a set of regions needs no other one.
        moved = region is not None and region != asked.region and asked.scheme != "sigv4a"
        ended = replies.credentials_ended(reply)
        if not moved and not ended:
            return False
        async with self._changing:  # other requests of this moment get the same answer
            if region is not None and region not in {asked.region, self._identity.region}:
                self._identity = await self._identity.at_region(region, self.location.root, self.config, self.instance)
            elif ended and self._identity is asked:
                self._identity = await self._renewed(asked)
            return self._identity is not asked

    async def _renewed(self, asked: Identity) -> Identity:
        """With the credentials that have replaced those that the service no longer accepts, if there are any.

        If the environment or the files name another endpoint, role or profile by now, their credentials belong to
        somebody else.
        """
        if asked.credentials is None or self.config.access_key_id is not None:
            return asked
        now = asyncio.get_running_loop().time()
        if now < self._look_again:  # to look costs a parse of the SDK's files
            return asked
        self._look_again = now + _LOOK_AGAIN
        latest = self.instance.for_call()
        if identifying(latest.environ) != identifying(self.instance.environ):
            return asked
        for pause in _WHILE_WRITTEN:
            try:
                found = await resolve(self.location.root, self.config, latest)
                if (found.origin, found.path) != (self._first.origin, self._first.path):
                    return asked
                if found.credentials is None or await found.credentials() == await asked.credentials():
                    return asked
                return replace(asked, credentials=found.credentials)
            except StorageError:  # perhaps half of a file that is being written
                await anyio.sleep(pause)
        return asked  # the service's own error is the one to report
