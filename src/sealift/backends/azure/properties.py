"""What the Blob service stores beside an object's bytes, as headers and tags.

Sources, under https://learn.microsoft.com/: rest/api/storageservices/put-blob,
rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources,
azure/storage/blobs/storage-manage-find-blobs
"""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from ...types.properties import HEADERS, Properties, ascii_fields, fits_header, from_headers
from ...wire import Response

__all__ = ["DIRECTORY", "of_entry", "of_reply", "tag_header", "to_headers"]

DIRECTORY = "hdi_isfolder"
"""The metadata of a directory, in accounts that have them: it is no object."""

_METADATA = "x-ms-meta-"
# An identifier of C#, as far as a header can carry it; the service knows no other names.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAG = re.compile(r"[A-Za-z0-9 +./:=_-]*")
# The service has no expiry date for caches.
_HEADERS = {header: name for header, name in HEADERS.items() if header != "Expires"}


def of_reply(reply: Response) -> Properties:
    """The properties in the reply to a HEAD or a GET."""
    return from_headers(reply.headers, metadata=_METADATA.encode(), tag_count=b"x-ms-tag-count")


def of_entry(told: Mapping[str, str], metadata: Mapping[str, str]) -> Properties:
    """The properties in an entry of a listing.

    Args:
        told: The texts of its elements under Properties.
        metadata: User metadata; the names get the case that headers have.
    """
    fields = {name: told[header] for header, name in _HEADERS.items() if told.get(header)}
    lower = {name.lower(): value for name, value in metadata.items()}
    return Properties(**fields, metadata=lower, tags={} if told.get("TagCount", "0") == "0" else None)


def to_headers(properties: Properties, key: str) -> tuple[Properties, list[tuple[str, str]]]:
    """The headers that store properties.

    Args:
        properties: Of the source.
        key: Of the object, for messages.

    Returns:
        The properties that the service can store, and their headers.

    Raises:
        UnsupportedOperation: One contains a control character.
    """
    told = ascii_fields(properties, key)
    fields = {name: told[name] for name in _HEADERS.values() if name in told}
    headers = [(f"x-ms-blob-{header.lower()}", fields[name]) for header, name in _HEADERS.items() if name in fields]
    metadata: dict[str, str] = {}
    for name, value in properties.metadata.items():
        lower = name.lower()
        known = _NAME.fullmatch(name) is not None and lower not in {DIRECTORY, *metadata}
        if fits_header(value, f"the metadata {name!r}", key) and known:
            metadata[lower] = value
            headers.append((f"{_METADATA}{name}", value))
    tags = {name: value for name, value in (properties.tags or {}).items() if _TAG.fullmatch(name + value)}
    return Properties(**fields, metadata=metadata, tags=tags), [*headers, *tag_header(tags)]


def tag_header(tags: Mapping[str, str]) -> list[tuple[str, str]]:
    """The header that stores tags, if there are any."""
    return [("x-ms-tags", urlencode(tags))] if tags else []
