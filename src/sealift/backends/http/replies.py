"""What an HTTP server says: replies → values and errors of ours. https://www.rfc-editor.org/rfc/rfc9110"""

import re
from dataclasses import replace

from ...errors import AccessDenied, ModelMissingError, ObjectChanged, ServiceError, StorageError
from ...types import ObjectInfo
from ...types.properties import Properties, from_headers
from ...wire import Response
from . import filenames

__all__ = ["content_coding", "error", "length", "object_info", "version"]

# What a request header can carry, and no W/ in front of it.
_STRONG_TAG = re.compile(r'"[\x20\x21\x23-\x7e]+"')
_NEVER = {501, 505}  # Not Implemented, HTTP Version Not Supported


def object_info(key: str, reply: Response) -> ObjectInfo:
    """What the head of the reply to a GET tells of a file.

    Ranges are only asked for where a strong entity tag pins them to one version of the file, and where they are of the
    bytes that it has.
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
    """What the server sends beside the bytes.

    They arrive decoded, so Content-Encoding does not describe them. An Expires that is not a date, such as "0", is
    about this reply: https://www.rfc-editor.org/rfc/rfc9111#section-5.3
    """
    found = from_headers(reply.headers)
    return replace(found, content_encoding=None, expires=found.expires if reply.time("expires") else None)


def version(reply: Response) -> str | None:
    """The entity tag, where it is a strong one: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3."""
    tag = reply.header("etag")
    return tag if tag is not None and _STRONG_TAG.fullmatch(tag) else None


def length(reply: Response) -> int | None:
    """How many bytes the file has, where the reply says so."""
    told = reply.header("content-length")
    if (
        told is None
        or not told.isascii()
        or not told.isdecimal()
        or content_coding(reply)
        or reply.header("transfer-encoding")
    ):
        return None
    return int(told)


def content_coding(reply: Response) -> str | None:
    """How the body is encoded; None: it is not."""
    told = [coding.strip().lower() for coding in (reply.header("content-encoding") or "").split(",")]
    return ", ".join(coding for coding in told if coding not in {"", "identity"}) or None


def error(reply: Response, key: str, *, hint: str) -> StorageError:
    """The failure that a reply tells of; its body is not quoted, for it may repeat the query of a signed URL.

    Args:
        reply: Its status is not the one of success.
        key: The file that was asked for.
        hint: What may be the reason for a refusal.
    """
    status = reply.status
    if status in {401, 403}:
        return AccessDenied(f"the server refuses it ({status})", hint=hint, status=status)
    if status in {404, 410}:
        return ModelMissingError(key, cause=f"the server has no such file ({status})", status=status)
    if status in {412, 416}:
        return ObjectChanged("the file was replaced while it was read", status=status)
    return ServiceError(
        f"the server answered {status}",
        status=status,
        retryable=status in {408, 425, 429} or (status >= 500 and status not in _NEVER),
        retry_after=reply.retry_after,
    )
