"""SSRF protection: which addresses a redirect may reach. No I/O.

A malicious redirect could make this machine send requests to its own services, or to the cloud's metadata service,
which hands out credentials to local callers: https://owasp.org/www-community/attacks/Server_Side_Request_Forgery
`Dialer` checks the resolved address when it connects, so that DNS rebinding cannot bypass the check.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from .message import AllowedAddresses, Origin

__all__ = ["allowed_after_redirect", "blocked_reason"]

_METADATA_REASON = "a link-local or cloud metadata address"
_LOOPBACK_REASON = "a loopback address"
# Most clouds serve metadata on a link-local address. The exceptions: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/
# instancedata-data-retrieval.html and eks/latest/userguide/pod-id-how-it-works.html (fd00:ec2::),
# https://cloud.google.com/compute/docs/metadata/querying-metadata (fd20:ce::),
# https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16,
# https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata and Oracle's older one.
_METADATA_NETWORKS = [
    ip_network(text)
    for text in (
        "169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "fd20:ce::/32", "168.63.129.16/32", "100.100.100.200/32",
        "192.0.0.192/32",
    )
]  # fmt: skip
# Connecting to an unspecified address reaches this machine.
_LOOPBACK_NETWORKS = [ip_network(text) for text in ("127.0.0.0/8", "::1/128", "0.0.0.0/8", "::/128")]
# https://www.rfc-editor.org/rfc/rfc6052#section-2.1
_NAT64 = ip_network("64:ff9b::/96")


def allowed_after_redirect(origin: Origin, allowed: AllowedAddresses) -> AllowedAddresses:
    """Addresses that a redirect may reach.

    Args:
        origin: The server that redirects.
        allowed: Addresses that the redirected request was allowed to reach.
    """
    return "public" if allowed == "public" or not _is_private_host(origin.host) else "local"


def blocked_reason(host: str, allowed: AllowedAddresses) -> str | None:
    """Why an address is blocked; None: it is allowed, or `host` is a name that has not been resolved.

    Example:
        >>> blocked_reason("::ffff:169.254.169.254", "local")
        'a link-local or cloud metadata address'
        >>> blocked_reason("127.0.0.1", "local"), blocked_reason("127.0.0.1", "public")
        (None, 'a loopback address')
    """
    if allowed == "any":
        return None
    try:
        address = _embedded_ipv4(ip_address(host))
    except ValueError:
        return _LOOPBACK_REASON if allowed == "public" and _is_localhost(host) else None
    if any(address in network for network in _METADATA_NETWORKS):
        return _METADATA_REASON
    return (
        _LOOPBACK_REASON if allowed == "public" and any(address in network for network in _LOOPBACK_NETWORKS) else None
    )


def _is_private_host(host: str) -> bool:
    """Whether a host is localhost or a private address; names are not resolved."""
    try:
        return _embedded_ipv4(ip_address(host)).is_private
    except ValueError:
        return _is_localhost(host)


def _is_localhost(name: str) -> bool:
    """https://www.rfc-editor.org/rfc/rfc6761#section-6.3"""
    return f".{name.rstrip('.').lower()}".endswith(".localhost")


def _embedded_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address embedded in an IPv6 address, if any; else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
