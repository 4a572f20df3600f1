"""Object properties: the HTTP headers, user metadata and tags stored with an object."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ..errors import UnsupportedOperation
from ..frozen_dataclass import dataclass

if TYPE_CHECKING:
    from .write_options import WriteOptions

__all__ = ["HEADERS", "NO_PROPERTIES", "Properties", "ascii_fields", "dropped", "fits_header", "from_headers"]


@dataclass(frozen=True, slots=True)
class Properties:
    """HTTP headers, user metadata and tags stored with an object. Header values are kept verbatim.

    Attributes:
        content_type: Media type.
        content_encoding: Encoding of the stored bytes, such as "gzip".
        content_language: Language of the content.
        content_disposition: File name and presentation for browsers.
        cache_control: Cache policy.
        expires: Expiry date for caches, verbatim even if it is not a valid date.
        metadata: User metadata. S3 and Azure return the names in lower case.
        tags: Object tags. None: the object has tags, but reading them requires a separate request.
        options: Options of the call that writes the object, already applied to the other attributes. Those that are
            neither headers, metadata nor tags are never read back or copied. None: there are none.
    """

    content_type: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_disposition: str | None = None
    cache_control: str | None = None
    expires: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] | None = field(default_factory=dict)
    options: "WriteOptions | None" = None


NO_PROPERTIES = Properties()

# Header → attribute of `Properties`.
HEADERS = {
    "Content-Type": "content_type",
    "Content-Encoding": "content_encoding",
    "Content-Language": "content_language",
    "Content-Disposition": "content_disposition",
    "Cache-Control": "cache_control",
    "Expires": "expires",
}

_FIELDS = {header.lower().encode(): name for header, name in HEADERS.items()}
# A line break would start another header: https://www.rfc-editor.org/rfc/rfc9110#section-5.5
_CONTROL = r"[\x00-\x08\x0a-\x1f\x7f]"


def from_headers(
    headers: Iterable[tuple[bytes, bytes]], *, metadata: bytes | None = None, tag_count: bytes | None = None
) -> Properties:
    """Read the properties from response headers.

    Args:
        headers: Names in lower case, and values. Repeated headers are joined with a comma.
        metadata: Name prefix of user metadata headers. None: the service has none.
        tag_count: Name of the header with the number of tags. None: the service has none.
    """
    fields: dict[str, Any] = {}
    user_metadata: dict[str, str] = {}
    tags: Mapping[str, str] | None = {}
    for name, value in headers:
        if name in _FIELDS:
            if value:
                _add(fields, _FIELDS[name], value)
        elif metadata is not None and name.startswith(metadata):
            _add(user_metadata, _text(name.removeprefix(metadata)), value)
        elif name == tag_count and value not in {b"", b"0"}:
            tags = None
    return Properties(**fields, metadata=user_metadata, tags=tags)


def _add(values: dict[str, str], name: str, value: bytes) -> None:
    values[name] = f"{values[name]}, {_text(value)}" if name in values else _text(value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:  # the historical encoding of HTTP headers
        return value.decode("latin-1")


def ascii_fields(properties: Properties, key: str) -> dict[str, str]:
    """Select the header properties that can be sent as HTTP headers: attribute of `Properties` → value.

    Args:
        properties: Properties to send.
        key: Key of the object, for error messages.

    Raises:
        UnsupportedOperation: A value contains a control character.
    """
    values = {name: (header, getattr(properties, name)) for header, name in HEADERS.items()}
    return {name: value for name, (header, value) in values.items() if value and fits_header(value, header, key)}


def fits_header(value: str, what: str, key: str) -> bool:
    """Check whether a value survives as an HTTP header: ASCII without leading or trailing spaces.

    Args:
        value: The value.
        what: Name of the property, for error messages.
        key: Key of the object, for error messages.

    Raises:
        UnsupportedOperation: The value contains a control character, which could start another header, or a lone
            surrogate.
    """
    if re.search(_CONTROL, value):
        cause = f"{what} of {key!r} contains a line break or another control character, not allowed in an HTTP header"
        raise UnsupportedOperation(cause, hint="change it at the source")
    try:
        value.encode()
    except UnicodeEncodeError:
        cause = f"{what} of {key!r} contains a lone surrogate, which is no character"
        raise UnsupportedOperation(cause, hint="change it at the source") from None
    return value.isascii() and value == value.strip()


def dropped(sent: Properties, stored: Properties) -> tuple[str, ...]:
    """List the properties that were lost in a copy.

    Args:
        sent: Properties of the source.
        stored: Properties of the copy.

    Returns:
        For example ("Expires", "metadata 'a-b'", "tags").
    """
    lost = [header for header, name in HEADERS.items() if getattr(sent, name) and not getattr(stored, name)]
    metadata = {name.lower(): value for name, value in stored.metadata.items()}
    lost += [f"metadata {name!r}" for name, value in sent.metadata.items() if metadata.get(name.lower()) != value]
    if not stored.tags:
        lost += ["tags"] if sent.tags is None or sent.tags else []
    else:
        lost += [f"tag {name!r}" for name in sent.tags or {} if name not in stored.tags]
    return tuple(lost)
