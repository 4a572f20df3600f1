"""Encryption keys that the caller provides with each request, and that the service does not store."""

from typing import Any

from ..errors import InvalidConfig

__all__ = ["check_customer_key", "customer_key_bytes", "require_tls"]

_LENGTH = 32


def customer_key_bytes(key: str | bytes) -> bytes:
    """The bytes of a customer-provided key; a text is Base64.

    Raises:
        ValueError: It is not Base64.
    """
    if isinstance(key, bytes):
        return key
    import base64  # noqa: PLC0415 - most calls have no key

    return base64.b64decode(key, validate=True)


def check_customer_key(config: Any) -> None:
    """Check the `customer_key` of a configuration.

    Raises:
        InvalidConfig: It is not a key of 256 bits. The message does not contain it.
    """
    if config.customer_key is None:
        return
    try:
        valid = len(customer_key_bytes(config.customer_key)) == _LENGTH
    except (TypeError, ValueError):
        valid = False
    if not valid:
        cause = f"{type(config).__name__}(customer_key=…) is not a key of 256 bits"
        raise InvalidConfig(cause, hint="pass 32 bytes, or their Base64 text") from None


def require_tls(config: Any, address: str) -> None:
    """Check that a customer-provided key is not sent unencrypted, unless the configuration allows it.

    Args:
        config: The configuration.
        address: URL of the service.

    Raises:
        InvalidConfig: The key would be sent over http.
    """
    if config.customer_key is not None and not config.customer_key_over_http and not address.startswith("https://"):
        raise InvalidConfig(
            f"the customer key would be sent unencrypted to {address}",
            hint=f"use https, or, for tests, {type(config).__name__}(customer_key_over_http=True)",
        )
