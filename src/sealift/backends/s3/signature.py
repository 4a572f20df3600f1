"""Sign requests with AWS Signature Version 4, in the Authorization header. No I/O.

botocore's signer takes about eight times as long, as much as the rest of a small object's request
(`python -m bench.sdk_cost`). The tests compare the signatures with botocore's.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote

from ...frozen_dataclass import dataclass

__all__ = [
    "EMPTY_SHA256",
    "UNSIGNED_PAYLOAD",
    "Credentials",
    "SigningKey",
    "canonical_headers",
    "is_signed",
    "quote_key",
    "quote_query",
    "sign",
]

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
# Headers that S3 requires to be signed, in addition to "x-amz-*". Others (Accept-Encoding, Range, If-Match …) are not
# signed: proxies and CDNs may rewrite them, which would invalidate the signature.
_SIGNED = frozenset({"host", "content-md5", "content-type"})
_PLAIN = re.compile("[/A-Za-z0-9_.~-]*")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, its secret, and the session token of temporary credentials.

    `token_header` is the header that carries the token: sessions of directory buckets use a different one.
    """

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    token_header: str = "x-amz-security-token"  # noqa: S105 - a name


def quote_key(key: str) -> str:
    """Percent-encode an object's key for the path of a URL, except "/"."""
    return key if _PLAIN.fullmatch(key) else quote(key, safe="/-_.~", errors="surrogateescape")


def quote_query(parameters: Mapping[str, str]) -> str:
    """Encode a query in canonical form: sorted, with all but unreserved characters percent-encoded."""
    encoded = (
        (quote(name, safe="-_.~"), quote(value, safe="-_.~", errors="surrogateescape"))
        for name, value in parameters.items()
    )
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def is_signed(name: str) -> bool:
    """Whether S3 requires a header of this name to be signed."""
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
        headers: Headers to send, including `host`, with lower-case names. Only those that S3 requires are signed.
        credentials: Credentials to sign with.
        region: Region of the bucket.
        service: "s3", or the service name that the endpoint of an access point requires.
        now: Current time in UTC.
        payload: Lower-case hex SHA-256 of the body, or `UNSIGNED_PAYLOAD`.

    Returns:
        All headers to send, in order: `headers`, then those of the signature.
    """
    key = SigningKey(credentials, region, service, now)
    sent = [*headers, *key.headers(payload)]
    names, lines = canonical_headers(sent)
    path, _, query = target.partition("?")
    signature = key.signature(f"{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}")
    return [*sent, ("authorization", key.authorization(names, signature))]


def canonical_headers(headers: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """The headers to sign in canonical form: their names, and their lines."""
    ordered = sorted([field for field in headers if field[0] in _SIGNED or field[0].startswith("x-amz-")])
    lines = "".join([f"{name}:{' '.join(value.split())}\n" for name, value in ordered])
    return ";".join([name for name, _ in ordered]), lines


class SigningKey:
    """Signs requests with the credentials and the time of one moment; the arguments are those of `sign`."""

    __slots__ = ("_credentials", "_mac", "_scope", "_start", "_timestamp")

    def __init__(self, credentials: Credentials, region: str, service: str, now: datetime) -> None:
        self._credentials = credentials
        self._timestamp, self._scope = _scope(now, region, service)
        self._start = f"AWS4-HMAC-SHA256\n{self._timestamp}\n{self._scope}\n"
        self._mac = _keyed_mac(credentials.secret_key, self._timestamp[:8], region, service)

    def headers(self, payload: str) -> list[tuple[str, str]]:
        """The headers that a signed request needs besides Authorization."""
        fields = [("x-amz-content-sha256", payload), ("x-amz-date", self._timestamp)]
        if self._credentials.token is not None:
            fields.append((self._credentials.token_header, self._credentials.token))
        return fields

    def parameters(self, names: str, seconds: int) -> dict[str, str]:
        """The query parameters of a presigned URL, without the signature.

        Args:
            names: Names of the signed headers.
            seconds: How long the URL is valid.
        """
        credentials = self._credentials
        fields = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{credentials.access_key}/{self._scope}",
            "X-Amz-Date": self._timestamp,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": names,
        }
        if credentials.token is not None:
            name = "-".join(word.capitalize() for word in credentials.token_header.split("-"))
            fields[name] = credentials.token
        return fields

    def signature(self, request: str) -> str:
        """The signature of a canonical request."""
        # Copy a keyed HMAC: hmac.digest would release the GIL, and the disk threads would take it.
        mac = self._mac.copy()
        mac.update(f"{self._start}{hashlib.sha256(request.encode()).hexdigest()}".encode())
        return mac.hexdigest()

    def authorization(self, names: str, signature: str) -> str:
        """The value of the Authorization header, given the names of the signed headers."""
        credential = f"Credential={self._credentials.access_key}/{self._scope}"
        return f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"


@lru_cache(maxsize=16)
def _scope(now: datetime, region: str, service: str) -> tuple[str, str]:
    """The timestamp and the credential scope; the same for all requests that are signed at one moment."""
    timestamp = now.strftime("%Y%m%dT%H%M%SZ")
    return timestamp, f"{timestamp[:8]}/{region}/{service}/aws4_request"


@lru_cache(maxsize=64)
def _keyed_mac(secret: str, day: str, region: str, service: str) -> hmac.HMAC:
    key = f"AWS4{secret}".encode()
    for step in (day, region, service, "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.new(key, digestmod="sha256")
