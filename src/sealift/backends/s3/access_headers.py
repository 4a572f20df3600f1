"""Headers that the configuration adds to all requests for a bucket: who pays, and the customer-provided key.

Sources, under https://docs.aws.amazon.com/AmazonS3/latest/userguide/: RequesterPaysBuckets.html,
ServerSideEncryptionCustomerKeys.html
"""

import base64
import hashlib
from collections.abc import Sequence

from ...config import S3Config
from ...config.customer_key import customer_key_bytes, require_tls
from ...errors import UnsupportedOperation
from ...wire import Origin

__all__ = ["Headers", "access_headers", "copy_source_headers", "key_digest"]

Headers = Sequence[tuple[str, str]]

_KEY = "x-amz-server-side-encryption-customer"
_SOURCE_KEY = "x-amz-copy-source-server-side-encryption-customer"


def access_headers(config: S3Config, origin: Origin, *, directory: bool) -> tuple[Headers, Headers]:
    """The headers of requests for a bucket, and those of requests that read or write the bytes of its objects.

    Args:
        config: The configuration.
        origin: The server.
        directory: Whether it is a directory bucket.

    Raises:
        InvalidConfig: The key would be sent unencrypted.
        UnsupportedOperation: Directory buckets do not support this setting.
    """
    if not config.requester_pays and config.customer_key is None:  # true for most calls
        return (), ()
    if directory:
        setting = "requester_pays" if config.requester_pays else "customer_key"
        raise UnsupportedOperation(f"directory buckets do not support S3Config({setting}=…)")
    headers = [("x-amz-request-payer", "requester")] if config.requester_pays else []
    if config.customer_key is None:
        return headers, headers
    require_tls(config, f"{origin.scheme}://{origin.netloc}")
    key = customer_key_bytes(config.customer_key)
    digest = hashlib.md5(key, usedforsecurity=False).digest()
    return headers, [
        *headers,
        (f"{_KEY}-algorithm", "AES256"),
        (f"{_KEY}-key", base64.b64encode(key).decode()),
        (f"{_KEY}-key-md5", base64.b64encode(digest).decode()),
    ]


def copy_source_headers(object_headers: Headers) -> Headers:
    """The headers with the key of the source of a copy, which is that of its destination."""
    return [(name.replace(_KEY, _SOURCE_KEY), value) for name, value in object_headers if name.startswith(_KEY)]


def key_digest(object_headers: Headers) -> str:
    """Identifies the customer-provided key, without disclosing it: the service returns it too. "": there is none."""
    return dict(object_headers).get(f"{_KEY}-key-md5", "")
