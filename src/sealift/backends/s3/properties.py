"""Convert an object's properties (metadata, tags, content headers) to and from S3 headers.

Sources, under https://docs.aws.amazon.com/AmazonS3/latest/: userguide/UsingMetadata.html, userguide/object-tagging.html
and API/API_PutObject.html
"""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from ...types.properties import HEADERS, NO_PROPERTIES, Properties, ascii_fields, fits_header, from_headers
from ...types.write_options import WriteOptions, check_stored
from ...wire import Response

__all__ = ["from_reply", "to_headers"]

_METADATA = "x-amz-meta-"
_NAME = r"[!#$%&'*+.^_`|~0-9a-z-]+"
_ENCRYPTION = "x-amz-server-side-encryption"
# Attribute of `WriteOptions` → header of PutObject, CreateMultipartUpload and CopyObject.
_OPTIONS = {
    "storage_class": "x-amz-storage-class",
    "acl": "x-amz-acl",
    "sse": _ENCRYPTION,
    "kms_key_id": f"{_ENCRYPTION}-aws-kms-key-id",
}


def from_reply(reply: Response) -> Properties:
    """The properties in the reply to a HEAD or a GET."""
    properties = from_headers(reply.headers, metadata=_METADATA.encode(), tag_count=b"x-amz-tagging-count")
    if not properties.metadata and properties.content_encoding is None:  # true for most objects
        return properties
    metadata = {name: _decode(value) for name, value in properties.metadata.items()}
    return replace(properties, content_encoding=_without_aws_chunked(properties.content_encoding), metadata=metadata)


def to_headers(properties: Properties, key: str) -> tuple[Properties, list[tuple[str, str]]]:
    """Convert properties to request headers.

    Args:
        properties: Properties of the source object.
        key: Key of the object, for messages.

    Returns:
        The properties that S3 can store, and their headers.

    Raises:
        UnsupportedOperation: A property contains a control character, or S3 cannot store what the caller's options set.
    """
    if properties is NO_PROPERTIES:  # true for most uploads
        return properties, []
    stored = replace(properties, content_encoding=_without_aws_chunked(properties.content_encoding))
    fields: dict[str, Any] = ascii_fields(stored, key)
    headers = [(header.lower(), fields[name]) for header, name in HEADERS.items() if name in fields]
    metadata: dict[str, str] = {}
    for name, value in properties.metadata.items():
        lower = name.lower()
        if re.fullmatch(_NAME, lower) and lower not in metadata:
            metadata[lower] = value
            headers.append((f"{_METADATA}{lower}", _encode(value, f"the metadata {name!r}", key)))
    if properties.tags:
        headers.append(("x-amz-tagging", urlencode(properties.tags, errors="surrogatepass")))
    kept = Properties(**fields, metadata=metadata, tags=properties.tags or {})
    if properties.options is not None:
        check_stored(properties, kept, "s3")
        headers += _option_headers(properties.options)
    return kept, headers


def _option_headers(options: WriteOptions) -> list[tuple[str, str]]:
    """The headers for storage class, access control list and encryption."""
    headers = [(header, value) for name, header in _OPTIONS.items() if (value := getattr(options, name)) is not None]
    if options.bucket_key is not None:
        headers.append((f"{_ENCRYPTION}-bucket-key-enabled", str(options.bucket_key).lower()))
    if options.sse is None and (options.kms_key_id is not None or options.bucket_key is not None):
        headers.append((_ENCRYPTION, "aws:kms"))
    return headers


def _without_aws_chunked(value: str | None) -> str | None:
    """Remove "aws-chunked" from a Content-Encoding. It describes how an upload was sent, but some services store it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
    """
    if value is None or "aws-chunked" not in value.lower():
        return value
    codings = [coding.strip() for coding in value.split(",")]
    return ",".join(coding for coding in codings if coding.lower() not in {"", "aws-chunked"}) or None


def _encode(value: str, name: str, key: str) -> str:
    """Encode user metadata as a header: non-ASCII text becomes encoded words (RFC 2047), which S3 decodes."""
    if fits_header(value, name, key) and "=?" not in value:
        return value
    from email.header import Header  # noqa: PLC0415 - most metadata is ASCII

    return Header(value, "utf-8").encode(linesep="")


def _decode(value: str) -> str:
    """Decode user metadata: encoded words (RFC 2047) stand for non-ASCII text."""
    if "=?" not in value:
        return value
    from email.errors import HeaderParseError  # noqa: PLC0415 - most metadata is ASCII
    from email.header import decode_header, make_header  # noqa: PLC0415

    try:
        decoded = str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError):  # not an encoded word after all
        return value
    return decoded if decoded.isprintable() else value
