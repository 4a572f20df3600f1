"""Where the requests for a bucket go: by the SDK's rules, or by the few that a given endpoint needs."""

import re
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from ...wire import Origin
from .settings import Settings
from .signature import quote_key

__all__ = ["Endpoint", "Scheme", "endpoint_without_sdk"]

# How requests are signed, by the names of the endpoint rules.
Scheme = Literal["sigv4", "sigv4a", "sigv4-s3express"]

# Regions and buckets without a meaning of their own to the SDK's rules: pseudo-regions, and the suffixes of directory
# buckets and of access points, are left to it.
_PLAIN_REGION = re.compile(r"(?!aws-global$|s3-external-1$)(?!.*fips)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PLAIN_BUCKET = re.compile(r"(?!.*--)[A-Za-z0-9._-]{1,255}")
# What can be a part of a host name.
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".aws", ".amazonwebservices.com.cn")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a bucket, and the scope of signatures there.

    Attributes:
        origin: The server.
        path: What precedes a key in the path: "" or "/bucket".
        region: Of the signature's scope; for "sigv4a" the set of regions, separated by commas.
        service: Of the signature's scope.
        scheme: How requests are signed, if they are.
    """

    origin: Origin
    path: str
    region: str
    service: str = "s3"
    scheme: Scheme = "sigv4"


def endpoint_without_sdk(bucket: str, settings: Settings) -> Endpoint | None:
    """The endpoint of a plain bucket at a service other than Amazon's; None: the SDK's rules have to decide."""
    if settings.endpoint_url is None or settings.variant or not _PLAIN_BUCKET.fullmatch(bucket):
        return None
    if not _PLAIN_REGION.fullmatch(settings.region):
        return None
    url = urlsplit(settings.endpoint_url)
    host = url.hostname or ""
    if not host or f".{host}".endswith(_AMAZON):
        return None
    origin, path = Origin.of(settings.endpoint_url), url.path.rstrip("/")
    virtual = settings.addressing_style == "virtual"
    if virtual and "." in bucket:  # depends on TLS, and on more
        return None
    if virtual and len(bucket) >= 3 and _LABEL.fullmatch(bucket) and not _is_address(host):
        origin = replace(origin, host=f"{bucket}.{origin.host}")
    else:
        path = f"{path}/{quote_key(bucket)}"
    return Endpoint(origin, path, settings.region)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
