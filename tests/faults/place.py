"""A service, and the proxies in front of it."""

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

from .messages import Asked, Reply
from .proxy import Fault, Proxy
from .upstream import HOST

__all__ = ["Behind", "Doors", "Files", "Place"]

Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Doors:
    """Where a place is reached: the endpoints of its proxies, and who has signed their certificates."""

    endpoints: tuple[str, ...]
    ca_file: str | None = None

    @property
    def verify(self) -> bool | str:
        return self.ca_file or True


@dataclass(frozen=True, slots=True)
class Place:
    """A service.

    Attributes:
        servers: URLs: of the service, and of where it keeps things if that is another one.
        put: Stores objects under a prefix.
        content: All objects under a prefix; None: it cannot be written.
        uri: Of a prefix, or of an object under it.
        config: How to sign in.
        carries: Whether a request of who reads is for an object's bytes.
        expired: What it answers to who shows something that has expired.
        secrets: That no error may show.
        part: Bytes of an upload's parts.
        listed: Whether a prefix can be read.
        ranged: Whether ranges can.
        checked: The checksum that it tells of objects in parts; None: it tells none.
        compares: Whether it refuses what is not what it was told in front.
        leftovers: What of unfinished uploads is there.
        clean_up: Removes what of unfinished uploads is there, as BACKENDS.md tells a service to do with what is old.
        unheard: Whether a request, where its reply does not come or refuses, leaves something that nobody knows of: it
            begins an upload, or it would have removed one.
        own_host: As in `Proxy`.
        environ: Variables that say where it is and how to sign in.
        numbers: Names of prefixes that nobody has used yet.
        usual: What is asked when nothing goes wrong: direction and shape → requests.
    """

    name: str
    servers: tuple[str, ...]
    put: Callable[[str, Files], object]
    uri: Callable[[Doors, str], str]
    config: Callable[[Doors], StorageConfig | None]
    carries: Callable[[Asked], bool]
    expired: Callable[[Asked], Reply]
    content: Callable[[str], dict[str, bytes]] | None = None
    secrets: tuple[str, ...] = ()
    part: int = 64 * KiB
    listed: bool = True
    ranged: bool = True
    checked: str | None = None
    compares: bool = False
    leftovers: Callable[[], set[str]] = set
    clean_up: Callable[[], object] = lambda: None
    unheard: Callable[[Asked], bool] = lambda asked: asked.method == "DELETE"
    own_host: bool = False
    environ: Callable[[Doors], Mapping[str, str]] = lambda doors: {}
    numbers: Iterator[int] = field(default_factory=itertools.count)
    usual: dict[tuple[str, str], list[Asked]] = field(default_factory=dict)

    @contextlib.contextmanager
    def behind(self, fault: Fault, *, handshake: float | None = None, **options: object) -> Iterator["Behind"]:
        """Its proxies, for the length of the block.

        Args:
            fault: Of all of them.
            handshake: Seconds of a TLS handshake; None: no TLS.
            options: More of `Proxy`.
        """
        tls, ca_file = (None, None) if handshake is None else _certificate()
        with contextlib.ExitStack() as stack:
            proxies = [
                Proxy(
                    server, fault, place=place, tls=tls, handshake=handshake or 0.0, own_host=self.own_host, **options
                )  # type: ignore[arg-type]
                for place, server in enumerate(self.servers)
            ]
            names = {server: proxy.endpoint for server, proxy in zip(self.servers, proxies, strict=True)}
            for proxy in proxies:
                proxy.names |= names
                stack.enter_context(proxy)
            yield Behind(Doors(tuple(proxy.endpoint for proxy in proxies), ca_file), proxies)


@dataclass(frozen=True, slots=True)
class Behind:
    """A place as it is reached through its proxies."""

    doors: Doors
    proxies: list[Proxy]


_AUTHORITY: list[tuple[ssl.SSLContext, str]] = []


def _certificate() -> tuple[ssl.SSLContext, str]:
    """One for all proxies, and the file that tells whom to trust."""
    if not _AUTHORITY:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(context)
        directory = tempfile.mkdtemp(prefix="sealift-faults-")
        atexit.register(shutil.rmtree, directory)
        path = Path(directory) / "authority.pem"
        authority.cert_pem.write_to_path(path)
        _AUTHORITY.append((context, str(path)))
    return _AUTHORITY[0]
