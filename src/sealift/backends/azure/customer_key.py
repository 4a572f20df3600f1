"""The headers of a customer-provided encryption key.

Source: https://learn.microsoft.com/azure/storage/blobs/encryption-customer-provided-keys
"""

import base64
import hashlib

from ...config import AzureConfig
from ...config.customer_key import customer_key_bytes

__all__ = ["customer_key_headers", "key_name"]


def customer_key_headers(config: AzureConfig | None) -> list[tuple[str, str]]:
    """The headers of requests that read or write the bytes or the metadata of a blob; [] without a key."""
    if config is None or config.customer_key is None:
        return []
    key = customer_key_bytes(config.customer_key)
    return [
        ("x-ms-encryption-key", base64.b64encode(key).decode()),
        ("x-ms-encryption-key-sha256", base64.b64encode(hashlib.sha256(key).digest()).decode()),
        ("x-ms-encryption-algorithm", "AES256"),
    ]


def key_name(headers: list[tuple[str, str]]) -> str:
    """Identifies the key of these headers, without disclosing it: eight characters. "": there is none."""
    digest = dict(headers).get("x-ms-encryption-key-sha256")
    return base64.b64decode(digest).hex()[:8] if digest else ""
