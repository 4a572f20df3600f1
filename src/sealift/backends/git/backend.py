"""Backend for a Git repository."""

import asyncio
from collections.abc import AsyncGenerator, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from ...contract import EVERYTHING, OnlyInOrder, Reader, Walk
from ...errors import LocalIOError, ModelMissingError, ObjectChanged, Skipped, StorageError
from ...lane_contract import Sink
from ...runtime.paging import one_level
from ...runtime.read_only import ReadOnlyBackend
from ...runtime.shielded import shielded
from ...types import Capabilities, Head, ObjectInfo
from ...wire import Expectation, Request, Response, check_expected, check_range
from ...wire.redirect import MOST_REDIRECTS, redirected
from . import replies
from .checkout import Checkout, Commit, StoredFile
from .lfs import LFS
from .remote import Remote

__all__ = ["GitBackend"]

_FORWARDED = frozenset({"accept-encoding", "range", "user-agent"})
# Statuses for a URL that has expired.
_EXPIRED = {401, 403, 404, 410}


class GitBackend(ReadOnlyBackend):
    """One repository at one commit, which cannot change, so reads need no condition.

    Args:
        remote: Sends requests to the server.
    """

    capabilities = Capabilities(writable=False, checksums=("sha256",), sinks=True)
    write_hint = "to change a repository, use git"

    def __init__(self, remote: Remote) -> None:
        self.location = remote.location
        self._remote = remote
        self._fetching = asyncio.Lock()
        self._checkout: Checkout | None = None
        self._commit: Commit | None = None
        self._lfs: LFS | None = None

    @property
    def service(self) -> Hashable:
        return ("git", self.location.root, self.location.revision)

    @property
    def address(self) -> str:
        return str(self.location)

    async def stat(self, key: str) -> ObjectInfo:
        commit = await self._fetched()
        file = commit.files.get(key)
        if file is None:
            cause = f"there is no file {key!r} in the Git repository"
            if key in commit.left_out:
                cause = f"{key!r} {commit.left_out[key]}"
            raise ModelMissingError(key, cause=cause)
        return _info(key, file, commit)

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        commit = await self._remote.instance.retry(self._fetched)
        for key, file in commit.files.items():
            if key.startswith(prefix):
                yield _info(key, file, commit)
        if walk.on_skip is not None:
            for key, reason in commit.left_out.items():
                if key.startswith(prefix):
                    walk.on_skip(Skipped(key, "broken link" if "link" in reason else "special file", reason))

    def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        return one_level(self.list(prefix), prefix)

    async def _fetched(self) -> Commit:
        """The commit of the revision; fetched once."""
        async with self._fetching:
            if self._commit is None:
                self._commit = await self._fetch()
                self._lfs = LFS(self._remote, (file for file in self._commit.files.values() if file.path is None))
        return self._commit

    async def _fetch(self) -> Commit:
        await self._remove()
        instance, remote = self._remote.instance, self._remote
        advertised = await remote.advertised()
        sha = advertised.find(self.location.revision)
        await instance.disk.run(lambda: self._create(instance.environ.get("TMPDIR") or None))
        checkout = self._checkout
        assert checkout is not None  # noqa: S101 - for mypy

        async def write(data: bytes) -> None:
            await instance.disk.run(partial(checkout.write, data))

        await remote.fetch(advertised, sha, write)
        return await instance.disk.run(partial(checkout.unpack, sha), interrupt=checkout.stop)

    def _create(self, parent: str | None) -> None:
        self._checkout = Checkout(parent)

    async def _remove(self) -> None:
        checkout, self._checkout = self._checkout, None
        if checkout is not None:
            await shielded(self._remote.instance.disk.run(checkout.remove))

    async def _file(self, obj: ObjectInfo) -> StoredFile:
        commit = await self._fetched()
        file = commit.files.get(obj.key)
        if file is None or obj.version not in {None, commit.sha}:
            raise ObjectChanged(f"the revision is the commit {commit.sha} now, not {obj.version}")
        return file

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        file = await self._file(obj)
        whole = start == 0 and len(into) == file.size
        sums = {"sha256": file.sha256} if whole else {}
        if file.path is not None:
            await self._remote.instance.disk.run(partial(_read, file.path, start, into))
        else:
            await self._read_lfs(file, obj, start, into, whole=whole)
        return Head(obj.version, file.size, sums)

    async def _read_lfs(
        self, file: StoredFile, obj: ObjectInfo, start: int, into: memoryview | Sink, *, whole: bool
    ) -> None:
        length = len(into)
        headers = [] if whole else [("range", f"bytes={start}-{start + length - 1}")]
        expectation = Expectation(start, file.size)
        request = await self._located(file)
        reply = await self._receive(request, headers, into, expectation)
        if reply.status in _EXPIRED:
            request = await self._located(file, expired=request)
            reply = await self._receive(request, headers, into, expectation)
        if reply.status not in {200, 206}:
            raise self._error(reply, obj.key)
        if reply.status == 200 and reply.unexpected and reply.header("content-range") is None:
            raise OnlyInOrder("the server sent the whole file instead of a range", replace(obj, ranged=False))
        size = check_range(reply, start, length)
        if size is not None and size != file.size:
            raise ObjectChanged(f"{obj.key!r} has {size} bytes in Git LFS, but its pointer says {file.size}")
        check_expected(reply)

    async def _located(self, file: StoredFile, expired: Request | None = None) -> Request:
        assert self._lfs is not None  # noqa: S101 - for mypy: the commit was fetched
        return await self._lfs.request(file, expired=[expired] if expired else [])

    async def _receive(
        self, request: Request, headers: Sequence[tuple[str, str]], into: memoryview | Sink, expectation: Expectation
    ) -> Response:
        request = replace(request, headers=[*request.headers, *headers])
        for _ in range(MOST_REDIRECTS):
            reply = await self._remote.instance.wire.fetch(request, into, expectation)
            following = redirected(request, reply, _FORWARDED)
            if following is None:
                break
            request = following
        return reply

    def _error(self, reply: Response, key: str) -> StorageError:
        return replies.error(reply, f"{key!r} in Git LFS", signed_in=self._remote.signed_in)

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        file = await self._file(obj)
        if file.path is not None:
            yield _FileReader(self._remote, file.path)
            return
        request = await self._located(file)
        renewed = False
        for _ in range(MOST_REDIRECTS):
            async with self._remote.instance.wire.stream(request) as reply:
                if reply.status == 200:
                    yield reply
                    return
                failure = await reply.failure()
            following = redirected(request, failure, _FORWARDED)
            if following is None and failure.status in _EXPIRED and not renewed:
                renewed, following = True, await self._located(file, expired=request)
            if following is None:
                raise self._error(failure, obj.key)
            request = following
        raise self._error(failure, obj.key)

    async def aclose(self) -> None:
        """Delete the files."""
        await self._remove()


