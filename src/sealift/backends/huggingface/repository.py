"""Asking the hub about one repository: its commit, and requests for what is in it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit

import anyio

from ...errors import StorageError, TransportError
from ...instance import Instance
from ...types import KiB
from ...uri import Location
from ...wire import MOST_REDIRECTS, Origin, Request, Response, StreamedResponse, redirected
from . import replies
from .branches import rest_of_branch

__all__ = ["KEPT", "Commit", "Repository", "too_many_redirects"]

# Headers that may go along to another origin; above all, the token may not.
KEPT = frozenset({"accept-encoding", "range", "user-agent"})
_DEFAULT_REVISION = "main"
# Bytes of an error's body that are looked at.
_ERROR_BODY = 16 * KiB


@dataclass(frozen=True, slots=True)
class Commit:
    """What a revision is now.

    Attributes:
        sha: Its hash.
        date: When it was made.
    """

    sha: str
    date: datetime | None


class Repository:
    """Sends requests about a repository and its files.

    Args:
        location: The repository, the revision if one is named, and the key, which may begin with the rest of it.
        endpoint: The hub's address; mirrors have a path in it.
        token: Sent to that address only.
        instance: Of the instance.

    Attributes:
        below: What all keys begin with: "", or the rest of a branch's name and a "/". Known once the commit is.
    """

    def __init__(self, location: Location, endpoint: str, token: str | None, instance: Instance) -> None:
        self.location = location.at("")
        self.below = ""
        self._named = location
        self.origin = Origin.of(endpoint)
        self.instance = instance
        self._base = urlsplit(endpoint).path.rstrip("/")
        # Without it the hub answers with whatever compression it likes.
        self._headers = [("user-agent", "sealift"), ("accept-encoding", "identity")]
        if token:
            self._headers.append(("authorization", f"Bearer {token}"))
        self.signed_in = token is not None
        self._commit: Commit | None = None
        self._asking = anyio.Lock()

    @property
    def address(self) -> str:
        """The URL of the repository, with the branch where keys begin with the rest of its name."""
        url = f"{self.origin.scheme}://{self.origin.netloc}{self._base}/{self.location.kind}/{self.location.root}"
        return f"{url}@{self.location.revision}/{self.below}" if self.below else url

    async def commit(self) -> Commit:
        """The commit that everything is read at: asked for once."""
        async with self._asking:
            if self._commit is None:
                self._commit = await self._find()
        return self._commit

    async def _find(self) -> Commit:
        revision = self.location.revision or _DEFAULT_REVISION
        reply = await self._revision(revision)
        if replies.is_unknown_revision(reply) and self._named.revision and self._named.key:
            listing = await self.ask(self.request("GET", f"{self._api}/refs"))
            # A hub that does not list them cannot say more than it has.
            rest = rest_of_branch(self._named, replies.refs(listing)) if listing.status == 200 else None
            if rest is not None:
                self.below = f"{rest}/"
                reply = await self._revision(f"{revision}/{rest}")
        if reply.status != 200:
            raise self.error(reply)
        return Commit(*replies.commit(reply))

    async def _revision(self, name: str) -> Response:
        # Without these two, the names of all files would come along.
        query = "expand=sha&expand=lastModified"
        return await self.ask(self.request("GET", f"{self._api}/revision/{quote(name, safe='')}?{query}"))

    def path(self, key: str) -> str | None:
        """The path in the repository of a key; None: there is none."""
        return key.removeprefix(self.below) if key.startswith(self.below) else None

    def request(self, method: str, target: str, *headers: tuple[str, str]) -> Request:
        """A request to the hub, signed in."""
        return Request(method, self.origin, self._base + target, [*self._headers, *headers])

    def file(self, method: str, key: str, sha: str, *headers: tuple[str, str]) -> Request:
        """A request for a file at a commit."""
        kind = "" if self.location.kind == "models" else f"/{self.location.kind}"
        return self.request(method, f"{kind}/{self.location.root}/resolve/{sha}/{quote(key)}", *headers)

    def tree(self, directory: str, sha: str, page: str | None) -> Request:
        """A request for a page of what is below a directory.

        Args:
            directory: "" for all of the repository.
            sha: The commit.
            page: Query of the page, as the one before told it; None: the first.
        """
        below = f"/{quote(directory, safe='')}" if directory else ""
        return self.request("GET", f"{self._api}/tree/{sha}{below}?{page or 'recursive=true&expand=false'}")

    @property
    def _api(self) -> str:
        return f"/api/{self.location.kind}/{self.location.root}"

    async def ask(self, request: Request) -> Response:
        """Send a request whose reply is small, also to where the repository has moved."""
        for _ in range(MOST_REDIRECTS + 1):
            reply = await self.instance.wire.send(request)
            following = redirected(request, reply, KEPT)
            if following is None:
                return reply
            request = following
        raise too_many_redirects(request)

    @asynccontextmanager
    async def stream(self, request: Request, key: str) -> AsyncGenerator[StreamedResponse]:
        """Receive a file as it comes, wherever the hub sends us for it. Its status is 200 or 206.

        Raises:
            StorageError: The hub refused.
        """
        for _ in range(MOST_REDIRECTS + 1):
            async with self.instance.wire.stream(request) as reply:
                if reply.status in {200, 206}:
                    yield reply
                    return
                told = memoryview(bytearray(_ERROR_BODY))
                count = 0
                while count < len(told) and (more := await reply.readinto(told[count:])):
                    count += more
                refusal = Response(reply.status, reply.headers, bytes(told[:count]))
            following = redirected(request, refusal, KEPT)
            if following is None:
                raise self.error(refusal, key) if request.origin == self.origin else replies.refused(refusal, key)
            request = following
        raise too_many_redirects(request)

    def error(self, reply: Response, key: str | None = None) -> StorageError:
        """The failure that a reply of the hub tells of."""
        return replies.error(reply, self.location, key, signed_in=self.signed_in)


def too_many_redirects(request: Request) -> TransportError:
    return TransportError(f"{request.origin.address} redirects more than {MOST_REDIRECTS} times")
