"""Requests to a Git server: its references, and the objects of one commit.

Git's "smart" protocol, version 0: https://git-scm.com/docs/http-protocol and https://git-scm.com/docs/gitprotocol-pack.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from ...config import GitConfig
from ...errors import ModelMissingError, ServiceError, UnsupportedOperation
from ...frozen_dataclass import dataclass
from ...instance import Instance
from ...uri import Location
from ...wire import TLS, Origin, Request, first_byte_timeout
from ...wire.redirect import MOST_REDIRECTS, as_target, redirected, too_many_redirects
from . import replies
from .pkt_line import FLUSH, PacketReader, packet

__all__ = ["Advertised", "Remote"]

_FORWARDED = frozenset({"accept-encoding", "user-agent"})
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ANY_COMMIT = ("allow-reachable-sha1-in-want", "allow-any-sha1-in-want")
# Bytes that are written to the disk at once.
_WRITE = 1 << 20


@dataclass(frozen=True, slots=True)
class Advertised:
    """What a server says about a repository.

    Attributes:
        refs: Reference, such as "refs/heads/main" or "HEAD" → hash.
        capabilities: Extensions of the protocol.
    """

    refs: Mapping[str, str]
    capabilities: frozenset[str]

    def find(self, revision: str | None) -> str:
        """Return the hash of a branch, tag, reference or commit; None: of the default branch.

        Raises:
            ModelMissingError: There is none.
        """
        if revision is None:
            if "HEAD" not in self.refs:
                cause = "the repository has no default branch" if self.refs else "the repository is empty"
                raise ModelMissingError("HEAD", cause=cause, hint="name a branch: …#branch")
            return self.refs["HEAD"]
        for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if name in self.refs:
                return self.refs[name]
        if _COMMIT.fullmatch(revision):
            if revision in self.refs.values() or not self.capabilities.isdisjoint(_ANY_COMMIT):
                return revision
            hint = "name a branch or a tag"
            cause = f"the server gives only commits that a branch or a tag names, not {revision!r}"
            raise ModelMissingError(revision, cause=cause, hint=hint)
        hint = "a commit needs all 40 digits" if re.fullmatch(r"[0-9a-f]{6,39}", revision) else "check its name"
        raise ModelMissingError(revision, cause=f"the repository has no branch or tag {revision!r}", hint=hint)


class Remote:
    """Sends requests for one repository.

    Args:
        location: The repository.
        config: Credentials; sent to the origin of the URI only.
        instance: Provides connections.

    Attributes:
        location: The repository.
        instance: The instance.
        origin: The origin, after redirects once `advertised` was called.
        tls: Connection security.
        first_byte_timeout: Seconds that a response may take to begin.
    """

    def __init__(self, location: Location, config: GitConfig, instance: Instance) -> None:
        self.location = location
        self.instance = instance
        self.origin = self._named = Origin.of(location.root)
        self.tls = TLS.of(config.verify_ssl)
        self.first_byte_timeout = first_byte_timeout(config.first_byte_timeout, instance.limits.idle_timeout)
        self._path = as_target(urlsplit(location.root).path)
        self._headers = [("user-agent", f"git/sealift {instance.user_agent}"), ("accept-encoding", "identity")]
        self._authorization: str | None = None
        if config.password or config.username:
            pair = f"{config.username or 'git'}:{config.password or ''}".encode()
            self._authorization = f"Basic {base64.b64encode(pair).decode()}"

    @property
    def signed_in(self) -> bool:
        """Whether requests carry credentials."""
        return self._authorization is not None and self.origin == self._named

    def request(self, method: str, target: str, *headers: tuple[str, str]) -> Request:
        """Build a request below the URL of the repository."""
        known = [("authorization", self._authorization)] if self._authorization and self.signed_in else []
        return Request(
            method,
            self.origin,
            self._path + target,
            [*self._headers, *known, *headers],
            self.tls,
            first_byte_timeout=self.first_byte_timeout,
        )

    async def advertised(self) -> Advertised:
        """Request the references. If the server redirects, it is asked at the new URL from now on.

        Raises:
            StorageError: There is no such repository, or no access to it.
        """
        suffix = "/info/refs?service=git-upload-pack"
        request = self.request("GET", suffix)
        for _ in range(MOST_REDIRECTS + 1):
            async with self.instance.wire.stream(request) as reply:
                if reply.status == 200:
                    if reply.header("content-type") != "application/x-git-upload-pack-advertisement":
                        hint = "check the URL: this may be a web page"
                        raise ServiceError("the server is not a Git server with the smart protocol", hint=hint)
                    if request.target.endswith(suffix):
                        self.origin, self.tls = request.origin, request.tls
                        self._path = request.target.removesuffix(suffix)
                    return await _advertised(PacketReader(reply))
                failure = await reply.failure()
            following = redirected(request, failure, _FORWARDED)
            if following is None:
                raise replies.error(failure, "the Git repository", signed_in=self.signed_in)
            request = following
        raise too_many_redirects(request)

    async def fetch(self, found: Advertised, sha: str, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Receive the objects of one commit, without its history.

        Args:
            found: The capabilities of the server.
            sha: Hash of the commit, or of a tag of it.
            write: Takes the bytes of the pack, in order.

        Raises:
            StorageError: The server returned an error, or the connection broke.
        """
        wanted = [
            each for each in ("ofs-delta", "side-band-64k", "shallow", "no-progress") if each in found.capabilities
        ]
        if "side-band-64k" not in wanted:
            raise UnsupportedOperation("the Git server is too old: it has no side-band-64k")
        shallow = "shallow" in wanted
        lines = [packet(f"want {sha} {' '.join(wanted)}\n"), packet("deepen 1\n") if shallow else b"", FLUSH]
        body = b"".join([*lines, packet("done\n")])
        request = self.request(
            "POST",
            "/git-upload-pack",
            ("content-type", "application/x-git-upload-pack-request"),
            ("accept", "application/x-git-upload-pack-result"),
        )
        async with self.instance.wire.stream(request, memoryview(body)) as reply:
            if reply.status != 200:
                failure = await reply.failure()
                raise replies.error(failure, "the Git repository", signed_in=self.signed_in)
            packets = PacketReader(reply)
            while shallow and await packets.read() is not None:
                pass  # the commits whose parents are left out
            while (line := await packets.read()) is not None and not line.startswith(b"NAK"):
                pass
            await _receive(packets, write)


