"""Small objects one after the other, on one connection; see `lane_contract.Lane`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

from ...types import Head, ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...wire import ConnectionLane, HeldConnection, Request
from .bucket import Bucket, Headers
from .object_info import version_query
from .read import WHOLE_HEADERS, expectation, read_headers, whole_head
from .request_template import RequestTemplate
from .signature import UNSIGNED_PAYLOAD
from .signer import Signer

__all__ = ["S3Lane", "open_lane"]


class S3Lane(ConnectionLane):
    """Reads and stores objects of one bucket; blocks.

    Args:
        bucket: The bucket.
        signer: Signs the requests.
        connection: Sends them.
    """

    def __init__(self, bucket: Bucket, signer: Signer, connection: HeldConnection) -> None:
        super().__init__(connection)
        self._bucket = bucket
        self._signer = signer
        self._templates = signer.access.scheme != "sigv4a"
        self._reads: RequestTemplate | None = None
        self._puts: dict[tuple[str, ...], RequestTemplate] = {}

    def read(self, obj: ObjectInfo, into: memoryview) -> Head:
        return whole_head(self._bucket, obj, self.receive(obj, into, expectation(obj, 0)))

    def read_head(self, obj: ObjectInfo) -> bytes:
        plain = obj.version is not None and obj.version.startswith('"') and obj.version_id is None
        if not self._templates or not plain or obj.version is None:
            return super().read_head(obj)
        if self._reads is None:
            self._reads = RequestTemplate(self._signer, "GET", WHOLE_HEADERS, ["if-match"])
        return self._reads.encode(obj.key, obj.version)

    def read_request(self, obj: ObjectInfo) -> Request:
        headers, _ = read_headers(obj, 0, obj.size or 0)
        return self._signer.request("GET", obj.key, headers, version_query(obj))

    def put(
        self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES, *, overwrite: bool = True
    ) -> ObjectInfo:
        from .put import condition, put_headers, refuse_existing, stored_object  # noqa: PLC0415 - downloads need neither

        kept, digests, headers = put_headers(self._bucket, key, data, properties)
        # Values with two spaces are signed in another form than sent.
        if self._templates and overwrite and all("  " not in value for _, value in headers):
            reply = self.connection.send(self._put_head(key, len(data), headers), data, self.sent)
        else:
            headers = [*headers, *condition(overwrite=overwrite)]
            reply = self.send(self._signer.request("PUT", key, headers, payload=UNSIGNED_PAYLOAD), data)
            refuse_existing(reply, key, overwrite=overwrite)
        return replace(stored_object(self._bucket, reply, key, len(data), digests), properties=kept)

    def _put_head(self, key: str, size: int, headers: Headers) -> bytes:
        varying = sorted([("content-length", str(size)), *headers])
        names = tuple([name for name, _ in varying])
        template = self._puts.get(names)
        if template is None:
            template = RequestTemplate(self._signer, "PUT", [], names, payload=UNSIGNED_PAYLOAD)
            self._puts[names] = template
        return template.encode(key, *[value for _, value in varying])


@asynccontextmanager
async def open_lane(bucket: Bucket) -> AsyncGenerator[S3Lane]:
    """Take a connection to a bucket's service; see `Backend.open_lane`."""
    async with bucket.hold() as (signer, connection):
        yield S3Lane(bucket, signer, connection)
