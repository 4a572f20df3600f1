"""Send requests for one repository: https://github.com/opencontainers/distribution-spec/blob/main/spec.md."""

import hashlib
import ipaddress
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from ...config import OCIConfig
from ...errors import IntegrityError, StorageError, TransportError
from ...instance import Instance
from ...lane_contract import Sink
from ...uri import Location
from ...uris.oci import registry_and_repository
from ...wire import TLS, Expectation, Origin, Request, Response, StreamedResponse, check_expected, check_range
from ...wire.redirect import MOST_REDIRECTS, redirected
from . import replies
from .authorization import Authorization
from .manifest import ACCEPTED, Blob, Manifest, choose_manifest, is_index, parse_json, parse_manifest

__all__ = ["NoRanges", "Registry", "origin_of"]

_HUB, _HUB_HOST = "docker.io", "registry-1.docker.io"
# Headers that are sent to other origins on redirects; the token is not.
_FORWARDED = frozenset({"accept-encoding", "range", "user-agent"})
# Statuses of the storage for an expired signed URL.
_EXPIRED = {400, 401, 403, 404, 410}
# Of a read: the signed URL may have expired, and then the token, and once more what another part has just cached.
_TRIES = 4


class NoRanges(Exception):
    """The registry sent a whole blob instead of a range."""


