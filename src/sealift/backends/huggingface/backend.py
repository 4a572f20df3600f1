"""Backend for a Hugging Face repository."""

from collections.abc import AsyncGenerator, Hashable, Sequence
from contextlib import aclosing, asynccontextmanager, nullcontext
from dataclasses import replace

from ...contract import EVERYTHING, OnlyInOrder, Reader, Walk
from ...errors import ModelMissingError, ObjectChanged, ServiceError
from ...keys.plain_path import is_plain_path
from ...lane_contract import Sink
from ...runtime.paging import Page, one_level, paginate
from ...runtime.read_only import ReadOnlyBackend
from ...types import Capabilities, Head, MiB, ObjectInfo
from ...types.properties import Properties
from ...wire import Expectation, Response, check_expected, check_range
from ...wire.redirect import follow
from . import replies, small_files
from .download_urls import DownloadURL, DownloadURLs
from .repository import FORWARDED_HEADERS, Repository

__all__ = ["HFBackend"]

# Statuses of the storage for an expired signed URL.
_EXPIRED = {401, 403}
# Statuses for a range of servers that would send the whole file, such as mirrors.
_RANGES_REFUSED = {400, 501}
# Bytes before a range that are received and skipped, if the hub sends the whole file. Beyond, a file is read in order.
_SKIPPED = 16 * MiB


