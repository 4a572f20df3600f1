"""What services store beside an object's bytes: HTTP headers, user metadata and tags."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import UnsupportedOperation

__all__ = ["HEADERS", "NO_PROPERTIES", "Properties", "ascii_fields", "dropped", "fits_a_header", "of_headers"]


@dataclass(frozen=True, slots=True)
class Properties:
    """What is stored beside an object's bytes. Header values are kept verbatim.

    Attributes:
        content_type: The media type.
        content_encoding: How the stored bytes are encoded, such as "gzip".
        content_language: For whom the content is meant.
        content_disposition: Under which name a browser saves it.
        cache_control: How long caches may keep it.
        expires: When caches drop it: a date, or whatever else was stored.
        metadata: User metadata. S3 and Azure report its names in lower case.
        tags: Object tags. None: it has some, but they are not known; reading them takes a request of its own.
    """

    content_type: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_disposition: str | None = None
    cache_control: str | None = None
    expires: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] | None = field(default_factory=dict)


NO_PROPERTIES = Properties()

# Header → field of `Properties`.
HEADERS = {
    "Content-Type": "content_type",
    "Content-Encoding": "content_encoding",
    "Content-Language": "content_language",
    "Content-Disposition": "content_disposition",
    "Cache-Control": "cache_control",
    "Expires": "expires",
}

_FIELDS = {header.lower().encode(): name for header, name in HEADERS.items()}
# A line break would begin another header; https://www.rfc-editor.org/rfc/rfc9110#section-5.5
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def of_headers(
    headers: Iterable[tuple[bytes, bytes]], *, metadata: bytes | None = None, tag_count: bytes | None = None
) -> Properties:
    """Read the properties in the head of a reply.

    Args:
        headers: Names in lower case. Values of the same name are joined by a comma.
        metadata: Prefix of the headers that hold user metadata. None: there is none.
        tag_count: Header that holds the number of tags. None: there are none.
    """
    fields: dict[str, str] = {}
    named: dict[str, str] = {}
    tags: Mapping[str, str] | None = {}
    for name, value in headers:
        if name in _FIELDS:
            if value:
                _add(fields, _FIELDS[name], value)
        elif metadata is not None and name.startswith(metadata):
            _add(named, _text(name.removeprefix(metadata)), value)
        elif name == tag_count and value not in {b"", b"0"}:
            tags = None
    return Properties(**fields, metadata=named, tags=tags)


def _add(found: dict[str, str], name: str, value: bytes) -> None:
    found[name] = f"{found[name]}, {_text(value)}" if name in found else _text(value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:  # what HTTP had before UTF-8
        return value.decode("latin-1")


def ascii_fields(properties: Properties, key: str) -> dict[str, str]:
    """The fields that an HTTP header can carry: field of `Properties` → value.

    Args:
        properties: To be sent.
        key: Of the object, for messages.

    Raises:
        UnsupportedOperation: One contains a control character.
    """
    told = {name: (header, getattr(properties, name)) for header, name in HEADERS.items()}
    return {name: value for name, (header, value) in told.items() if value and fits_a_header(value, header, key)}


def fits_a_header(value: str, what: str, key: str) -> bool:
    """Whether an HTTP header carries a value as it is: ASCII without spaces around it.

    Args:
        value: To be sent.
        what: For messages: what it is.
        key: Of the object, for messages.

    Raises:
        UnsupportedOperation: It contains a control character, which could begin another header.
    """
    if _CONTROL.search(value):
        cause = f"{what} of {key!r} contains a line break or another control character, which no HTTP header can carry"
        raise UnsupportedOperation(cause, hint="change it at the source")
    return value.isascii() and value == value.strip()


def dropped(sent: Properties, stored: Properties) -> tuple[str, ...]:
    """Name the properties that a destination has not stored.

    Args:
        sent: Those of the source.
        stored: Those that the destination has.

    Returns:
        Such as ("Expires", "metadata 'a-b'", "tags").
    """
    found = [header for header, name in HEADERS.items() if getattr(sent, name) and not getattr(stored, name)]
    metadata = {name.lower(): value for name, value in stored.metadata.items()}
    found += [f"metadata {name!r}" for name, value in sent.metadata.items() if metadata.get(name.lower()) != value]
    if not stored.tags:
        found += ["tags"] if sent.tags is None or sent.tags else []
    else:
        found += [f"tag {name!r}" for name in sent.tags or {} if name not in stored.tags]
    return tuple(found)
