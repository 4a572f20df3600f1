"""Which requests go through an HTTP proxy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

__all__ = ["Proxies"]


@dataclass(frozen=True, slots=True)
class Proxies:
    """Which requests go through an HTTP proxy.

    Args:
        http: URL of the proxy for http:// origins; it may hold credentials.
        https: The same for https:// origins.
        exempt: Hosts that are reached directly: names (with their subdomains), addresses, CIDR ranges, or "*".
    """

    http: str | None = field(default=None, repr=False)
    https: str | None = field(default=None, repr=False)
    exempt: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in lower case first, as curl does.

        `HTTP_PROXY` in upper case is not read inside a CGI script (`REQUEST_METHOD` is set), where a client can set it:
        https://httpoxy.org.
        """

        def read(name: str) -> str | None:
            upper = None if name == "http_proxy" and "REQUEST_METHOD" in environ else environ.get(name.upper())
            return environ.get(name) or upper or None

        anything = read("all_proxy")
        exempt = (entry.strip() for entry in (read("no_proxy") or "").split(","))
        return cls(
            http=read("http_proxy") or anything,
            https=read("https_proxy") or anything,
            exempt=tuple(entry for entry in exempt if entry),
        )
