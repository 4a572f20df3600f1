"""Backend for the files of one HTTP server. They can be read, but not listed or written."""

from collections.abc import AsyncGenerator, Collection, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn

from ...contract import EVERYTHING, Reader, Upload, Walk
from ...errors import ObjectChanged, TransportError, UnsupportedOperation
from ...instance import Instance
from ...lane_contract import Sink, SmallObjects
from ...types import Capabilities, Head, ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...uri import Location
from ...wire import Expectation, Response, check_expected, check_range
from . import replies
from .decode import CODINGS, Decoded
from .site import Site

__all__ = ["HTTPBackend"]


class HTTPBackend:
    """One server; a key is the path of a URL, percent-encoded as in the URI.

    Args:
        site: Sends requests to the server.
        instance: Provides threads.
    """

    capabilities = Capabilities(writable=False, listable=False, sinks=True)
    address = ""
    small_objects: SmallObjects | None = None

    def __init__(self, site: Site, instance: Instance) -> None:
        self.location = site.location
        self._site = site
        self._instance = instance

    @property
    def service(self) -> Hashable:
        return ("http", self.location.root)

    async def stat(self, key: str) -> ObjectInfo:
        return replies.object_info(key, await self._site.find(key))

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        length = len(into)
        headers = _pinned(obj)
        # Also for the whole file: Content-Range reveals a file that has grown on a server that ignores the condition.
        if obj.ranged:
            headers.append(("range", f"bytes={start}-{start + length - 1}"))
        pinned = () if obj.version is None else (("etag", (obj.version,)),)
        reply = await self._site.fetch(obj.key, headers, into, Expectation(start, obj.size, pinned))
        version = replies.version(reply)
        if obj.version is not None and version != obj.version:
            if version is None:
                raise TransportError("the response to a range request has no ETag")
            raise ObjectChanged("the file was replaced while it was read")
        size = check_range(reply, start, length)
        if size is not None and size != obj.size:
            raise ObjectChanged("the size of the file has changed")
        check_expected(reply)
        return Head(version, size)

    async def checksums(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}  # there are no composite checksums

    async def tags(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        async with self._site.stream(obj.key, _pinned(obj)) as reply:
            head = Response(reply.status, reply.headers)
            tag, size = reply.header("etag"), replies.length(head)
            # The ETag of an encoded body is weak, or should be.
            if obj.version is not None and tag is not None and tag.removeprefix("W/") != obj.version:
                raise ObjectChanged("the file was replaced before it was read")
            if obj.size is not None and size is not None and size != obj.size:
                raise ObjectChanged("the size of the file has changed")
            coding = replies.content_coding(head)
            if coding is None:
                yield reply
            elif coding in CODINGS:
                yield Decoded(reply, coding, self._instance.disk.run)
            else:
                raise TransportError(
                    f"the server sent a body with unsupported Content-Encoding {coding!r}; identity was requested"
                )

    def find_and_read(self, key: str) -> None:
        # A file without ranges is to be requested once, also if it is large.
        return None

    def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        raise UnsupportedOperation(f"{self.location.scheme}:// cannot be listed", hint="name each file by its URL")

    async def put(self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES) -> ObjectInfo:
        self._refuse()

    def open_lane(self) -> None:
        return None

    async def open_upload(
        self, key: str, size: int | None, *, properties: Properties = NO_PROPERTIES, resume: str | None = None
    ) -> Upload:
        self._refuse()

    async def copy(self, src: Location, obj: ObjectInfo, key: str) -> ObjectInfo:
        self._refuse()

    async def delete(self, key: str, *, snapshots: bool = False) -> None:
        self._refuse()

    async def delete_many(
        self, keys: Sequence[str], under: str, *, snapshots: bool = False, keep: Collection[str] = ()
    ) -> None:
        self._refuse()

    async def aclose(self) -> None:
        """Release nothing: the instance owns the connections."""

    def _refuse(self) -> NoReturn:
        raise UnsupportedOperation(f"{self.location.scheme}:// can only be read")


def _pinned(obj: ObjectInfo) -> list[tuple[str, str]]:
    return [] if obj.version is None else [("if-match", obj.version)]
