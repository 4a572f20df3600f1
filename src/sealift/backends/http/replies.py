"""Parse HTTP responses and errors. https://www.rfc-editor.org/rfc/rfc9110"""

import re
from dataclasses import replace

from ...errors import AccessDenied, ModelMissingError, ObjectChanged, ServiceError, StorageError
from ...types import ObjectInfo
from ...types.properties import Properties, from_headers
from ...wire import Response
from . import filenames

__all__ = ["content_coding", "error", "length", "object_info", "version"]

# Characters allowed in a request header, without the prefix W/.
_STRONG_TAG = re.compile(r'"[\x20\x21\x23-\x7e]+"')
_NOT_RETRYABLE = {501, 505}  # Not Implemented, HTTP Version Not Supported


def object_info(key: str, reply: Response) -> ObjectInfo:
    """Parse the headers of the response to a HEAD or GET.

    `ranged` requires a strong ETag, which pins ranges to one version of the file, and a body that is not encoded.
    """
    size, tag = length(reply), version(reply)
    offered = {unit.strip().lower() for unit in (reply.header("accept-ranges") or "").split(",")}
    return ObjectInfo(
        key,
        size,
        tag,
        reply.time("last-modified"),
        reply.header("etag"),
        properties=properties(reply),
        ranged="bytes" in offered and tag is not None and size is not None,
        name=filenames.of_path(key) or filenames.of_disposition(reply.header("content-disposition") or "") or "",
    )


def properties(reply: Response) -> Properties:
    """Parse the file's properties.

    Content-Encoding is dropped, since bodies are decoded. An Expires that is not a date, such as "0", applies to this
    response only: https://www.rfc-editor.org/rfc/rfc9111#section-5.3
    """
    received = from_headers(reply.headers)
    return replace(received, content_encoding=None, expires=received.expires if reply.time("expires") else None)


def version(reply: Response) -> str | None:
    """Return the ETag if it is strong: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3."""
    tag = reply.header("etag")
    return tag if tag is not None and _STRONG_TAG.fullmatch(tag) else None


def length(reply: Response) -> int | None:
    """Return the size of the file in bytes; None if the response does not contain it."""
    size = reply.header("content-length")
    if (
        size is None
        or not size.isascii()
        or not size.isdecimal()
        or content_coding(reply)
        or reply.header("transfer-encoding")
    ):
        return None
    return int(size)


def content_coding(reply: Response) -> str | None:
    """Return the encoding of the body; None if it is not encoded."""
    codings = [coding.strip().lower() for coding in (reply.header("content-encoding") or "").split(",")]
    return ", ".join(coding for coding in codings if coding not in {"", "identity"}) or None


def error(reply: Response, key: str, *, hint: str) -> StorageError:
    """Convert an error response to an exception. The body is not quoted: it may repeat the query of a signed URL.

    Args:
        reply: Response with an error status.
        key: Key of the requested file.
        hint: Hint for a denied request.
    """
    status = reply.status
    if status in {401, 403}:
        return AccessDenied(f"the server denied access ({status})", hint=hint, status=status, host=reply.host)
    if status in {404, 410}:
        return ModelMissingError(key, cause=f"the server has no such file ({status})", status=status)
    if status in {412, 416}:
        return ObjectChanged("the file was replaced while it was read", status=status)
    return ServiceError(
        f"the server answered {status}",
        status=status,
        retryable=status in {408, 425, 429} or (status >= 500 and status not in _NOT_RETRYABLE),
        retry_after=reply.retry_after,
        throttled=reply.asks_for_less,
        host=reply.host,
    )
