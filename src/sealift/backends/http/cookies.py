"""Cookies that a server sets with a redirect and wants back: https://www.rfc-editor.org/rfc/rfc6265#section-5."""

import re
from datetime import UTC, datetime

from ...frozen_dataclass import dataclass
from ...wire import Origin, Request, Response

__all__ = ["Cookies"]

_PAIR = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([\x21-\x3a\x3c-\x7e]*)")
_MOST = 50
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class _Cookie:
    name: str
    value: str
    host: str
    path: str
    secure: bool


class Cookies:
    """The cookies of one chain of redirects; forgotten at its end.

    A cookie is sent only to the host that has set it, even if its Domain covers other hosts.

    Example:
        >>> cookies, origin = Cookies(), Origin.of("https://a.example")
        >>> cookies.store(Request("GET", origin, "/login"), Response(302, [(b"set-cookie", b"seen=1; Path=/")]))
        >>> cookies.header(origin, "/m")
        'seen=1'
        >>> cookies.header(Origin.of("https://b.example"), "/m")
        ''
    """

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], _Cookie] = {}  # host, path, name → cookie

    def store(self, request: Request, reply: Response) -> None:
        """Store the cookies that a response sets."""
        for name, value in reply.headers:
            if name == b"set-cookie" and len(value) <= _LONGEST:
                self._set(request, value.decode("latin-1"), reply)

    def header(self, origin: Origin, target: str) -> str:
        """Return the Cookie header of a request; "": none."""
        path = target.partition("?")[0]
        sent = [
            cookie
            for cookie in self._cookies.values()
            if cookie.host == origin.host
            and (origin.scheme == "https" or not cookie.secure)
            and _covers(cookie.path, path)
        ]
        sent.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in sent)

    def _set(self, request: Request, text: str, reply: Response) -> None:
        pair, *rest = text.split(";")
        matched = _PAIR.fullmatch(pair.strip())
        attributes = {name.strip().lower(): value.strip() for name, _, value in (each.partition("=") for each in rest)}
        host, secure = request.origin.host, "secure" in attributes
        if matched is None or not _within(host, attributes.get("domain", "").removeprefix(".").lower()):
            return
        name, value = matched.groups()
        if request.origin.scheme != "https" and (secure or name.startswith(("__Secure-", "__Host-"))):
            return
        path = attributes.get("path", "")
        if not path.startswith("/"):
            path = request.target.partition("?")[0].rpartition("/")[0] or "/"
        key = host, path, name
        self._cookies.pop(key, None)
        if not _expired(attributes) and len(self._cookies) < _MOST:
            self._cookies[key] = _Cookie(name, value, host, path, secure)


def _within(host: str, domain: str) -> bool:
    """Whether a cookie of this domain may be set by the host; "": no domain."""
    return not domain or host == domain or (host.endswith(f".{domain}") and "." in domain)


def _covers(cookie: str, path: str) -> bool:
    """Whether a cookie of this path is sent with a request for the other."""
    return path == cookie or path.startswith(cookie if cookie.endswith("/") else f"{cookie}/")


def _expired(attributes: dict[str, str]) -> bool:
    """Whether a cookie is set to be deleted."""
    age = attributes.get("max-age", "")
    if re.fullmatch(r"-?[0-9]{1,18}", age):
        return int(age) <= 0
    expires = Response(200, [(b"expires", attributes.get("expires", "").encode("latin-1"))]).time("expires")
    return expires is not None and expires <= datetime.now(UTC)
