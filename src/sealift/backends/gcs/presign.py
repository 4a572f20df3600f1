"""Signed URLs (V4), with the private key of a service account.

Source: https://cloud.google.com/storage/docs/authentication/signatures
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from ...errors import InvalidConfig, UnsupportedOperation
from ...wire import Origin
from .bucket import Bucket
from .credentials import credentials_file

__all__ = ["presign", "presigned_url"]

# The maximum of the service: a week.
_MOST_SECONDS = 604_800
_ALGORITHM = "GOOG4-RSA-SHA256"


async def presign(bucket: Bucket, key: str, method: str, seconds: int) -> str:
    """Sign a URL; see `Backend.presign`.

    Raises:
        InvalidConfig: The URL would be valid for more than a week, or the key file is not valid.
        UnsupportedOperation: The credentials are not the key of a service account.
    """
    if seconds > _MOST_SECONDS:
        raise InvalidConfig(
            f"expires_in={seconds} is more than Google Cloud Storage allows", hint=f"at most {_MOST_SECONDS} s, a week"
        )
    bucket.path(key)  # checks the key
    config, environ, disk = bucket.config, bucket.instance.environ, bucket.instance.disk
    _, account = (None, {}) if config.anonymous else await disk.run(lambda: credentials_file(config, environ))
    if account.get("type") != "service_account":
        raise UnsupportedOperation(
            "only the key of a service account can sign a URL", hint="pass GCSConfig(service_account_key=…)"
        )
    resource, now = f"/{quote(bucket.location.root, safe='')}/{quote(key, safe='/~')}", datetime.now(UTC)
    return await disk.run(lambda: presigned_url(bucket.origin, resource, account, method, seconds, now))


def presigned_url(
    origin: Origin, resource: str, account: Mapping[str, Any], method: str, seconds: int, now: datetime
) -> str:
    """The URL of an object with a signature in its query; blocking.

    Args:
        origin: The server.
        resource: Path of the object, percent-encoded.
        account: Content of the service account's key file.
        method: HTTP method that the URL is for.
        seconds: How long the URL is valid.
        now: Current time in UTC.

    Raises:
        InvalidConfig: The key file has no valid private key.
    """
    timestamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{timestamp[:8]}/auto/storage/goog4_request"
    fields = {
        "X-Goog-Algorithm": _ALGORITHM,
        "X-Goog-Credential": f"{account.get('client_email')}/{scope}",
        "X-Goog-Date": timestamp,
        "X-Goog-Expires": str(seconds),
        "X-Goog-SignedHeaders": "host",
    }
    query = urlencode(sorted(fields.items()), quote_via=quote, safe="-_.~")
    request = f"{method}\n{resource}\n{query}\nhost:{origin.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(request.encode()).hexdigest()
    signature = _sign(account, f"{_ALGORITHM}\n{timestamp}\n{scope}\n{digest}".encode())
    return f"{origin.scheme}://{origin.netloc}{resource}?{query}&X-Goog-Signature={signature.hex()}"


def _sign(account: Mapping[str, Any], text: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - 30 ms
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    try:
        key = serialization.load_pem_private_key(str(account.get("private_key")).encode(), password=None)
    except Exception:  # noqa: BLE001 - several types, whose messages may repeat the key
        key = None
    if not isinstance(key, rsa.RSAPrivateKey) or not account.get("client_email"):
        raise InvalidConfig("the service account's key file has no valid private_key or client_email")
    return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
