"""Resolve the endpoint of a bucket at a service other than Amazon's, without the SDK."""

import re
from dataclasses import replace
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from ...frozen_dataclass import dataclass
from ...wire import Origin
from .settings import Settings
from .signature import quote_key

__all__ = ["Endpoint", "Scheme", "endpoint_without_sdk"]

# Signature schemes, by their names in the SDK's endpoint rules.
Scheme = Literal["sigv4", "sigv4a", "sigv4-s3express"]

# Regions and buckets without a special meaning in the SDK's endpoint rules. Pseudo-regions, and bucket names with the
# suffix of a directory bucket or an access point, need the SDK.
_PLAIN_REGION = re.compile(r"(?!aws-global$|s3-external-1$)(?!.*fips)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PLAIN_BUCKET = re.compile(r"(?!.*--)[A-Za-z0-9._-]{1,255}")
# A label of a host name.
_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".aws", ".amazonwebservices.com.cn")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a bucket, and the scope of its signatures.

    Attributes:
        origin: The server.
        path: Path before the key: "" or "/bucket".
        region: Region of the signature; for "sigv4a" the set of regions, separated by commas.
        service: Service of the signature.
        scheme: Signature scheme, for signed requests.
    """

    origin: Origin
    path: str
    region: str
    service: str = "s3"
    scheme: Scheme = "sigv4"


def endpoint_without_sdk(bucket: str, settings: Settings) -> Endpoint | None:
    """The endpoint of a bucket at a service other than Amazon's; None: it depends on the SDK's endpoint rules."""
    if settings.endpoint_url is None or settings.special_endpoint or not _PLAIN_BUCKET.fullmatch(bucket):
        return None
    if not _PLAIN_REGION.fullmatch(settings.region):
        return None
    url = urlsplit(settings.endpoint_url)
    host = url.hostname or ""
    if not host or f".{host}".endswith(_AMAZON):
        return None
    origin, path = Origin.of(settings.endpoint_url), url.path.rstrip("/")
    virtual = settings.addressing_style == "virtual"
    if virtual and "." in bucket:  # the SDK's choice depends on TLS, among others
        return None
    if virtual and len(bucket) >= 3 and re.fullmatch(_LABEL, bucket) and not _is_ip_address(host):
        origin = replace(origin, host=f"{bucket}.{origin.host}")
    else:
        path = f"{path}/{quote_key(bucket)}"
    return Endpoint(origin, path, settings.region)


def _is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