class _FileReader:
    """Reads a file of the checkout in order.

    Args:
        remote: Provides threads.
        path: The file.
    """

    def __init__(self, remote: Remote, path: str) -> None:
        self._disk = remote.instance.disk
        self._path = path
        self._position = 0

    async def readinto(self, view: memoryview) -> int:
        """See `Reader.readinto`."""
        count = await self._disk.run(partial(_read_some, self._path, self._position, view))
        self._position += count
        return count


def _info(key: str, file: StoredFile, commit: Commit) -> ObjectInfo:
    return ObjectInfo(key, file.size, commit.sha, commit.date, checksums={"sha256": file.sha256})


def _read(path: str, start: int, into: memoryview | Sink) -> None:
    """Read a range of a file; blocks."""
    if isinstance(into, memoryview):
        count = _read_some(path, start, into)
    else:
        length, count = len(into), 0
        try:
            while len(into) and (read := _read_some(path, start + count, space := into.space())):
                del space
                into.filled(read)
                count += read
        finally:
            into.flush()
        if count == length:
            return
    if count < len(into):
        raise LocalIOError("a file in the temporary directory was changed by another process")


def _read_some(path: str, start: int, view: memoryview) -> int:
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(start)
            return file.readinto(view)
    except OSError as error:
        raise LocalIOError(f"a file of the Git repository cannot be read: {error.strerror}") from None