def origin_of(location: Location, *, insecure: bool | None) -> Origin:
    """Return the server of a registry.

    Args:
        location: The image.
        insecure: As in `OCIConfig`.
    """
    registry, _ = registry_and_repository(location.root)
    origin = Origin.of(f"https://{_HUB_HOST if registry == _HUB else registry}")
    if insecure or (insecure is None and _is_this_machine(origin.host)):
        return Origin.of(f"http://{registry}")
    return origin


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Registry:
    """Sends requests for a repository.

    Args:
        location: The image.
        origin: Server of the registry.
        authorization: Authorizes the requests.
        config: `verify_ssl` applies.
        instance: Provides connections.
    """

    def __init__(
        self, location: Location, origin: Origin, authorization: Authorization, config: OCIConfig, instance: Instance
    ) -> None:
        self.location = location.at("")
        self.origin = origin
        self.authorization = authorization
        self.instance = instance
        self._tls = TLS.of(config.verify_ssl)
        _, self.repository = registry_and_repository(location.root)
        self._targets: dict[str, Request] = {}  # digest → request for the blob at the end of its redirects

    @property
    def address(self) -> str:
        """URL of the repository."""
        return f"{self.origin.scheme}://{self.origin.netloc}/v2/{self.repository}"

    async def manifest(self, platform: str | None) -> Manifest:
        """Request the manifest of the image; of an image for several platforms, that of one.

        Args:
            platform: The platform, as in `OCIConfig`.

        Raises:
            StorageError: There is none, or it is not valid.
        """
        document, digest, content_type = await self._document(self.location.revision or "latest")
        if is_index(document, content_type):
            chosen = choose_manifest(document, platform)
            document, digest, content_type = await self._document(chosen.digest)
            if is_index(document, content_type):
                raise TransportError("the registry's index names another index")
        return parse_manifest(document, digest)

    async def _document(self, reference: str) -> tuple[dict[str, Any], str, str]:
        """Request a manifest or an index; return it with its digest and its content type."""
        is_digest = ":" in reference
        reply = await self._send(
            f"manifests/{reference}", f"the manifest {reference}" if is_digest else f"the tag {reference!r}"
        )
        digest = f"sha256:{hashlib.sha256(reply.body).hexdigest()}"
        told = reply.header("docker-content-digest")
        for expected in (reference if is_digest else None, told):
            if expected is not None and expected.startswith("sha256:") and expected.lower() != digest:
                raise IntegrityError(f"the registry sent a manifest with the digest {digest} instead of {expected}")
        if is_digest and not reference.startswith("sha256:"):
            raise TransportError(f"the digest {reference.partition(':')[0]}:… is not supported, only sha256")
        return parse_json(reply.body), digest, reply.header("content-type") or ""

    def _request(self, path: str) -> Request:
        headers = [("user-agent", self.instance.user_agent), ("accept-encoding", "identity")]
        if path.startswith("manifests/"):
            headers.append(("accept", ACCEPTED))
        if self.authorization.header is not None:
            headers.append(("authorization", self.authorization.header))
        return Request("GET", self.origin, f"/v2/{self.repository}/{path}", headers, self._tls)

    async def _send(self, path: str, what: str) -> Response:
        """Send a request whose response is small; the status is 200."""
        for last in (False, True):
            request = first = self._request(path)
            for _ in range(MOST_REDIRECTS + 1):
                reply = await self.instance.wire.send(request)
                following = redirected(request, reply, _FORWARDED)
                if following is None:
                    break
                request = following
            else:
                raise self._too_many_redirects()
            if reply.status == 200:
                return reply
            if last or reply.status != 401 or not await self.authorization.renew(reply, first):
                break
        raise self._error(reply, what)

    async def read(self, blob: Blob, start: int, into: memoryview | Sink) -> None:
        """Receive a range of a blob; the whole blob is requested without a range.

        Args:
            blob: The blob.
            start: Offset of the first byte.
            into: Where the bytes go, at least one.

        Raises:
            NoRanges: The registry sent the whole blob.
            StorageError: The registry or its storage returned an error.
        """
        length = len(into)
        whole = start == 0 and length == blob.size
        ranges = [] if whole else [("range", f"bytes={start}-{start + length - 1}")]
        expectation = Expectation(start, blob.size)
        for attempt in range(1, _TRIES + 1):
            first = self._targets.get(blob.digest) or self._request(f"blobs/{blob.digest}")
            request = replace(first, headers=[*first.headers, *ranges])
            for _ in range(MOST_REDIRECTS + 1):
                reply = await self.instance.wire.fetch(request, into, expectation)
                following = redirected(request, reply, _FORWARDED)
                if following is None:
                    break
                request = following
                self._remember(blob, request)
            else:
                raise self._too_many_redirects()
            if reply.status in {200, 206}:
                break
            if attempt == _TRIES or not await self._renewed(blob, first, request, reply):
                raise self._blob_error(reply, blob, request)
        if reply.status == 200 and reply.unexpected and reply.header("content-range") is None and not whole:
            raise NoRanges
        size = check_range(reply, start, length)
        if size is not None and size != blob.size:
            raise IntegrityError(f"the layer {blob.digest} has {size} bytes, but the manifest says {blob.size}")
        check_expected(reply)

    @asynccontextmanager
    async def stream(self, blob: Blob, start: int = 0) -> AsyncGenerator[StreamedResponse]:
        """Stream a blob, from an offset on.

        Raises:
            StorageError: The registry or its storage returned an error, or has no ranges.
        """
        ranges = [("range", f"bytes={start}-")] if start else []
        request = first = self._targets.get(blob.digest) or self._request(f"blobs/{blob.digest}")
        redirects, attempt = 0, 1
        while True:
            async with self.instance.wire.stream(replace(request, headers=[*request.headers, *ranges])) as reply:
                if reply.status in {200, 206}:
                    if start and reply.status == 200:
                        raise TransportError("the registry sent the whole layer instead of a range")
                    yield reply
                    return
                failure = await reply.failure()
            following = redirected(request, failure, _FORWARDED)
            if following is not None:
                redirects += 1
                if redirects > MOST_REDIRECTS:
                    raise self._too_many_redirects()
                request = following
                self._remember(blob, request)
                continue
            if attempt == _TRIES or not await self._renewed(blob, first, request, failure):
                raise self._blob_error(failure, blob, request)
            request = first = self._request(f"blobs/{blob.digest}")
            redirects, attempt = 0, attempt + 1

    def _remember(self, blob: Blob, request: Request) -> None:
        """Cache where the redirect of a blob leads, for its other parts: before its body, while the URL is new."""
        if request.origin != self.origin:
            headers = [header for header in request.headers if header[0] != "range"]
            self._targets[blob.digest] = replace(request, headers=headers)

    async def _renewed(self, blob: Blob, first: Request, request: Request, reply: Response) -> bool:
        """Whether to send a request for a blob again, after its signed URL or the token has expired."""
        if request.origin == self.origin:
            return reply.status == 401 and await self.authorization.renew(reply, first)
        cached = self._targets.get(blob.digest)
        if cached is not None and cached.target == request.target:  # otherwise another part has a newer one
            del self._targets[blob.digest]
        return reply.status in _EXPIRED

    def _blob_error(self, reply: Response, blob: Blob, request: Request) -> StorageError:
        if request.origin != self.origin:
            return replies.refused(reply, blob.digest)
        return self._error(reply, f"the layer {blob.digest}")

    def _error(self, reply: Response, what: str) -> StorageError:
        return replies.error(reply, self.location, what, signed_in=self.authorization.signed_in)

    def _too_many_redirects(self) -> TransportError:
        return TransportError(f"{self.origin.address} redirects more than {MOST_REDIRECTS} times")
