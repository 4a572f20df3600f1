"""AWS Signature Version 4 in headers, as S3 wants it: pure.

botocore's signer takes about eight times as long, as much as the rest of a small object's request
(`python -m bench.sdk_cost`); the tests hold this one against it.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote

__all__ = ["EMPTY_SHA256", "UNSIGNED_PAYLOAD", "Credentials", "is_signed", "quote_key", "quote_query", "sign"]

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
# Signed beside "x-amz-*", because S3 demands it. Proxies and CDNs may rewrite any other header (Accept-Encoding, Range,
# If-Match …), and then a signature that covers it does not match.
_SIGNED = frozenset({"host", "content-md5", "content-type"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, its secret, and the session's token where they are temporary.

    `token_header` is the header that carries the token: sessions of directory buckets have their own.
    """

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    token_header: str = "x-amz-security-token"  # noqa: S105 - a name


def quote_key(key: str) -> str:
    """Percent-encode an object's key for a URL's path; "/" stays."""
    return quote(key, safe="/-_.~", errors="surrogateescape")


def quote_query(parameters: Mapping[str, str]) -> str:
    """A query in the canonical form: sorted, everything but unreserved characters encoded."""
    encoded = ((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parameters.items())
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def is_signed(name: str) -> bool:
    """Whether S3 demands that a header of this name is signed."""
    return name in _SIGNED or name.startswith("x-amz-")


def sign(
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]],
    *,
    credentials: Credentials,
    region: str,
    service: str,
    now: datetime,
    payload: str = EMPTY_SHA256,
) -> list[tuple[str, str]]:
    """Sign a request.

    Args:
        method: HTTP method.
        target: Path and query as sent; the query in the form of `quote_query`.
        headers: To send, with `host` among them; their names in lower case. Signed are those that S3 wants signed.
        credentials: Whose signature.
        region: Where the bucket is.
        service: "s3", or the name that an access point's endpoint asks for.
        now: UTC.
        payload: Lower-case hex SHA-256 of the body, or `UNSIGNED_PAYLOAD`.

    Returns:
        All headers to send, in order: the given ones, and those that sign them.
    """
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    sent = [*headers, ("x-amz-content-sha256", payload), ("x-amz-date", moment)]
    if credentials.token is not None:
        sent.append((credentials.token_header, credentials.token))
    ordered = sorted((name, value) for name, value in sent if is_signed(name))
    names = ";".join(name for name, _ in ordered)
    path, _, query = target.partition("?")
    lines = "".join(f"{name}:{' '.join(value.split())}\n" for name, value in ordered)
    request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}"
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    # A copy of a keyed HMAC: hmac.digest would let go of the interpreter's lock, and the disk threads would take it.
    mac = _signing_key(credentials.secret_key, moment[:8], region, service).copy()
    mac.update(text.encode())
    fields = (f"Credential={credentials.access_key}/{scope}", f"SignedHeaders={names}", f"Signature={mac.hexdigest()}")
    return [*sent, ("authorization", f"AWS4-HMAC-SHA256 {', '.join(fields)}")]


@lru_cache(maxsize=64)
def _signing_key(secret: str, day: str, region: str, service: str) -> hmac.HMAC:
    key = f"AWS4{secret}".encode()
    for step in (day, region, service, "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.new(key, digestmod="sha256")
