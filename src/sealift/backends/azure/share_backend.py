"""Backend for an Azure file share, read-only."""

from collections.abc import AsyncGenerator, Hashable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

from ...contract import EVERYTHING, Reader, Walk
from ...errors import ModelMissingError, ObjectChanged, UnsupportedOperation
from ...lane_contract import Sink
from ...runtime.paging import Page, paginate
from ...runtime.read_only import ReadOnlyBackend
from ...types import Capabilities, Head, ObjectInfo
from ...types.properties import NO_PROPERTIES
from ...wire import Response, check_read
from . import replies
from .lane import expectation
from .properties import of_reply
from .share import Share
from .share_replies import NO_SHARE, page

__all__ = ["FileShareBackend"]

# Entries per page, at most: https://learn.microsoft.com/rest/api/storageservices/list-directories-and-files
_PAGE = "5000"
_IDENTITY = [("accept-encoding", "identity")]


class FileShareBackend(ReadOnlyBackend):
    """One file share. The service has no conditions for reads, so the version is compared with that of the response.

    Args:
        share: Sends the requests.
    """

    capabilities = Capabilities(writable=False, checksums=("md5",), sinks=True)
    kind = "Azure file shares"
    write_hint = "to write to one, use AzCopy, or mount it"

    def __init__(self, share: Share) -> None:
        self._share = share
        self.location = share.location

    @property
    def service(self) -> Hashable:
        return ("azure files", self._share.address)

    @property
    def address(self) -> str:
        return self._share.address

    async def stat(self, key: str) -> ObjectInfo:
        return await self._share.stat(key)

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        pending = [prefix]
        while pending:
            async with aclosing(self._entries(pending.pop())) as entries:
                async for obj in entries:
                    if not obj.is_prefix:
                        yield obj
                    elif walk.enter is None or walk.enter(obj.key[:-1]):
                        pending.append(obj.key)

    def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return self._entries(prefix)

    async def _entries(self, prefix: str) -> AsyncGenerator[ObjectInfo]:
        """List what begins with a prefix in its directory; an empty directory as a marker, a missing one as nothing."""
        above, slash, start = prefix.rpartition("/")
        directory, empty = above + slash, True

        async def request(marker: str | None) -> Page:
            query = {
                "restype": "directory",
                "comp": "list",
                "include": "Timestamps,ETag",
                "maxresults": _PAGE,
                **({"prefix": start} if start else {}),
                **({"marker": marker} if marker is not None else {}),
            }
            # Otherwise the sizes of files that other clients have open are not up to date.
            reply = await self._share.send("GET", above or None, [("x-ms-file-extended-info", "true")], query)
            if reply.status != 200:
                raise self._share.error(reply, above or None)
            return page(reply.body, directory)

        try:
            async with aclosing(paginate(request, self._share.instance.retry)) as entries:
                async for obj in entries:
                    empty = False
                    if obj.key.startswith(prefix):  # the service ignores case
                        yield obj
        except ModelMissingError as error:
            if error.code in NO_SHARE or not above:
                raise
        else:
            if empty and directory and not start:
                yield ObjectInfo(directory, 0, properties=NO_PROPERTIES)

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        length = len(into)
        whole = start == 0 and length == obj.size
        ranges = [] if whole else [("range", f"bytes={start}-{start + length - 1}")]
        reply = await self._share.fetch(obj, [*_IDENTITY, *ranges], into, expectation(obj, start))
        self._check_version(obj, reply)
        size = check_read(reply, obj, start, length)
        # With a range, Content-MD5 is not that of the whole file.
        digests = replies.md5(reply.header("content-md5")) if whole else {}
        return Head(obj.version, size, digests, properties=of_reply(reply))

    def _check_version(self, obj: ObjectInfo, reply: Response) -> None:
        if obj.version is not None and replies.quoted(reply.header("etag")) != obj.version:
            raise ObjectChanged(f"the file {obj.key!r} was replaced while it was read")

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        async with self._share.stream(obj, _IDENTITY) as reply:
            self._check_version(obj, Response(reply.status, reply.headers))
            yield reply

    def find_and_read(
        self, key: str, last: int | None = None
    ) -> AbstractAsyncContextManager[tuple[ObjectInfo, Reader]] | None:
        return self._find_and_read(key) if last is None else None

    @asynccontextmanager
    async def _find_and_read(self, key: str) -> AsyncGenerator[tuple[ObjectInfo, Reader]]:
        async with self._share.stream(ObjectInfo(key, None), _IDENTITY) as reply:
            yield replies.object_info(key, Response(reply.status, reply.headers)), reply

    async def presign(self, key: str, method: str, seconds: int) -> str:
        hint = "create a SAS with az or the portal"
        raise UnsupportedOperation("presigned URLs of Azure file shares are not supported", hint=hint)
