"""http:// and https://: URLs, whose path and query go to the server unchanged."""

import re
from urllib.parse import SplitResult, urlsplit

from ..errors import InvalidURI
from .azure import account_host, parse_azure_url
from .location import Location
from .refusal import shown

__all__ = ["ascii_host", "parse_url"]

_FORM = "https://example.com/model.tar.gz"
# IDNA 2003, which Python knows, maps these to other names than IDNA 2008, which registries and browsers go by:
# https://www.unicode.org/reports/tr46/#Deviations
_DEVIATIONS = "ßς\u200c\u200d"


def ascii_host(host: str) -> str:
    """A host name in ASCII, as DNS has it.

    Raises:
        ValueError: There is no such name, or more than one.

    Example:
        >>> ascii_host("modèles.example")
        'xn--modles-5ua.example'
    """
    if host.isascii():
        return host
    if any(each in _DEVIATIONS for each in host):
        raise ValueError("the host name has different forms in ASCII")
    return host.encode("idna").decode("ascii").lower()


def parse_url(text: str) -> Location:
    """Parse a URL: a blob where its host is an Azure account's, a file of a web server anywhere else.

    Args:
        text: The URL.

    Raises:
        InvalidURI: It is not an http or https URL, or it holds credentials.
    """
    if bad := re.search(r"[\x00-\x20\x7f]", text):
        raise InvalidURI(f"a URL cannot hold {bad[0]!r}", hint="percent-encode it", uri=shown(text))
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:  # its message may quote a password
        raise InvalidURI("this is not a URL: its host or port cannot be read", uri=shown(text)) from None
    if not host:
        raise InvalidURI("the host is missing", hint=_FORM, uri=shown(text))
    if "@" in url.netloc:
        hint = "pass them as HTTPConfig(headers={'Authorization': …})"
        raise InvalidURI("credentials do not belong in a URL", hint=hint, uri=shown(text))
    host = _checked(text, url, host)
    account = account_host(host)
    if account is not None and account.cloud is not None:
        return parse_azure_url(text, url, account)
    shown_host = f"[{host}]" if ":" in host else host
    root = f"{url.scheme}://{shown_host}" + (f":{url.port}" if url.port is not None else "")
    return Location(url.scheme, root, url.path.removeprefix("/"), query=url.query)


def _checked(text: str, url: SplitResult, host: str) -> str:
    """The host in ASCII; that of an IPv6 address as it is."""
    if "[" in url.netloc:
        return host
    try:
        host = ascii_host(host)
    except ValueError:
        hint = "write it in ASCII, as xn--…"
        raise InvalidURI("the host name cannot be written in ASCII", hint=hint, uri=shown(text)) from None
    if not re.fullmatch(r"([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", host):
        raise InvalidURI(f"{host!r} is not the name of a host", hint=_FORM, uri=shown(text))
    return host
