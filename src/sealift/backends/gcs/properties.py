"""What Cloud Storage stores beside an object's bytes: fields of its resource, which need not be ASCII.

Source: https://cloud.google.com/storage/docs/metadata
"""

from collections.abc import Mapping
from typing import Any

from ...types.properties import HEADERS, NO_PROPERTIES, Properties, fits_header

__all__ = ["PROPERTIES", "of_resource", "to_resource"]

PROPERTIES = {
    "content_type": "contentType",
    "content_encoding": "contentEncoding",
    "content_language": "contentLanguage",
    "content_disposition": "contentDisposition",
    "cache_control": "cacheControl",
}
"""Field of `Properties` → field of an object's resource. The service has neither Expires nor tags."""


def of_resource(resource: Mapping[str, Any]) -> Properties:
    """The properties in an object's resource."""
    fields: dict[str, Any] = {name: str(resource[field]) for name, field in PROPERTIES.items() if resource.get(field)}
    metadata = {str(name): str(value) for name, value in (resource.get("metadata") or {}).items()}
    return Properties(**fields, metadata=metadata) if fields or metadata else NO_PROPERTIES


def to_resource(properties: Properties, key: str) -> dict[str, Any]:
    """The fields of a resource that store properties.

    Args:
        properties: Of the source.
        key: Of the object, for messages.

    Raises:
        UnsupportedOperation: One that the service would send as a header contains a control character.
    """
    told: dict[str, Any] = {}
    for header, name in HEADERS.items():
        value = getattr(properties, name)
        if value and name in PROPERTIES and (fits_header(value, header, key) or name != "content_type"):
            told[PROPERTIES[name]] = value
    if properties.metadata:
        told["metadata"] = dict(properties.metadata)
    return told
