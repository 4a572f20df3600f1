"""Choose the proxy for a request, honoring NO_PROXY."""

from ipaddress import ip_address, ip_network

from ..config import Proxies
from ..uris.urls import ascii_host
from .message import Origin

__all__ = ["proxy_for"]


def proxy_for(origin: Origin, proxies: Proxies) -> str | None:
    """The proxy URL for an origin; None: connect directly.

    Example:
        >>> proxy_for(Origin.of("https://s3.corp"), Proxies(https="http://proxy:3128", exempt=("corp",))) is None
        True
    """
    proxy = proxies.https if origin.scheme == "https" else proxies.http
    if proxy is None or any(_matches(origin, entry.strip().lower()) for entry in proxies.exempt):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _matches(origin: Origin, entry: str) -> bool:
    """Whether a NO_PROXY entry matches: *, an address, a CIDR range or a name; all but CIDR ranges may have a port."""
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return ip_address(origin.host) in ip_network(entry, strict=False)
        except ValueError:
            return False
    host, port = entry, ""
    if entry.startswith("["):
        host, _, port = entry[1:].partition("]")
        port = port.removeprefix(":")
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
    if port and port != str(origin.port):
        return False
    try:
        return ip_address(origin.host) == ip_address(host)
    except ValueError:
        return _is_within(origin.host, host)


def _is_within(host: str, entry: str) -> bool:
    """Whether a host equals the entry or is a subdomain of it. Trailing dots are ignored."""
    try:
        name = ascii_host(entry.removeprefix("*").strip("."))
    except ValueError:
        return False
    return bool(name) and f".{host.rstrip('.').lower()}".endswith(f".{name}")
