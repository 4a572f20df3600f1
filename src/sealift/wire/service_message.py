"""What an error response says, in a form that may be shown: the service's message, and the IDs of the request.

A service may repeat in a message what it was sent, so signatures and tokens of the request are left out.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from ..errors import StorageError
from .message import Request, Response

__all__ = ["service_message", "with_request_ids"]

# Maximum number of characters of a service's message in an error.
_LONGEST_MESSAGE = 300
# What the support of Amazon, Azure, Google, the Hugging Face Hub and of their CDNs asks for.
_REQUEST_IDS = (
    "x-amz-request-id", "x-amz-id-2", "x-amzn-requestid", "x-ms-request-id", "x-guploader-uploadid", "x-request-id",
    "x-amz-cf-id", "cf-ray",
)  # fmt: skip
_SECRET_HEADERS = {
    "authorization", "cookie", "proxy-authorization", "x-amz-security-token", "x-amz-s3session-token",
    "x-ms-copy-source", "x-ms-copy-source-authorization",
}  # fmt: skip
# Headers with a key, such as x-amz-server-side-encryption-customer-key and x-goog-encryption-key.
_KEY_HEADER = r"(?:customer|encryption)-key(?:-sha256|-md5)?$"
_PARAMETER_NAME = (
    r"(?i)^(?:x-(?:amz|goog)-)?(?:sig|signature|security-token|credential|delegation|upload_id|\w*token|api_?key)$"
)
# What looks like a secret, whoever it belongs to: the query of a URL, a signature or token with its name, a token.
_SECRETS = (
    (r"(https?://[^\s?\"'<>]*)\?[^\s\"'<>]*", r"\1?…"),
    (r"(?i)\b([\w-]*(?:sig|signature|token|secret|password|credential|api_?key)=)[^\s&\"',;<]+", r"\1…"),
    (r"(?i)\b(bearer|basic|sharedkey) [^\s\"',;<]{12,}", r"\1 …"),
    (r"\b(?:hf_|ya29\.|eyJ)[A-Za-z0-9._-]{8,}", "…"),
)
# Messages that say no more than the status.
_NOTHING = {
    "access denied", "access is denied", "accessdenied", "bad request", "denied", "error", "forbidden",
    "internal server error", "not found", "permission denied", "service unavailable", "unauthorized",
}  # fmt: skip


def service_message(text: str | None, reply: Response) -> str:
    """Prepare a message from an error response for an error: one line of bounded length, without secrets.

    Args:
        text: The message.
        reply: The response that contains it.

    Returns:
        The message; "" if it says no more than the status.
    """
    message = " ".join("".join(character if character.isprintable() else " " for character in text or "").split())
    if message.rstrip(".!").lower() in _NOTHING:
        return ""
    for secret in _sent_secrets(reply.request):
        message = message.replace(secret, "…")
    for pattern, replacement in _SECRETS:
        message = re.sub(pattern, replacement, message)
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[: _LONGEST_MESSAGE - 1]}…"


def with_request_ids(error: StorageError, reply: Response) -> StorageError:
    """Add the IDs of the request to the error for its response, and return the error."""
    secrets = list(_sent_secrets(reply.request))
    found = {name: value for name in _REQUEST_IDS if (value := reply.header(name))}
    error.request_ids = {
        name: value
        for name, value in found.items()
        if re.fullmatch(r"[\x21-\x7e]{1,200}", value) and not any(secret in value for secret in secrets)
    }
    return error


def _sent_secrets(request: Request | None) -> Iterator[str]:
    """The signatures, tokens and keys in a request."""
    if request is None:
        return
    for name, value in request.headers:
        if name in _SECRET_HEADERS or re.search(_KEY_HEADER, name):
            yield from _long(value.split(" ")[-1].removeprefix("Signature="))
    for pair in request.target.partition("?")[2].split("&"):
        parameter, _, value = pair.partition("=")
        if re.search(_PARAMETER_NAME, unquote(parameter)):
            yield from _long(value, unquote(value))


def _long(*values: str) -> Iterator[str]:
    """Values that are not also ordinary words."""
    return (value for value in values if len(value) >= 8)
