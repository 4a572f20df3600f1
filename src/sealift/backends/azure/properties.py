"""Conversion of object properties, metadata and tags to and from headers and listings.

Sources, under https://learn.microsoft.com/: rest/api/storageservices/put-blob,
rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources,
azure/storage/blobs/storage-manage-find-blobs
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ...types.properties import HEADERS, Properties, ascii_fields, fits_header, from_headers
from ...types.write_options import WriteOptions, check_stored
from ...wire import Response

__all__ = [
    "DIRECTORY",
    "metadata_headers",
    "of_entry",
    "of_reply",
    "scope_headers",
    "tag_header",
    "tier_headers",
    "to_headers",
]

DIRECTORY = "hdi_isfolder"
"""Metadata that marks a directory, in accounts with a hierarchical namespace; directories are not objects."""

_METADATA = "x-ms-meta-"
# Metadata names must be C# identifiers, limited to characters that headers allow.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAG = re.compile(r"[A-Za-z0-9 +./:=_-]*")
# The service does not store Expires.
_HEADERS = {header: name for header, name in HEADERS.items() if header != "Expires"}


def of_reply(reply: Response) -> Properties:
    """Parse the properties in the response to a HEAD or GET."""
    return from_headers(reply.headers, metadata=_METADATA.encode(), tag_count=b"x-ms-tag-count")


def of_entry(elements: Mapping[str, str], metadata: Mapping[str, str]) -> Properties:
    """Parse the properties in an entry of a listing.

    Args:
        elements: Text of the elements under Properties, by tag.
        metadata: User metadata; names are converted to lower case, as in headers.
    """
    fields: dict[str, Any] = {name: elements[header] for header, name in _HEADERS.items() if elements.get(header)}
    lower = {name.lower(): value for name, value in metadata.items()}
    return Properties(**fields, metadata=lower, tags={} if elements.get("TagCount", "0") == "0" else None)


def to_headers(properties: Properties, key: str) -> tuple[Properties, list[tuple[str, str]]]:
    """Convert properties to request headers.

    Args:
        properties: Properties of the source object.
        key: Key of the object, for error messages.

    Returns:
        The properties that the service can store, and their headers.

    Raises:
        UnsupportedOperation: A property contains a control character, or the service cannot store what the caller's
            options set.
    """
    values = ascii_fields(properties, key)
    fields: dict[str, Any] = {name: values[name] for name in _HEADERS.values() if name in values}
    headers = [(f"x-ms-blob-{header.lower()}", fields[name]) for header, name in _HEADERS.items() if name in fields]
    metadata, metadata_fields = metadata_headers(properties, key)
    tags = {name: value for name, value in (properties.tags or {}).items() if _TAG.fullmatch(name + value)}
    kept = Properties(**fields, metadata=metadata, tags=tags)
    headers += [*metadata_fields, *tag_header(tags)]
    if properties.options is not None:
        check_stored(properties, kept, "azure")
        headers += [*tier_headers(properties.options), *scope_headers(properties.options)]
    return kept, headers


def metadata_headers(properties: Properties, key: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Convert user metadata to request headers; the arguments are those of `to_headers`.

    Returns:
        The metadata that the service can store, with names in lower case, and its headers.
    """
    metadata: dict[str, str] = {}
    headers = []
    for name, value in properties.metadata.items():
        lower = name.lower()
        valid = _NAME.fullmatch(name) is not None and lower not in {DIRECTORY, *metadata}
        if fits_header(value, f"the metadata {name!r}", key) and valid:
            metadata[lower] = value
            headers.append((f"{_METADATA}{name}", value))
    return metadata, headers


def tier_headers(options: WriteOptions) -> list[tuple[str, str]]:
    """Return the request header for the access tier, if one is set."""
    return [("x-ms-access-tier", options.storage_class)] if options.storage_class is not None else []


def scope_headers(options: WriteOptions | None) -> list[tuple[str, str]]:
    """Return the request header for the encryption scope, if one is set; each block is sent with it, too."""
    if options is None or options.encryption_scope is None:
        return []
    return [("x-ms-encryption-scope", options.encryption_scope)]


def tag_header(tags: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the request header for tags, if there are any."""
    return [("x-ms-tags", urlencode(tags))] if tags else []
