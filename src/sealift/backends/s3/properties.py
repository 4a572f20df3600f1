"""What S3 stores beside an object's bytes, as headers and tags.

Sources, under https://docs.aws.amazon.com/AmazonS3/latest/userguide/: UsingMetadata.html, object-tagging.html
"""

import re
from dataclasses import replace
from urllib.parse import urlencode

from ...types.properties import HEADERS, NO_PROPERTIES, Properties, ascii_fields, fits_header, from_headers
from ...wire import Response

__all__ = ["of_reply", "to_headers"]

_METADATA = "x-amz-meta-"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")


def of_reply(reply: Response) -> Properties:
    """The properties in the reply to a HEAD or a GET."""
    found = from_headers(reply.headers, metadata=_METADATA.encode(), tag_count=b"x-amz-tagging-count")
    if not found.metadata and found.content_encoding is None:  # as of most objects
        return found
    metadata = {name: _decoded(value) for name, value in found.metadata.items()}
    return replace(found, content_encoding=_stored_encoding(found.content_encoding), metadata=metadata)


def to_headers(properties: Properties, key: str) -> tuple[Properties, list[tuple[str, str]]]:
    """The headers that store properties.

    Args:
        properties: Of the source.
        key: Of the object, for messages.

    Returns:
        The properties that S3 can store, and their headers.

    Raises:
        UnsupportedOperation: One contains a control character.
    """
    if properties is NO_PROPERTIES:  # as of most uploads
        return properties, []
    fields = ascii_fields(replace(properties, content_encoding=_stored_encoding(properties.content_encoding)), key)
    headers = [(header.lower(), fields[name]) for header, name in HEADERS.items() if name in fields]
    metadata: dict[str, str] = {}
    for name, value in properties.metadata.items():
        lower = name.lower()
        if _NAME.fullmatch(lower) and lower not in metadata:
            metadata[lower] = value
            headers.append((f"{_METADATA}{lower}", _encoded(value, f"the metadata {name!r}", key)))
    if properties.tags:
        headers.append(("x-amz-tagging", urlencode(properties.tags)))
    return Properties(**fields, metadata=metadata, tags=properties.tags or {}), headers


def _stored_encoding(value: str | None) -> str | None:
    """A Content-Encoding without "aws-chunked", which is how an upload was sent; some services store it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
    """
    if value is None or "aws-chunked" not in value.lower():
        return value
    codings = [coding.strip() for coding in value.split(",")]
    return ",".join(coding for coding in codings if coding.lower() not in {"", "aws-chunked"}) or None


def _encoded(value: str, what: str, key: str) -> str:
    """User metadata as a header: what is not plain ASCII becomes encoded words (RFC 2047), which S3 decodes."""
    if fits_header(value, what, key) and "=?" not in value:
        return value
    from email.header import Header  # noqa: PLC0415 - most metadata is ASCII

    return Header(value, "utf-8").encode(linesep="")


def _decoded(value: str) -> str:
    """User metadata without encoded words, which stand for what is not plain ASCII."""
    if "=?" not in value:
        return value
    from email.errors import HeaderParseError  # noqa: PLC0415 - most metadata is ASCII
    from email.header import decode_header, make_header  # noqa: PLC0415

    try:
        decoded = str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError):  # it only looks like one
        return value
    return decoded if decoded.isprintable() else value
