"""Backend for the files of one HTTP server. They can be read, but not listed or written."""

import asyncio
import re
from collections.abc import AsyncGenerator, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from ...contract import EVERYTHING, OnlyInOrder, Reader, Walk
from ...errors import ObjectChanged, ServiceError, StorageError, TransportError, UnsupportedOperation
from ...instance import Instance
from ...lane_contract import Sink
from ...runtime.read_only import ReadOnlyBackend
from ...types import Capabilities, Head, ObjectInfo
from ...wire import Expectation, Response, StreamedResponse, check_expected, check_range, check_suffix, fill_buffer
from . import replies
from .decode import CODINGS, Decoded
from .site import Site

__all__ = ["HTTPBackend"]

_PAGE_START = 512
# The start of HTML, perhaps after a byte order mark, an XML declaration and comments.
_PAGE = re.compile(rb"(?is)(?:\xef\xbb\xbf)?\s*(?>(?:<\?xml[^>]*>|<!--.*?-->)\s*)*+(?:<!doctype html|<html)")
# Statuses for a range, or for its condition, of servers that would send the whole file.
_RANGES_REFUSED = {400, 501}
# Requests that find out whether the versions of a file mean anything.
_ASKED = 4


class HTTPBackend(ReadOnlyBackend):
    """One server; a key is the path of a URL, percent-encoded as in the URI.

    Args:
        site: Sends requests to the server.
        instance: Provides threads.
    """

    capabilities = Capabilities(writable=False, listable=False, sinks=True)

    def __init__(self, site: Site, instance: Instance) -> None:
        self.location = site.location
        self._site = site
        self._instance = instance
        self._asking = asyncio.Lock()
        self._unstable: set[str] = set()  # keys of files whose versions mean nothing
        self._ranges_given: set[str] = set()  # keys of files of which a range was received

    @property
    def service(self) -> Hashable:
        return ("http", self.location.root)

    async def stat(self, key: str) -> ObjectInfo:
        obj = replies.object_info(key, await self._site.find(key))
        if replies.is_page(obj) and await self._is_page(obj):
            raise ServiceError(
                "the server sent a web page instead of the file",
                hint="open the URL in a browser: it may need a login (HTTPConfig(headers=…)), or another URL may be "
                "that of the download",
            )
        return obj

    async def _is_page(self, obj: ObjectInfo) -> bool:
        """Whether the file begins like a web page: some servers send any file as text/html."""
        start = memoryview(bytearray(_PAGE_START))
        async with self.open_read(replace(obj, size=None, version=None)) as reader:
            count = await fill_buffer(reader, start)
        return _PAGE.match(bytes(start[:count])) is not None

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        length = len(into)
        headers, pinned = replies.pinned(obj)
        # Also for the whole file: Content-Range reveals a file that has grown on a server that ignores the condition.
        if obj.ranged:
            headers.append(("range", f"bytes={start}-{start + length - 1}"))
        encoded = obj.properties is not None and obj.properties.content_encoding is not None
        expectation = Expectation(start, obj.size, pinned)
        try:
            reply = await self._site.fetch(obj.key, headers, into, expectation, encoded=encoded)
        except ObjectChanged as error:
            raise await self._changed(obj, error) from None
        except ServiceError as error:
            # Once a range was received, a refusal has another reason, such as a signature that has expired.
            if not obj.ranged or error.status not in _RANGES_REFUSED or obj.key in self._ranges_given:
                raise
            unpinned = replace(obj, version=None, etag=None, ranged=False)
            raise OnlyInOrder(f"the server refuses ranges of the file ({error.status})", unpinned) from None
        if any((reply.header(name) or "") not in values for name, values in pinned):
            if reply.header("etag") is None:  # the version of these bytes is not known
                unpinned = replace(obj, version=None, etag=None, ranged=False)
                raise OnlyInOrder("the server sends ranges of the file without their version", unpinned)
            raise await self._changed(obj, ObjectChanged("the file was replaced while it was read"))
        if reply.status == 200 and reply.unexpected and reply.header("content-range") is None:
            raise OnlyInOrder("the server sent the whole file instead of a range", replace(obj, ranged=False))
        if reply.status == 206 and obj.ranged and reply.header("content-range") is None:
            raise OnlyInOrder("the server does not say which range of the file it sent", replace(obj, ranged=False))
        size = check_range(reply, start, length)
        if size is not None and size != obj.size:
            raise ObjectChanged("the size of the file has changed")
        check_expected(reply)
        if reply.status == 206:
            self._ranges_given.add(obj.key)
        return Head(obj.version, size)

    async def _changed(self, obj: ObjectInfo, error: ObjectChanged) -> StorageError:
        """The error for a version that is not the one to read: is it a new one, or do versions mean nothing here?

        Behind some load balancers, each server has ETags of its own; other servers invent them for each response.
        Concurrent requests use several connections, and so ask several servers.
        """
        async with self._asking:  # once for all parts
            if obj.key not in self._unstable:
                found = await asyncio.gather(*(self._site.find(obj.key) for _ in range(_ASKED)))
                now = [replies.object_info(obj.key, reply) for reply in found]
                versions = {(each.version, each.size) for each in now}
                if len(versions) == 1 and versions != {(obj.version, obj.size)}:
                    return error
                self._unstable.add(obj.key)
        unpinned = replace(obj, size=None, version=None, etag=None, ranged=False)
        return OnlyInOrder("the server's metadata of the file differs from one response to the next", unpinned)

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        headers, _ = replies.pinned(obj)
        reader: Reader | None = None
        try:
            async with self._site.stream(obj.key, headers) as reply:
                reader = self._reader(obj, reply)
                yield reader
        except ObjectChanged as error:
            if reader is not None:
                raise
            raise await self._changed(obj, error) from None

    def _reader(self, obj: ObjectInfo, reply: StreamedResponse) -> Reader:
        head = Response(reply.status, reply.headers)
        size = replies.length(head, obj.name or "")
        if not replies.same_version(obj, head):
            raise ObjectChanged("the file was replaced before it was read")
        if obj.size is not None and size is not None and size != obj.size:
            raise ObjectChanged("the size of the file has changed")
        reader: Reader = reply
        for coding in reversed(replies.codings(head, obj.name or "")):
            if coding not in CODINGS:
                raise TransportError(
                    f"the server sent a body with unsupported Content-Encoding {coding!r}; identity was requested"
                )
            reader = Decoded(reader, coding, self._instance.disk.run)
        return reader

    def find_and_read(
        self, key: str, last: int | None = None
    ) -> AbstractAsyncContextManager[tuple[ObjectInfo, Reader]] | None:
        # A file without ranges is to be requested once, also if it is large.
        return None if last is None else self._read_end(key, last)

    @asynccontextmanager
    async def _read_end(self, key: str, last: int) -> AsyncGenerator[tuple[ObjectInfo, Reader]]:
        headers = [("range", f"bytes=-{last}")]
        async with self._site.stream(key, headers, success={200, 206}) as reply:
            head = Response(reply.status, reply.headers)
            obj = replies.object_info(key, replies.of_whole(head, check_suffix(head, last)))
            if replies.is_page(obj):  # `stat` finds out whether it is one
                raise TransportError("the server sent a web page, perhaps instead of the file", retryable=True)
            yield obj, reply

    def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        raise UnsupportedOperation(f"{self.location.scheme}:// cannot be listed", hint="name each file by its URL")

    def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return self.list(prefix)
