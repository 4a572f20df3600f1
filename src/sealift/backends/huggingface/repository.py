"""Requests for one repository: its commit, its files, and listings."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from urllib.parse import quote, urlsplit

from ...config import HFConfig
from ...errors import StorageError
from ...frozen_dataclass import dataclass
from ...instance import Instance
from ...uri import Location
from ...wire import TLS, Origin, Request, Response, StreamedResponse, first_byte_timeout
from ...wire.redirect import follow, follow_stream
from . import replies
from .branches import rest_of_branch

__all__ = ["FORWARDED_HEADERS", "Commit", "Repository"]

# Headers that are sent to other origins on redirects; the token is not.
FORWARDED_HEADERS = frozenset({"accept-encoding", "range", "user-agent"})
_DEFAULT_REVISION = "main"
# Bytes of an error response's body to read.


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit of a revision.

    Attributes:
        sha: Hash of the commit.
        date: Date of the commit.
    """

    sha: str
    date: datetime | None


class Repository:
    """Sends requests for a repository and its files.

    Args:
        location: The repository, with its revision, and a key that may begin with the rest of a branch's name.
        endpoint: URL of the hub; mirrors have a path in it.
        token: Token, sent to the endpoint only.
        config: `verify_ssl` and `first_byte_timeout` apply.
        instance: Provides connections.

    Attributes:
        below: Prefix of all keys: "", or the rest of a branch's name and a "/". Set when the commit is resolved.
    """

    def __init__(
        self, location: Location, endpoint: str, token: str | None, config: HFConfig, instance: Instance
    ) -> None:
        self.location = location.at("")
        self.below = ""
        self._named = location
        self.origin = Origin.of(endpoint)
        self.instance = instance
        self._base = urlsplit(endpoint).path.rstrip("/")
        # Without Accept-Encoding, the hub may compress responses.
        self._headers = [("user-agent", instance.user_agent), ("accept-encoding", "identity")]
        if token:
            self._headers.append(("authorization", f"Bearer {token}"))
        self.signed_in = token is not None
        self._tls = TLS.of(config.verify_ssl)
        self._first_byte_timeout = first_byte_timeout(config.first_byte_timeout, instance.limits.idle_timeout)
        self._commit: Commit | None = None
        self._lock = asyncio.Lock()

    @property
    def address(self) -> str:
        """URL of the repository; with the branch, if keys begin with the rest of its name."""
        url = f"{self.origin.scheme}://{self.origin.netloc}{self._base}/{self.location.kind}/{self.location.root}"
        return f"{url}@{self.location.revision}/{self.below}" if self.below else url

    async def commit(self) -> Commit:
        """Return the commit at which all files are read; requested once."""
        async with self._lock:
            if self._commit is None:
                self._commit = await self._resolve_commit()
        return self._commit

    async def _resolve_commit(self) -> Commit:
        revision = self.location.revision or _DEFAULT_REVISION
        reply = await self._request_revision(revision)
        if replies.is_unknown_revision(reply) and self._named.revision and self._named.key:
            listing = await self.send(self.request("GET", f"{self._api}/refs"))
            # If the hub does not list branches, keep the first error.
            rest = rest_of_branch(self._named, replies.refs(listing)) if listing.status == 200 else None
            if rest is not None:
                self.below = f"{rest}/"
                reply = await self._request_revision(f"{revision}/{rest}")
        if reply.status != 200:
            raise self.error(reply)
        return Commit(*replies.commit(reply))

    async def _request_revision(self, name: str) -> Response:
        # Without `expand`, the response contains the names of all files.
        query = "?expand=sha&expand=lastModified"
        target = f"{self._api}/revision/{quote(name, safe='')}"
        reply = await self.send(self.request("GET", target + query))
        if reply.status in {400, 404} and reply.header("x-error-code") is None:  # a mirror that does not know `expand`
            reply = await self.send(self.request("GET", target))
        return reply

    async def file_names(self, sha: str) -> list[str] | None:
        """Return the paths of all files of a commit; None if the hub does not list them."""
        reply = await self.send(self.request("GET", f"{self._api}/revision/{sha}"))
        return replies.siblings(reply) if reply.status == 200 else None

    def path(self, key: str) -> str | None:
        """Return the path of a key in the repository; None if it has none."""
        return key.removeprefix(self.below) if key.startswith(self.below) else None

    def request(self, method: str, target: str, *headers: tuple[str, str]) -> Request:
        """Build a request to the hub, with the token."""
        return Request(
            method,
            self.origin,
            self._base + target,
            [*self._headers, *headers],
            self._tls,
            first_byte_timeout=self._first_byte_timeout,
        )

    def file(self, method: str, key: str, sha: str, *headers: tuple[str, str]) -> Request:
        """Build a request for a file at a commit."""
        kind = "" if self.location.kind == "models" else f"/{self.location.kind}"
        return self.request(method, f"{kind}/{self.location.root}/resolve/{sha}/{_quoted(key)}", *headers)

    def tree(self, directory: str, sha: str, page: str | None) -> Request:
        """Build a request for one page of the files below a directory.

        Args:
            directory: The directory; "" for the whole repository.
            sha: The commit.
            page: Query of the page, from the previous one; None: the first page.
        """
        below = f"/{_quoted(directory, safe='')}" if directory else ""
        return self.request("GET", f"{self._api}/tree/{sha}{below}?{page or 'recursive=true&expand=false'}")

    @property
    def _api(self) -> str:
        return f"/api/{self.location.kind}/{self.location.root}"

    async def send(self, request: Request) -> Response:
        """Send a request whose response is small, following redirects."""
        return await follow(request, self.instance.wire.send, FORWARDED_HEADERS)

    def stream(self, request: Request, key: str) -> AbstractAsyncContextManager[StreamedResponse]:
        """Stream a file, following redirects; the status is 200 or 206.

        Raises:
            StorageError: The hub or its storage returned an error.
        """

        def error(request: Request, failure: Response) -> StorageError:
            return self.error(failure, key) if request.origin == self.origin else replies.refused(failure, key)

        return follow_stream(request, self.instance.wire.stream, error, FORWARDED_HEADERS)

    def error(self, reply: Response, key: str | None = None) -> StorageError:
        """Convert an error response of the hub to an exception."""
        return replies.error(reply, self.location, key, signed_in=self.signed_in)


def _quoted(path: str, safe: str = "/") -> str:
    # A lone surrogate, which JSON can contain, is sent: the hub answers that there is no such file.
    return quote(path, safe=safe, errors="surrogatepass")
