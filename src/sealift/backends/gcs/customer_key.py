"""The headers of a customer-supplied encryption key.

Source: https://docs.cloud.google.com/storage/docs/encryption/customer-supplied-keys
"""

import base64
import hashlib

from ...config import GCSConfig
from ...config.customer_key import customer_key_bytes

__all__ = ["copy_source_headers", "customer_key_headers", "key_name"]

_KEY = "x-goog-encryption"
_SOURCE_KEY = "x-goog-copy-source-encryption"


def customer_key_headers(config: GCSConfig) -> list[tuple[str, str]]:
    """The headers of requests that read or write the bytes or the checksums of an object; [] without a key."""
    if config.customer_key is None:
        return []
    key = customer_key_bytes(config.customer_key)
    digest = hashlib.sha256(key).digest()
    return [
        (f"{_KEY}-algorithm", "AES256"),
        (f"{_KEY}-key", base64.b64encode(key).decode()),
        (f"{_KEY}-key-sha256", base64.b64encode(digest).decode()),
    ]


def copy_source_headers(config: GCSConfig) -> list[tuple[str, str]]:
    """The headers with the key of the source of a copy, which is that of its destination."""
    return [(name.replace(_KEY, _SOURCE_KEY), value) for name, value in customer_key_headers(config)]


def key_name(config: GCSConfig) -> str:
    """Identifies the key, without disclosing it: eight hex digits. "": there is none."""
    if config.customer_key is None:
        return ""
    return hashlib.sha256(customer_key_bytes(config.customer_key)).hexdigest()[:8]