class HFBackend(ReadOnlyBackend):
    """One repository at one commit, which cannot change, so reads need no condition.

    Args:
        repository: Sends requests to the hub.
        urls: Download URLs of the repository's files.
    """

    capabilities = Capabilities(writable=False, checksums=("sha256",), sinks=True)
    write_hint = "to upload, use `hf upload`"

    def __init__(self, repository: Repository, urls: DownloadURLs) -> None:
        self.location = repository.location
        self._repository = repository
        self._urls = urls
        self._ranges_given: set[str] = set()  # keys of files of which a range was received

    @property
    def service(self) -> Hashable:
        return ("hf", self._repository.origin)

    @property
    def address(self) -> str:
        return self._repository.address

    async def stat(self, key: str) -> ObjectInfo:
        if not is_plain_path(key):
            raise ModelMissingError(key, cause=f"there is no file {key!r}: this is not a valid path in a repository")
        commit = await self._repository.commit()
        url = await self._urls.of(self._path(key), commit.sha)
        sums = {} if url.sha256 is None else {"sha256": url.sha256}
        properties = Properties(content_type=url.content_type)
        return ObjectInfo(key, url.size, commit.sha, commit.date, url.etag, sums, properties)

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        directory = (self._repository.path(prefix) or "").rpartition("/")[0]
        if directory and not is_plain_path(directory):
            return
        pages = paginate(lambda query: self._page(directory, query), self._repository.instance.retry)
        async with aclosing(pages) as objects:
            async for obj in objects:
                if obj.key.startswith(prefix):
                    yield obj

    def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return one_level(self.list(prefix), prefix)  # a page of the recursive listing has 1,000 files

    async def _page(self, directory: str, query: str | None) -> Page:
        repository = self._repository
        commit = await repository.commit()
        reply = await repository.send(repository.tree(directory, commit.sha, query))
        if reply.status == 404 and reply.header("x-error-code") == "EntryNotFound":
            return [], None
        if reply.status == 404 and reply.header("x-error-code") is None and query is None:
            names = await repository.file_names(commit.sha)  # a mirror without listings of trees
            if names is not None:
                return replies.named(names, directory, commit.date, repository.below), None
        if reply.status != 200:
            raise repository.error(reply)
        return replies.page(reply, commit.sha, commit.date, repository.below), replies.next_page(reply)

    def _path(self, key: str) -> str:
        path = self._repository.path(key)
        if not path:
            raise ModelMissingError(key, cause=f"{key!r} is a branch, not a file")
        return path

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        length = len(into)
        sha = obj.version or (await self._repository.commit()).sha
        whole = start == 0 and length == obj.size
        range_header = [] if whole else [("range", f"bytes={start}-{start + length - 1}")]
        if "sha256" not in obj.checksums:
            request = self._repository.file("GET", self._path(obj.key), sha, *range_header)
            try:
                async with self._repository.stream(request, obj.key) as streamed:
                    _check_commit(streamed.header("x-repo-commit"), sha)
                    head = Response(streamed.status, streamed.headers)
                    if head.status == 206 or start > _SKIPPED:
                        self._check_ranges(obj, head)
                    disk = self._repository.instance.disk
                    await small_files.read_range(streamed, obj.size, start, into, disk)
            except ServiceError as error:
                if range_header and error.status is not None:
                    self._check_ranges(obj, Response(error.status, []))
                raise
            if range_header:
                self._ranges_given.add(obj.key)
            return Head(sha, obj.size, properties=Properties(content_type=streamed.header("content-type")))
        url = await self._urls.of(self._path(obj.key), sha)
        reply = await self._fetch(obj, url, range_header, into, Expectation(start, obj.size))
        if reply.status in _EXPIRED:
            url = await self._urls.of(self._path(obj.key), sha, expired=[url])
            reply = await self._fetch(obj, url, range_header, into, Expectation(start, obj.size))
        if range_header and reply.status != 200:
            self._check_ranges(obj, reply)
        if reply.status not in {200, 206}:
            at_hub = url.request.origin == self._repository.origin
            raise self._repository.error(reply, obj.key) if at_hub else replies.refused(reply, obj.key)
        if reply.unexpected:
            self._check_ranges(obj, reply)
        size = check_range(reply, start, length)
        if size is not None and size != obj.size:
            raise ObjectChanged(f"the file {obj.key!r} has {size} bytes, but the hub reported {obj.size}")
        check_expected(reply)
        if range_header:
            self._ranges_given.add(obj.key)
        properties = Properties(content_type=url.content_type)
        return Head(sha, size, obj.checksums if whole else {}, properties=properties)

    def _check_ranges(self, obj: ObjectInfo, reply: Response) -> None:
        """Fail with `OnlyInOrder` if the response to a range shows that the server has no ranges of this file."""
        cause = None
        if reply.status in _RANGES_REFUSED and obj.key not in self._ranges_given:
            # Once a range was received, a refusal has another reason.
            cause = f"the server refuses ranges of the file ({reply.status})"
        elif reply.status == 200 and reply.header("content-range") is None:
            cause = "the server sent the whole file instead of a range"
        elif reply.status == 206 and reply.header("content-range") is None:
            cause = "the server does not say which range of the file it sent"
        if cause is not None:
            raise OnlyInOrder(cause, replace(obj, ranged=False))

    async def _fetch(
        self,
        obj: ObjectInfo,
        url: DownloadURL,
        headers: Sequence[tuple[str, str]],
        into: memoryview | Sink,
        expectation: Expectation,
    ) -> Response:
        """Receive a range of a file from its download URL."""
        # A mirror may have ETags of its own; the checksum of the listing is compared at the end.
        if url.sha256 not in {None, obj.checksums["sha256"]} or url.size not in {None, obj.size}:
            raise ObjectChanged(f"the content of {obj.key!r} on the hub has changed")
        request = replace(url.request, headers=[*url.request.headers, *headers])
        at_hub = request.origin == self._repository.origin
        async with nullcontext() if at_hub else self._urls.storage:
            fetch = self._repository.instance.wire.fetch
            return await follow(request, lambda each: fetch(each, into, expectation), FORWARDED_HEADERS)

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        sha = obj.version or (await self._repository.commit()).sha
        async with self._repository.stream(self._repository.file("GET", self._path(obj.key), sha), obj.key) as reply:
            _check_commit(reply.header("x-repo-commit"), sha)
            yield small_files.decoded(reply)


def _check_commit(received: str | None, sha: str) -> None:
    if received is not None and received != sha:
        raise ObjectChanged(f"the hub answered for the commit {received} instead of {sha}")
