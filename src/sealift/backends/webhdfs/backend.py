"""Backend for the files of an HDFS cluster."""

from collections.abc import AsyncGenerator, Hashable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from ...contract import EVERYTHING, Reader, Walk
from ...errors import AccessDenied, ModelMissingError, ObjectChanged, ServiceError, Skipped, StorageError
from ...keys.plain_path import is_plain_path
from ...lane_contract import Sink
from ...runtime.paging import Page, paginate
from ...runtime.read_only import ReadOnlyBackend
from ...types import Capabilities, Head, ObjectInfo
from ...uri import Location
from . import checksum, replies
from .namenode import Namenode

__all__ = ["WebHDFSBackend"]

# Namenodes leave it to clients to follow links, and WebHDFS does not.
_LINK = "is a symbolic link, which WebHDFS does not follow"


class WebHDFSBackend(ReadOnlyBackend):
    """The files below a directory. WebHDFS cannot pin a read to a version, so the version is compared after each.

    Args:
        location: The root.
        directory: The directory of the root: "" or an absolute path.
        namenode: Sends requests.
    """

    capabilities = Capabilities(writable=False, sinks=True)

    def __init__(self, location: Location, directory: str, namenode: Namenode) -> None:
        self.location = location
        self._directory = directory
        self._namenode = namenode
        self._in_batches = True

    @property
    def service(self) -> Hashable:
        return ("webhdfs", self._namenode.origins)

    @property
    def address(self) -> str:
        return f"{self._namenode.origins[0].netloc}{self._directory}"

    async def stat(self, key: str) -> ObjectInfo:
        if not is_plain_path(key):
            raise ModelMissingError(key, cause=f"there is no file {key!r}: this is not a valid path in HDFS")
        entry = replies.status(await self._namenode.ask("GETFILESTATUS", self._path(key)))
        if entry["type"] != "FILE":
            raise ModelMissingError(key, cause=f"{key!r} is a directory")
        return replies.object_info(key, entry)

    def _path(self, key: str) -> str:
        return f"{self._directory}/{key}".rstrip("/")

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        directory, slash, _ = prefix.rpartition("/")
        if directory and not is_plain_path(directory):
            return
        pending, first = [directory + slash], True
        while pending:
            under, empty = pending.pop(), True
            try:
                async with aclosing(self._level(under, walk, prefix)) as entries:
                    async for entry in entries:
                        empty = False
                        if first and not entry.key.startswith(prefix):
                            continue
                        if not entry.is_prefix:
                            yield entry
                        elif walk.enter is None or walk.enter(entry.key):
                            pending.append(entry.key)
            except ModelMissingError:  # there is no such directory, or it was deleted meanwhile
                empty = False
            if empty and under and under.startswith(prefix):
                yield ObjectInfo(under, 0)
            first = False

    async def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        if prefix and not is_plain_path(prefix.rstrip("/")):
            return
        try:
            async with aclosing(self._level(prefix, walk, prefix)) as entries:
                async for entry in entries:
                    yield entry
        except ModelMissingError:
            return

    def _level(self, under: str, walk: Walk, prefix: str) -> AsyncGenerator[ObjectInfo]:
        """The files in a directory, and its directories as prefixes.

        Args:
            under: Key of the directory: "" or ending in "/".
            walk: Is told of symbolic links whose keys begin with the prefix.
            prefix: The prefix.

        Raises:
            ModelMissingError: There is no such directory.
        """
        return paginate(lambda after: self._page(under, after, walk, prefix), self._namenode.instance.retry)

    async def _page(self, under: str, after: str | None, walk: Walk, prefix: str) -> Page:
        path = self._path(under)
        entries, remaining = await self._entries(path, after)
        if any(not entry["pathSuffix"] for entry in entries):  # a file lists itself
            raise ModelMissingError(path, cause=f"{path!r} is a file, not a directory")
        objects = []
        for entry in entries:
            key = under + entry["pathSuffix"]
            if entry["type"] == "FILE":
                objects.append(replies.object_info(key, entry))
            elif entry["type"] == "DIRECTORY":
                objects.append(ObjectInfo(f"{key}/", None, is_prefix=True))
            elif walk.on_skip is not None and key.startswith(prefix):
                walk.on_skip(Skipped(key, "symbolic link", _LINK))
        return objects, entries[-1]["pathSuffix"] if entries and remaining else None

    async def _entries(self, path: str, after: str | None) -> tuple[Sequence[Mapping[str, Any]], int]:
        """One page of a directory; with Hadoop before 2.9, which has no pages, all of it."""
        if self._in_batches:
            parameters = {} if after is None else {"startAfter": after}
            try:
                return replies.page(await self._namenode.ask("LISTSTATUS_BATCH", path, **parameters))
            except StorageError as error:
                if after is not None or not replies.is_unknown_operation(error):
                    raise
        listed = replies.page(await self._namenode.ask("LISTSTATUS", path))
        self._in_batches = False
        return listed

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        try:
            await self._namenode.fetch(self._path(obj.key), start, into)
        except StorageError as error:
            await self._explain(obj, error)
            raise
        try:
            await self.compare(obj)
        except BaseException:
            if not isinstance(into, memoryview):
                # The bytes may be those of another version: the next read begins again.
                await self._namenode.instance.disk.run(into.rewind)
            raise
        return Head(obj.version, obj.size)

    async def compare(self, obj: ObjectInfo) -> None:
        """Fail if the file is not the one that was listed. It was then at no time before, as versions never return."""
        if obj.version is not None and (await self.stat(obj.key)).version != obj.version:
            raise ObjectChanged(f"{obj.key!r} was replaced while it was read")

    async def _explain(self, obj: ObjectInfo, error: StorageError) -> None:
        """Raise ObjectChanged if a read failed because the file was replaced, for example by a shorter one."""
        try:
            await self.compare(obj)
        except (ObjectChanged, ModelMissingError) as reason:
            raise reason from None
        except StorageError:  # the first error says more
            raise error from None

    async def checksums(self, obj: ObjectInfo) -> Mapping[str, str]:
        try:
            reply = await self._namenode.ask("GETFILECHECKSUM", self._path(obj.key))
        except (AccessDenied, ServiceError) as error:
            if error.retryable:
                raise
            return {}  # the server does not know the operation, or no datanode can compute it
        found = checksum.parse(reply)
        await self.compare(obj)
        return found

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        async with self._namenode.stream(self._path(obj.key)) as reply:
            await self.compare(obj)
            yield _ComparedAtEnd(reply, self, obj)


class _ComparedAtEnd:
    """Reader that fails at the end of the body if the file was replaced.

    Args:
        body: The body.
        backend: Where it comes from.
        obj: The file.
    """

    def __init__(self, body: Reader, backend: WebHDFSBackend, obj: ObjectInfo) -> None:
        self._body = body
        self._backend = backend
        self._obj = obj

    async def readinto(self, view: memoryview) -> int:
        """See `Reader.readinto`."""
        count = await self._body.readinto(view)
        if not count:
            await self._backend.compare(self._obj)
        return count
