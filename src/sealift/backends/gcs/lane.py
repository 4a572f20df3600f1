"""Small objects one after the other, on one connection; see `lane_contract.Lane`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ...types import Head, ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...wire import ConnectionLane, Expectation, HeldConnection, Request
from . import replies
from .bucket import Bucket, Query
from .put_request import PutRequest

__all__ = ["GCSLane", "expectation", "generation_query", "open_lane"]


class GCSLane(ConnectionLane):
    """Reads and stores objects of one bucket; blocks.

    Args:
        bucket: The bucket.
        bearer: Token of the requests; None: they are anonymous.
        connection: Sends them.
    """

    def __init__(self, bucket: Bucket, bearer: str | None, connection: HeldConnection) -> None:
        super().__init__(connection)
        self._bucket = bucket
        self._bearer = bearer

    def read(self, obj: ObjectInfo, into: memoryview) -> Head:
        reply = self.receive(obj, into, expectation(obj, 0))
        return Head(obj.version, obj.size, replies.header_checksums(reply))

    def read_request(self, obj: ObjectInfo) -> Request:
        return self._bucket.read_request(obj.key, generation_query(obj), [], self._bearer)

    def put(
        self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES, *, overwrite: bool = True
    ) -> ObjectInfo:
        put = PutRequest.of(self._bucket, key, data, properties, overwrite=overwrite)
        request = self._bucket.request(put.method, put.path, put.query, put.headers, self._bearer)
        return put.stored(self._bucket, self.send(request, put.body))


@asynccontextmanager
async def open_lane(bucket: Bucket) -> AsyncGenerator[GCSLane]:
    """Take a connection to the service; see `Backend.open_lane`."""
    async with bucket.hold() as (bearer, connection):
        yield GCSLane(bucket, bearer, connection)


def generation_query(obj: ObjectInfo) -> Query:
    """The query that names an object's version."""
    return {} if obj.version is None else {"generation": obj.version}


def expectation(obj: ObjectInfo, start: int) -> Expectation:
    """What the reply to a read of an object must say, from the offset `start` on."""
    pinned = () if obj.version is None else (("x-goog-generation", ("", obj.version)),)
    return Expectation(start, obj.size, pinned)
