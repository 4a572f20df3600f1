"""Plain HTTP and HTTPS servers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import InvalidConfig
from .checks import check_texts

__all__ = ["HTTPConfig"]

# What a request for a part of a file cannot leave to others.
_OWN_HEADERS = {
    "accept-encoding", "connection", "content-length", "expect", "if-match", "if-modified-since", "if-none-match",
    "if-range", "if-unmodified-since", "range", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HTTPConfig:
    """Plain HTTP and HTTPS servers.

    Args:
        headers: Sent to the origin of the URI only, never across a redirect to another.
        verify: False accepts any certificate (only for tests); a path names a PEM file of trusted authorities; True:
            the system's.
        allow_downgrade: Follow redirects from https to http.
        allow_local_redirects: Follow redirects to any address. Otherwise none leads to a link-local address or to a
            cloud's metadata service, and none from elsewhere to this machine: a server could have it ask itself. What
            a name resolves to counts; behind a proxy, which resolves names itself, only what is written.

    Raises:
        InvalidConfig: A header that HTTP cannot carry, or that says which bytes are asked for.

    Example:
        >>> HTTPConfig({"Authorization": "Bearer secret"})
        HTTPConfig(verify=True, allow_downgrade=False, allow_local_redirects=False)
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    verify: bool | str = True
    allow_downgrade: bool = False
    allow_local_redirects: bool = False

    def __post_init__(self) -> None:
        check_texts(self)
        for name, value in self.headers.items():
            if not isinstance(name, str) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise InvalidConfig(f"HTTPConfig(headers=…): {name!r} is not the name of a header")
            if name.lower() in _OWN_HEADERS:
                raise InvalidConfig(f"HTTPConfig(headers=…) with {name!r}", hint="sealift sets this header itself")
            # The message must not repeat the value.
            if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?|", value):
                raise InvalidConfig(f"the value of the header {name!r} is no text that HTTP can carry")
