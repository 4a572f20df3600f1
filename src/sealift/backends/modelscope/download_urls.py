"""Where files in Git LFS are: asked for once per file, kept for all its parts, and asked for again when expired."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ...types import ObjectInfo
from ...wire import Request
from ...wire.redirect import MOST_REDIRECTS, redirected, too_many_redirects
from .repository import FORWARDED_HEADERS, Repository

__all__ = ["DownloadURLs"]

# Number of URLs that are kept; the parts of a file are read at about the same time.
_MOST = 256


@dataclass(slots=True)
class _Entry:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    request: Request | None = None


class DownloadURLs:
    """The download URLs of one repository. Such a URL names the content, so it stays that of one version.

    Args:
        repository: Sends requests to the hub.
        compare: Fails if a file is not the one that was listed.
    """

    def __init__(self, repository: Repository, compare: Callable[[ObjectInfo], Awaitable[None]]) -> None:
        self._repository = repository
        self._compare = compare
        self._entries: dict[tuple[str, str | None], _Entry] = {}

    async def of(self, obj: ObjectInfo, *, expired: Request | None = None) -> Request:
        """Return the request that reads a file.

        Args:
            obj: The file.
            expired: A request that has expired.

        Raises:
            ObjectChanged: The file is not the one that was listed.
            StorageError: It does not exist, or the hub returned an error.
        """
        name = (obj.key, obj.version)
        entry = self._entries.get(name)
        if entry is None:
            while len(self._entries) >= _MOST:
                del self._entries[next(iter(self._entries))]
            entry = self._entries[name] = _Entry()
        async with entry.lock:
            if entry.request is None or entry.request is expired:
                entry.request = None
                request = await self._ask(obj.key)
                await self._compare(obj)
                entry.request = request
            return entry.request

    async def _ask(self, key: str) -> Request:
        repository = self._repository
        request = repository.file(key)
        for _ in range(MOST_REDIRECTS + 1):
            async with repository.instance.wire.stream(request) as reply:
                if reply.status in {200, 206}:  # a server without a separate storage
                    return request
                failure = await reply.failure()
            following = redirected(request, failure, FORWARDED_HEADERS)
            if following is None:
                raise repository.error(failure, key)
            if following.origin != repository.origin:
                return following
            request = following
        raise too_many_redirects(request)
