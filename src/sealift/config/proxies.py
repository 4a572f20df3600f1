"""HTTP proxy settings."""

from collections.abc import Mapping
from dataclasses import field
from typing import Self

from ..frozen_dataclass import dataclass

__all__ = ["Proxies"]


@dataclass(frozen=True, slots=True)
class Proxies:
    """HTTP proxy settings.

    Args:
        http: URL of the proxy for http:// origins; may contain credentials.
        https: URL of the proxy for https:// origins; may contain credentials.
        exempt: Hosts to connect to directly: names (with their subdomains), addresses, CIDR ranges, or "*".
    """

    http: str | None = field(default=None, repr=False)
    https: str | None = field(default=None, repr=False)
    exempt: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`; lower-case names take precedence, as in curl.

        Upper-case `HTTP_PROXY` is ignored in a CGI script (`REQUEST_METHOD` is set), where a client can set it with a
        request header: https://httpoxy.org.
        """

        def read(name: str) -> str | None:
            upper = None if name == "http_proxy" and "REQUEST_METHOD" in environ else environ.get(name.upper())
            return environ.get(name) or upper or None

        fallback = read("all_proxy")
        exempt = (entry.strip() for entry in (read("no_proxy") or "").split(","))
        return cls(
            http=read("http_proxy") or fallback,
            https=read("https_proxy") or fallback,
            exempt=tuple(entry for entry in exempt if entry),
        )
