"""Download URLs of files: requested once per file, cached for all its parts, and renewed when expired."""

import asyncio
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Self

from ...errors import ObjectChanged
from ...wire import Request, Response
from ...wire.redirect import MOST_REDIRECTS, redirected, too_many_redirects
from . import replies
from .repository import FORWARDED_HEADERS, Repository

__all__ = ["DownloadURL", "DownloadURLs"]

# Connections to the storage behind the hub; with many more, each becomes slow.
_STORAGE_CONNECTIONS = 16
# Number of cached URLs; the parts of a file are read at about the same time.
_CACHE_SIZE = 256


@dataclass(frozen=True, slots=True)
class DownloadURL:
    """The URL of a file and its metadata.

    Attributes:
        request: Request that reads the file; its target may be signed.
        size: Size in bytes, if the hub reports it.
        sha256: SHA-256 of the content, which the hub reports for files in Git LFS.
        etag: ETag, quoted.
        content_type: Content type, for files stored by the hub itself.
    """

    request: Request
    size: int | None
    sha256: str | None
    etag: str | None
    content_type: str | None


@dataclass(slots=True)
class _Entry:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    url: DownloadURL | None = None


class DownloadURLs:
    """Cache of the download URLs of one repository.

    Args:
        repository: Sends requests to the hub.
        storage: Limits connections to the storage behind the hub; shared by the instance.
    """

    def __init__(self, repository: Repository, storage: asyncio.Semaphore) -> None:
        self.repository = repository
        self.storage = storage
        self._entries: dict[tuple[str, str], _Entry] = {}

    @classmethod
    async def of_repository(cls, repository: Repository) -> Self:
        """Create the cache for a repository, with the connection limit of its instance."""

        async def semaphore() -> AbstractAsyncContextManager[asyncio.Semaphore]:
            return nullcontext(asyncio.Semaphore(_STORAGE_CONNECTIONS))

        return cls(repository, await repository.instance.client(("huggingface", "storage"), semaphore))

    async def of(self, path: str, sha: str, *, expired: Collection[DownloadURL] = ()) -> DownloadURL:
        """Return the download URL of a file.

        Args:
            path: Path of the file in the repository.
            sha: The commit.
            expired: URLs that have expired.

        Raises:
            StorageError: The file does not exist, or the hub returned an error.
        """
        entry = self._entries.get((path, sha))
        if entry is None:
            while len(self._entries) >= _CACHE_SIZE:
                del self._entries[next(iter(self._entries))]
            entry = self._entries[path, sha] = _Entry()
        async with entry.lock:
            if entry.url is None or entry.url in expired:
                entry.url = None
                entry.url = await self._request(path, sha)
            return entry.url

    async def _request(self, path: str, sha: str) -> DownloadURL:
        repository = self.repository
        request = repository.file("HEAD", path, sha)
        commit = size = etag = None
        for _ in range(MOST_REDIRECTS + 1):
            reply = await repository.instance.wire.send(request)
            following = redirected(request, reply, FORWARDED_HEADERS)
            if following is None and reply.status != 200:
                raise repository.error(reply, path)
            # A redirect to the repository's new name may come first; the storage's response lacks these headers.
            commit = commit or reply.header("x-repo-commit")
            if commit is not None and commit != sha:
                raise ObjectChanged(f"the hub answered for the commit {commit} instead of {sha}")
            size = size if size is not None else _size(reply, following)
            etag = etag or reply.header("x-linked-etag") or (reply.header("etag") if following is None else None)
            sha256 = replies.sha256_of(etag)
            if following is None:
                content_type = reply.header("content-type")
                return DownloadURL(replace(request, method="GET"), size, sha256, replies.quoted(etag), content_type)
            if commit is not None and (sha256 is not None or following.origin != request.origin):
                return DownloadURL(replace(following, method="GET"), size, sha256, replies.quoted(etag), None)
            request = following
        raise too_many_redirects(request)


def _size(reply: Response, following: Request | None) -> int | None:
    size = reply.header("x-linked-size")
    if size is None and following is None and reply.header("content-encoding") in {None, "identity"}:
        size = reply.header("content-length")
    return int(size) if size is not None and size.isdecimal() else None
