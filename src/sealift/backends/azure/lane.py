"""Small objects one after the other, on one connection; see `lane_contract.Lane`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

from ...types import Head, ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...wire import ConnectionLane, Expectation, HeldConnection, Request
from . import replies
from .authorization import Authorization
from .container import Container
from .upload import condition, put_headers, refuse_existing, stored_blob

__all__ = ["AzureLane", "expectation", "open_lane", "pinned_headers"]


class AzureLane(ConnectionLane):
    """Reads and stores objects of one container; blocks.

    Args:
        container: The container.
        authorization: Authorizes the requests.
        connection: Sends them.
    """

    def __init__(self, container: Container, authorization: Authorization, connection: HeldConnection) -> None:
        super().__init__(connection)
        self._container = container
        self._authorization = authorization

    def read(self, obj: ObjectInfo, into: memoryview) -> Head:
        reply = self.receive(obj, into, expectation(obj, 0))
        return Head(obj.version, obj.size, replies.md5(reply.header("content-md5")))

    def read_request(self, obj: ObjectInfo) -> Request:
        query = replies.version_query(obj)
        return self._container.authorized(self._authorization, "GET", obj.key, pinned_headers(obj), query)

    def put(
        self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES, *, overwrite: bool = True
    ) -> ObjectInfo:
        kept, digests, headers = put_headers(key, data, properties)
        headers = [*headers, *condition(overwrite=overwrite)]
        request = self._container.authorized(self._authorization, "PUT", key, headers)
        reply = self.send(request, data)
        refuse_existing(reply, key, overwrite=overwrite)
        return replace(stored_blob(self._container, reply, key, len(data), digests), properties=kept)


@asynccontextmanager
async def open_lane(container: Container) -> AsyncGenerator[AzureLane]:
    """Take a connection to the service; see `Backend.open_lane`."""
    async with container.hold() as (authorization, connection):
        yield AzureLane(container, authorization, connection)


def pinned_headers(obj: ObjectInfo) -> list[tuple[str, str]]:
    """The headers of a read of an object's version."""
    headers = [("accept-encoding", "identity")]
    return headers if obj.version is None else [*headers, ("if-match", obj.version)]


def expectation(obj: ObjectInfo, start: int) -> Expectation:
    """What the reply to a read of an object must say, from the offset `start` on."""
    pinned = () if obj.version is None else (("etag", (obj.version, obj.version.strip('"'))),)
    return Expectation(start, obj.size, pinned)
