"""Backend for a ModelScope repository."""

import hashlib
from collections.abc import AsyncGenerator, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from ...contract import EVERYTHING, OnlyInOrder, Reader, Walk
from ...errors import ModelMissingError, ObjectChanged, ServiceError, TransportError
from ...keys.plain_path import is_plain_path
from ...lane_contract import Sink
from ...runtime.paging import one_level
from ...runtime.read_only import ReadOnlyBackend
from ...types import Capabilities, Head, ObjectInfo
from ...wire import Expectation, Request, Response, check_read, fill, fill_buffer
from ...wire.redirect import follow
from . import replies
from .download_urls import DownloadURLs
from .repository import FORWARDED_HEADERS, MOST_ENTRIES, Repository

__all__ = ["ModelScopeBackend"]

# Statuses of the storage for a URL that has expired.
_EXPIRED = {401, 403}


class ModelScopeBackend(ReadOnlyBackend):
    """One repository at one revision. A file is compared with the SHA-256 that was listed.

    Args:
        repository: Sends requests to the hub.
    """

    capabilities = Capabilities(writable=False, checksums=("sha256",), sinks=True)
    write_hint = "to upload, use `modelscope upload`"

    def __init__(self, repository: Repository) -> None:
        self.location = repository.location
        self._repository = repository
        self._urls = DownloadURLs(repository, self.compare)

    @property
    def service(self) -> Hashable:
        return ("modelscope", self._repository.origin)

    @property
    def address(self) -> str:
        return self._repository.address

    async def stat(self, key: str) -> ObjectInfo:
        cause = f"there is no file {key!r} in the ModelScope repository {self.location.root!r}"
        if not is_plain_path(key):
            raise ModelMissingError(key, cause=f"{cause}: this is not a valid path")
        entries = await self._repository.entries(key.rpartition("/")[0], recursive=False)
        for entry in entries:
            if entry["Path"] == key and not replies.is_directory(entry):
                return replies.object_info(entry)
        if len(entries) >= MOST_ENTRIES:
            raise _too_many(key.rpartition("/")[0])
        raise ModelMissingError(key, cause=cause)

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        directory = prefix.rpartition("/")[0]
        if directory and not is_plain_path(directory):
            return
        pending = [directory]
        while pending:
            under = pending.pop()
            entries = await self._entries(under, recursive=True)
            if len(entries) >= MOST_ENTRIES:  # some are missing
                entries = await self._entries(under, recursive=False)
                if len(entries) >= MOST_ENTRIES:
                    raise _too_many(under)
                pending += [str(entry["Path"]) for entry in entries if replies.is_directory(entry)]
            for entry in entries:
                if entry["Path"].startswith(prefix) and not replies.is_directory(entry):
                    yield replies.object_info(entry)

    async def _entries(self, directory: str, *, recursive: bool) -> Sequence[replies.Entry]:
        read = partial(self._repository.entries, directory, recursive=recursive)
        return await self._repository.instance.retry(read)

    def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return one_level(self.list(prefix), prefix)

    async def compare(self, obj: ObjectInfo) -> None:
        """Fail if a file is not the one that was listed."""
        if (await self.stat(obj.key)).version != obj.version:
            raise ObjectChanged(f"{obj.key!r} was replaced in the ModelScope repository")

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        whole = start == 0 and len(into) == obj.size
        if (obj.version or "").startswith(replies.LFS):
            await self._read_stored(obj, start, into, whole=whole)
        else:
            await self._read_small(obj, start, into)
        return Head(obj.version, obj.size, obj.checksums if whole else {})

    async def _read_small(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> None:
        """Read a file that the hub itself serves, always whole."""
        size, length = obj.size or 0, len(into)
        body = memoryview(bytearray(size + 1))
        async with self._repository.stream(self._repository.file(obj.key), obj.key) as reply:
            count = await fill_buffer(reply, body)
        disk = self._repository.instance.disk
        if count != size or replies.sha256_of(obj) != await disk.run(partial(_sha256, body[:size])):
            await self.compare(obj)
        if count != size:
            raise TransportError(f"{obj.key!r} has {size} bytes, but ModelScope sent {count}", retryable=True)
        part = body[start : start + length]
        if isinstance(into, memoryview):
            into[:] = part
        else:
            await disk.run(partial(_store, into, part))

    async def _read_stored(self, obj: ObjectInfo, start: int, into: memoryview | Sink, *, whole: bool) -> None:
        """Read a range of a file in Git LFS from its storage."""
        length = len(into)
        headers = [] if whole else [("range", f"bytes={start}-{start + length - 1}")]
        request = await self._urls.of(obj)
        reply = await self._fetch(request, headers, into, Expectation(start, obj.size))
        if reply.status in _EXPIRED:
            request = await self._urls.of(obj, expired=request)
            reply = await self._fetch(request, headers, into, Expectation(start, obj.size))
        if reply.status not in {200, 206}:
            raise self._repository.error(reply, obj.key)
        if reply.status == 200 and reply.unexpected and reply.header("content-range") is None:
            raise OnlyInOrder("the server sent the whole file instead of a range", replace(obj, ranged=False))
        check_read(reply, obj, start, length)

    async def _fetch(
        self,
        request: Request,
        headers: Sequence[tuple[str, str]],
        into: memoryview | Sink,
        expectation: Expectation,
    ) -> Response:
        request = replace(request, headers=[*request.headers, *headers])
        fetch = self._repository.instance.wire.fetch
        return await follow(request, lambda each: fetch(each, into, expectation), FORWARDED_HEADERS)

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        async with self._repository.stream(self._repository.file(obj.key), obj.key) as reply:
            yield _ComparedAtEnd(reply, self, obj)


class _ComparedAtEnd:
    """Reader that fails at the end of the body if that is not the listed file.

    Args:
        body: The body.
        backend: Where it comes from.
        obj: The file.
    """

    def __init__(self, body: Reader, backend: ModelScopeBackend, obj: ObjectInfo) -> None:
        self._body = body
        self._backend = backend
        self._obj = obj
        self._hash = hashlib.sha256()

    async def readinto(self, view: memoryview) -> int:
        """See `Reader.readinto`."""
        count = await self._body.readinto(view)
        if count:
            self._hash.update(view[:count])
        elif replies.sha256_of(self._obj) != self._hash.hexdigest():  # or damaged on the way, which the engine notices
            await self._backend.compare(self._obj)
        return count


def _sha256(data: memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _store(sink: Sink, data: memoryview) -> None:
    fill(sink, data)
    sink.flush()


def _too_many(directory: str) -> ServiceError:
    where = f"the directory {directory!r}" if directory else "the repository"
    return ServiceError(
        f"ModelScope lists only the first {MOST_ENTRIES} entries of {where}",
        hint="read it as a Git repository: https://www.modelscope.cn/OWNER/NAME.git",
    )
