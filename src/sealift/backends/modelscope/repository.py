"""Requests for one repository: its listings and its files.

The API is that of the client: https://github.com/modelscope/modelscope_hub
"""

from contextlib import AbstractAsyncContextManager
from urllib.parse import urlencode, urlsplit

from ...config import ModelScopeConfig
from ...errors import ModelMissingError, StorageError
from ...instance import Instance
from ...uri import Location
from ...wire import TLS, Origin, Request, Response, StreamedResponse, first_byte_timeout
from ...wire.redirect import follow, follow_stream
from . import replies

__all__ = ["FORWARDED_HEADERS", "MOST_ENTRIES", "Repository"]

# Headers that are sent to other origins on redirects; the token is not.
FORWARDED_HEADERS = frozenset({"accept-encoding", "range", "user-agent"})
# As in the client.
_DEFAULT_REVISION = "master"
MOST_ENTRIES = 3000
"""The hub cuts a listing off here, without saying so."""


class Repository:
    """Sends requests for a repository and its files.

    Args:
        location: The repository.
        config: The endpoint, and the token, which is sent there only.
        instance: Provides connections.

    Attributes:
        location: The repository.
        instance: The instance.
        origin: The origin of the hub.
        revision: Branch, tag or commit.
        signed_in: Whether a token is sent.
    """

    def __init__(self, location: Location, config: ModelScopeConfig, instance: Instance) -> None:
        self.location = location
        self.instance = instance
        self.revision = location.revision or _DEFAULT_REVISION
        endpoint = config.endpoint or ""
        self.origin = Origin.of(endpoint)
        self._base = f"{urlsplit(endpoint).path.rstrip('/')}/api/v1/models/{location.root}/repo"
        self._headers = [("user-agent", instance.user_agent), ("accept-encoding", "identity")]
        self.signed_in = bool(config.token)
        if config.token:
            # As the client: older parts of the API know only the cookie.
            self._headers += [("authorization", f"Bearer {config.token}"), ("cookie", f"m_session_id={config.token}")]
        self._tls = TLS.of(config.verify_ssl)
        self._first_byte_timeout = first_byte_timeout(config.first_byte_timeout, instance.limits.idle_timeout)

    @property
    def address(self) -> str:
        """URL of the repository."""
        return f"{self.origin.scheme}://{self.origin.netloc}/models/{self.location.root}@{self.revision}"

    def _request(self, target: str, *headers: tuple[str, str]) -> Request:
        return Request(
            "GET",
            self.origin,
            self._base + target,
            [*self._headers, *headers],
            self._tls,
            first_byte_timeout=self._first_byte_timeout,
        )

    def file(self, key: str, *headers: tuple[str, str]) -> Request:
        """Build a request for a file, which the hub answers with a redirect if it is in Git LFS."""
        query = urlencode({"Revision": self.revision, "FilePath": key}, errors="surrogatepass")
        return self._request(f"?{query}", *headers)

    async def entries(self, directory: str, *, recursive: bool) -> list[replies.Entry]:
        """Request the files and directories in a directory; [] if there is no such directory.

        At most `MOST_ENTRIES`: of more, the hub leaves out the rest.

        Args:
            directory: The directory; "" for the whole repository.
            recursive: Whether to list everything below it.

        Raises:
            StorageError: There is no such repository or revision, or no access to it.
        """
        try:
            return await self._list(directory, recursive=recursive)
        except ModelMissingError:
            if not directory:
                raise
        await self._list("", recursive=False)  # says whether there is the repository and the revision
        return []

    async def _list(self, directory: str, *, recursive: bool) -> list[replies.Entry]:
        query = {"Revision": self.revision, "Recursive": str(recursive)}
        if directory:
            query["Root"] = directory
        request = self._request(f"/files?{urlencode(query, errors='surrogatepass')}")
        reply = await follow(request, self.instance.wire.send, FORWARDED_HEADERS)
        if reply.status != 200:
            raise self.error(reply)
        found = replies.entries(reply)
        if found is None:  # a success, but without a list
            name = self.location.root
            raise ModelMissingError(
                self.revision,
                cause=f"the ModelScope repository {name!r} has no revision {self.revision!r}",
                hint=f"check its name; the default branch is mostly {_DEFAULT_REVISION!r}",
            )
        return found

    def stream(self, request: Request, key: str) -> AbstractAsyncContextManager[StreamedResponse]:
        """Stream a file, following redirects; the status is 200 or 206.

        Raises:
            StorageError: The hub or its storage returned an error.
        """
        return follow_stream(
            request, self.instance.wire.stream, lambda _, failure: self.error(failure, key), FORWARDED_HEADERS
        )

    def error(self, reply: Response, key: str | None = None) -> StorageError:
        """Convert an error response of the hub or of its storage to an exception."""
        at_hub = reply.request is None or reply.request.origin == self.origin
        return replies.error(reply, self.location, key, signed_in=self.signed_in, at_hub=at_hub)
