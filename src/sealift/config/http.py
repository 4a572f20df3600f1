"""Plain HTTP and HTTPS servers."""

import os
import re
from collections.abc import Mapping
from dataclasses import field

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass, short_repr
from .checks import check_positive, check_strings, paths_as_text

__all__ = ["HTTPConfig", "check_headers"]

# Headers that sealift itself must control, because they decide which bytes are returned.
_RESERVED_HEADERS = {
    "accept-encoding", "connection", "content-length", "expect", "if-match", "if-modified-since", "if-none-match",
    "if-range", "if-unmodified-since", "range", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HTTPConfig:
    """Plain HTTP and HTTPS servers.

    A server that has an entry in `~/.netrc`, or in the file that `NETRC` names, gets its user name and password, unless
    `headers` has an Authorization.

    Args:
        headers: Headers for the origin of the URI only; never sent to another origin after a redirect.
        verify_ssl: False accepts any certificate (tests only); a path names a PEM file of trusted CAs; True: the
            system's CAs.
        allow_downgrade: Follow redirects from https to http.
        allow_local_redirects: Follow redirects to any address. False: block redirects to link-local addresses and cloud
            metadata services, and redirects from other hosts to this machine (SSRF). Checked against the resolved
            addresses; behind a proxy, which resolves names itself, against the host as written.
        first_byte_timeout: Seconds that a response may take to begin, for servers that fetch or build a file first.
            None: four times `Limits.idle_timeout`, which is 120 seconds by default.

    Raises:
        InvalidConfig: A header is not valid in HTTP, or is reserved because it selects the requested bytes.

    Example:
        >>> HTTPConfig({"Authorization": "Bearer secret"})
        HTTPConfig(headers=…)
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    verify_ssl: bool | str | os.PathLike[str] = True
    allow_downgrade: bool = False
    allow_local_redirects: bool = False
    first_byte_timeout: float | None = None

    def __post_init__(self) -> None:
        paths_as_text(self)
        check_strings(self)
        check_positive(self, "first_byte_timeout")
        check_headers("HTTPConfig", self.headers)

    __repr__ = short_repr


def check_headers(kind: str, headers: Mapping[str, str]) -> None:
    """Reject headers that are not valid in HTTP, or that decide which bytes are returned.

    Args:
        kind: Name of the configuration, for the message.
        headers: The headers. Values may be secrets: no message shows one.
    """
    if not isinstance(headers, Mapping):
        raise InvalidConfig(f"{kind}(headers=…) is not a mapping", hint="pass a dict from names to values")
    for name, value in headers.items():
        if not isinstance(name, str) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise InvalidConfig(f"{kind}(headers=…): {name!r} is not a valid header name")
        if name.lower() in _RESERVED_HEADERS:
            raise InvalidConfig(f"{kind}(headers=…) with {name!r}", hint="sealift sets this header itself")
        if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?|", value):
            raise InvalidConfig(f"the value of the header {name!r} is not valid in HTTP")
