"""A storage under test, and the proxies in front of it."""

import atexit
import contextlib
import itertools
import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from sealift.config import StorageConfig
from sealift.types import KiB

from .messages import Reply, Request
from .proxy import Fault, Proxy
from .upstream import HOST

__all__ = ["Endpoints", "Files", "ProxiedStorage", "StorageServer"]

Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs of the proxies of a storage, and the CA certificate of their TLS certificates."""

    urls: tuple[str, ...]
    ca_file: str | None = None

    @property
    def verify(self) -> bool | str:
        return self.ca_file or True


@dataclass(frozen=True, slots=True)
class StorageServer:
    """A storage under test.

    Attributes:
        name: Name of the storage.
        servers: URLs of the service, and of the server that stores the data if that is another one.
        put: Stores objects under a prefix.
        uri: The URI of a prefix, or of an object under it.
        config: Credentials and endpoint.
        carries: Whether a read request transfers an object's bytes.
        expired: The reply to expired credentials or to an expired signature.
        content: Returns all objects under a prefix; None: the storage is read-only.
        secrets: Must not appear in errors.
        part: Size of the parts of an upload.
        listed: Whether prefixes can be listed.
        ranged: Whether ranges are supported.
        checked: The checksum provided for objects in parts; None: no checksum.
        compares: Whether the service rejects bytes that do not match the checksum sent with them.
        unfinished_uploads: Returns what is stored of unfinished uploads.
        clean_up: Removes unfinished uploads, as the lifecycle rules of BACKENDS.md do.
        orphans: Whether a request may leave an unfinished upload behind if its reply is lost or is an error: it starts
            an upload, or should have removed one.
        server_host: As in `Proxy`.
        environ: Variables with credentials and endpoints.
        numbers: Numbers for unused prefixes.
        baseline: The requests without a fault: direction and shape → requests.
    """

    name: str
    servers: tuple[str, ...]
    put: Callable[[str, Files], object]
    uri: Callable[[Endpoints, str], str]
    config: Callable[[Endpoints], StorageConfig | None]
    carries: Callable[[Request], bool]
    expired: Callable[[Request], Reply]
    content: Callable[[str], dict[str, bytes]] | None = None
    secrets: tuple[str, ...] = ()
    part: int = 64 * KiB
    listed: bool = True
    ranged: bool = True
    checked: str | None = None
    compares: bool = False
    unfinished_uploads: Callable[[], set[str]] = set
    clean_up: Callable[[], object] = lambda: None
    orphans: Callable[[Request], bool] = lambda request: request.method == "DELETE"
    server_host: bool = False
    environ: Callable[[Endpoints], Mapping[str, str]] = lambda endpoints: {}
    numbers: Iterator[int] = field(default_factory=itertools.count)
    baseline: dict[tuple[str, str], list[Request]] = field(default_factory=dict)

    @contextlib.contextmanager
    def proxied(self, fault: Fault, *, handshake: float | None = None, **options: object) -> Iterator["ProxiedStorage"]:
        """Run the proxies of this storage during the block.

        Args:
            fault: The fault of all proxies.
            handshake: Seconds that a TLS handshake takes; None: no TLS.
            options: More arguments of `Proxy`.
        """
        tls, ca_file = (None, None) if handshake is None else _certificate()
        with contextlib.ExitStack() as stack:
            proxies = [
                Proxy(
                    server,
                    fault,
                    index=index,
                    tls=tls,
                    handshake=handshake or 0.0,
                    server_host=self.server_host,
                    **options,
                )  # type: ignore[arg-type]
                for index, server in enumerate(self.servers)
            ]
            names = {server: proxy.endpoint for server, proxy in zip(self.servers, proxies, strict=True)}
            for proxy in proxies:
                proxy.names |= names
                stack.enter_context(proxy)
            yield ProxiedStorage(Endpoints(tuple(proxy.endpoint for proxy in proxies), ca_file), proxies)


@dataclass(frozen=True, slots=True)
class ProxiedStorage:
    """The proxies of a storage, and their endpoints."""

    endpoints: Endpoints
    proxies: list[Proxy]


_AUTHORITY: list[tuple[ssl.SSLContext, str]] = []


def _certificate() -> tuple[ssl.SSLContext, str]:
    """One certificate for all proxies, and the file with the CA certificate."""
    if not _AUTHORITY:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(context)
        directory = tempfile.mkdtemp(prefix="sealift-faults-")
        atexit.register(shutil.rmtree, directory)
        path = Path(directory) / "ca.pem"
        authority.cert_pem.write_to_path(path)
        _AUTHORITY.append((context, str(path)))
    return _AUTHORITY[0]