async def _advertised(packets: PacketReader) -> Advertised:
    first = await packets.read()
    if first is None or not first.startswith(b"# service=git-upload-pack"):
        raise ServiceError("the server is not a Git server with the smart protocol", hint="check the URL")
    await packets.read()  # a flush packet
    refs: dict[str, str] = {}
    capabilities: frozenset[str] = frozenset()
    while (line := await packets.read()) is not None:
        named, _, extensions = line.partition(b"\0")
        if extensions:
            capabilities = frozenset(extensions.decode(errors="replace").split())
        sha, _, name = named.rstrip(b"\n").decode(errors="surrogateescape").partition(" ")
        if name != "capabilities^{}":  # stands for the references of an empty repository
            refs[name] = sha
    if "object-format=sha256" in capabilities:
        raise UnsupportedOperation("the repository uses SHA-256 object names", hint="clone it with git")
    if not all(_COMMIT.fullmatch(sha) for sha in refs.values()):
        raise ServiceError("the references of the repository cannot be read")
    return Advertised(refs, capabilities)


async def _receive(packets: PacketReader, write: Callable[[bytes], Awaitable[None]]) -> None:
    """Pass the pack on. In each packet, the first byte says what the others are: data, progress or an error."""
    piece = bytearray()
    while (data := await packets.read()) is not None:
        if data[:1] == b"\3":
            text = "".join(each for each in data[1:].decode(errors="replace") if each.isprintable())
            raise ServiceError(f"the Git server reports an error: {text[:300]}", retryable=True)
        if data[:1] == b"\1":
            piece += data[1:]
        if len(piece) >= _WRITE:
            await write(bytes(piece))
            piece.clear()
    await write(bytes(piece))
