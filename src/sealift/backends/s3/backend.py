"""A bucket: each verb is a signed request, sent by the wire, and its reply read."""

import asyncio
from collections.abc import AsyncGenerator, Hashable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from ...backend import Reader, Upload
from ...config import S3Config
from ...errors import ObjectChanged, UnsupportedOperation
from ...resources import Resources
from ...types import Capabilities, Head, KiB, MiB, ObjectInfo
from ...uri import Location
from ...wire import Request, Response, check_range
from . import replies
from .identity import Identity
from .signature import quote_key, quote_query, sign

__all__ = ["S3Backend"]

# Bytes of an error's body that are looked at.
_ERROR_BODY = 16 * KiB


class S3Backend:
    """One bucket.

    Args:
        location: The bucket.
        config: As the caller gave it, or from the environment.
        identity: How to address and sign requests.
        resources: Of the instance.
    """

    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
    capabilities = Capabilities(min_part=5 * MiB, writable=False, checksums=replies.CHECKSUMS)

    def __init__(self, location: Location, config: S3Config, identity: Identity, resources: Resources) -> None:
        self.location = location
        self._config = config
        self._identity = identity
        self._resources = resources

    @property
    def service(self) -> Hashable:
        return ("s3", self._identity.origin, self._config)

    async def _request(
        self, method: str, key: str | None, headers: Sequence[tuple[str, str]] = (), query: str = ""
    ) -> Request:
        identity = self._identity
        target = f"{identity.path}/{'' if key is None else quote_key(key)}" + (f"?{query}" if query else "")
        sent = [("host", identity.origin.netloc), *headers]
        if identity.credentials is not None:
            sent = sign(
                method,
                target,
                sent,
                credentials=await identity.credentials(),
                region=identity.region,
                service=identity.service,
                now=datetime.now(UTC),
            )
        return Request(method, identity.origin, target, sent, identity.tls)

    async def _moved(self, reply: Response, asked: Identity) -> bool:
        """Whether the service names another region than the one asked; the request is then sent there once more."""
        region = replies.region_told(reply)
        if region is None or region == asked.region:
            return False
        if region != self._identity.region:  # unless another request has found out meanwhile
            self._identity = await asked.at_region(region, self.location.root, self._config, self._resources)
        return True

    async def _ask(
        self, method: str, key: str | None, headers: Sequence[tuple[str, str]] = (), query: str = ""
    ) -> Response:
        """Send a request whose reply is small, to the region where the bucket is."""
        asked = self._identity
        reply = await self._resources.wire.send(await self._request(method, key, headers, query))
        if await self._moved(reply, asked):
            reply = await self._resources.wire.send(await self._request(method, key, headers, query))
        return reply

    def _error(self, reply: Response, key: str | None) -> Exception:
        return replies.error(reply, bucket=self.location.root, key=key)

    async def stat(self, key: str) -> ObjectInfo:
        reply = await self._ask("HEAD", key, [("x-amz-checksum-mode", "ENABLED")])
        if reply.status != 200:
            raise self._error(reply, key)
        return replies.object_info(key, reply)

    async def list(self, prefix: str) -> AsyncGenerator[ObjectInfo]:
        # The next page is on its way while the objects of this one are handed out.
        coming = asyncio.ensure_future(self._page(prefix, None))
        try:
            while True:
                found, token = await coming
                if token is not None:
                    coming = asyncio.ensure_future(self._page(prefix, token))
                for obj in found:
                    yield obj
                if token is None:
                    return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _page(self, prefix: str, token: str | None) -> tuple[Sequence[ObjectInfo], str | None]:
        parameters = {"list-type": "2", "encoding-type": "url", "prefix": prefix}
        if token is not None:
            parameters["continuation-token"] = token

        async def ask() -> tuple[Sequence[ObjectInfo], str | None]:
            reply = await self._ask("GET", None, query=quote_query(parameters))
            if reply.status != 200:
                raise self._error(reply, None)
            return replies.page(reply.body)

        # Only the backend knows where a page begins, so it asks for the one retry loop itself.
        return await self._resources.retry(ask)

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview) -> Head:
        whole = start == 0 and len(into) == obj.size
        headers = [("accept-encoding", "identity")]
        if whole:
            headers.append(("x-amz-checksum-mode", "ENABLED"))
        else:
            headers.append(("range", f"bytes={start}-{start + len(into) - 1}"))
        # Services compare weak tags as unequal: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1
        if obj.version is not None and obj.version.startswith('"'):
            headers.append(("if-match", obj.version))
        wire, asked = self._resources.wire, self._identity
        reply = await wire.fetch(await self._request("GET", obj.key, headers), into)
        if await self._moved(reply, asked):
            reply = await wire.fetch(await self._request("GET", obj.key, headers), into)
        if reply.status not in {200, 206}:
            raise self._error(reply, obj.key)
        version = replies.quoted(reply.header("etag"))
        if obj.version is not None and version != obj.version:
            raise ObjectChanged(f"the object {obj.key!r} was replaced while it was read")
        size = check_range(reply, start, len(into))
        if obj.size is not None and size is not None and size != obj.size:
            raise ObjectChanged(f"the object {obj.key!r} has another size than before")
        return Head(version, size, replies.checksums(reply) if whole else {})

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        request = await self._request("GET", obj.key, [("accept-encoding", "identity")])
        async with self._resources.wire.stream(request) as reply:
            if reply.status != 200:
                told = memoryview(bytearray(_ERROR_BODY))
                count = await reply.readinto(told)
                raise self._error(Response(reply.status, reply.headers, bytes(told[:count])), obj.key)
            if obj.version is not None and replies.quoted(reply.header("etag")) != obj.version:
                raise ObjectChanged(f"the object {obj.key!r} was replaced before it was read")
            yield reply

    async def put(self, key: str, data: memoryview) -> ObjectInfo:
        raise self._read_only()

    async def open_upload(self, key: str, size: int | None, *, resume: str | None = None) -> Upload:
        raise self._read_only()

    async def copy(self, src: Location, obj: ObjectInfo, key: str) -> ObjectInfo:
        raise self._read_only()

    async def delete(self, key: str) -> None:
        raise self._read_only()

    @staticmethod
    def _read_only() -> UnsupportedOperation:
        return UnsupportedOperation("s3:// can only be read so far")

    async def aclose(self) -> None:
        """Nothing of its own to release."""
