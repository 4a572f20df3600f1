"""Where the hub keeps a file: asked for once, shared by all its parts, and asked for again when the answer expires."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Self

import anyio

from ...errors import ObjectChanged
from ...wire import MOST_REDIRECTS, Request, Response, redirected
from . import replies
from .repository import KEPT, Repository, too_many_redirects

__all__ = ["Link", "Links"]

# Connections to the storage behind the hub: many more, and each becomes slow.
_STORAGE_CONNECTIONS = 16
# Files whose addresses are kept; the parts of one are read about the same time.
_KEPT_LINKS = 256


@dataclass(frozen=True, slots=True)
class Link:
    """What the hub says of a file, and where it is.

    Attributes:
        request: Reads it; its target may be signed.
        size: Bytes, where the hub tells.
        sha256: Of its content, where the hub tells: of what is in Git's large file storage.
        etag: Quoted.
        content_type: Where the hub itself has the file.
    """

    request: Request
    size: int | None
    sha256: str | None
    etag: str | None
    content_type: str | None


@dataclass(slots=True)
class _Entry:
    asking: anyio.Lock = field(default_factory=anyio.Lock)
    link: Link | None = None


class Links:
    """The files of one repository.

    Args:
        repository: How to ask.
        storage: Held while something is read from another place than the hub; shared by the instance.
    """

    def __init__(self, repository: Repository, storage: anyio.Semaphore) -> None:
        self.repository = repository
        self.storage = storage
        self._entries: dict[tuple[str, str], _Entry] = {}

    @classmethod
    async def to(cls, repository: Repository) -> Self:
        """Those of a repository, within its instance's bound of connections."""

        async def semaphore() -> AbstractAsyncContextManager[anyio.Semaphore]:
            return nullcontext(anyio.Semaphore(_STORAGE_CONNECTIONS))

        return cls(repository, await repository.instance.client(("huggingface", "storage"), semaphore))

    async def of(self, key: str, sha: str, *, but: Collection[Link] = ()) -> Link:
        """Where a file is.

        Args:
            key: The file.
            sha: The commit.
            but: What has been found to be expired.

        Raises:
            StorageError: The hub refused, or has no such file.
        """
        entry = self._entries.get((key, sha))
        if entry is None:
            while len(self._entries) >= _KEPT_LINKS:
                del self._entries[next(iter(self._entries))]
            entry = self._entries[key, sha] = _Entry()
        async with entry.asking:
            if entry.link is None or entry.link in but:
                entry.link = None
                entry.link = await self._ask(key, sha)
            return entry.link

    async def _ask(self, key: str, sha: str) -> Link:
        repository = self.repository
        request = repository.file("HEAD", key, sha)
        commit = size = etag = None
        for _ in range(MOST_REDIRECTS + 1):
            reply = await repository.instance.wire.send(request)
            following = redirected(request, reply, KEPT)
            if following is None and reply.status != 200:
                raise repository.error(reply, key)
            # A repository's new name comes first, then the hub's reply; the storage's own says nothing of these.
            commit = commit or reply.header("x-repo-commit")
            if commit is not None and commit != sha:
                raise ObjectChanged(f"the hub answered for the commit {commit} instead of {sha}")
            size = size if size is not None else _size(reply, following)
            etag = etag or reply.header("x-linked-etag") or (reply.header("etag") if following is None else None)
            sha256 = replies.sha256_of(etag)
            if following is None:
                there, content_type = replace(request, method="GET"), reply.header("content-type")
                return Link(there, size, sha256, replies.tag(etag), content_type)
            if commit is not None and (sha256 is not None or following.origin != request.origin):
                return Link(replace(following, method="GET"), size, sha256, replies.tag(etag), None)
            request = following
        raise too_many_redirects(request)


def _size(reply: Response, following: Request | None) -> int | None:
    told = reply.header("x-linked-size")
    if told is None and following is None and reply.header("content-encoding") in {None, "identity"}:
        told = reply.header("content-length")
    return int(told) if told is not None and told.isdecimal() else None
