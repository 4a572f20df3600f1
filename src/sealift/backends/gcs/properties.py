"""Convert an object's properties to and from fields of its JSON resource, which may contain any Unicode text.

Source: https://cloud.google.com/storage/docs/metadata
"""

from collections.abc import Mapping
from typing import Any

from ...types.properties import HEADERS, NO_PROPERTIES, Properties, fits_header
from ...types.write_options import check_stored

__all__ = ["DEFAULT_TYPE", "PROPERTIES", "from_resource", "to_resource", "write_query"]

DEFAULT_TYPE = "application/octet-stream"
"""Content-Type of objects whose source has none."""

PROPERTIES = {
    "content_type": "contentType",
    "content_encoding": "contentEncoding",
    "content_language": "contentLanguage",
    "content_disposition": "contentDisposition",
    "cache_control": "cacheControl",
}
"""Field of `Properties` → field of an object's resource. The service does not support Expires and tags."""


def from_resource(resource: Mapping[str, Any]) -> Properties:
    """The properties in an object's resource."""
    fields: dict[str, Any] = {name: str(resource[field]) for name, field in PROPERTIES.items() if resource.get(field)}
    metadata = {str(name): str(value) for name, value in (resource.get("metadata") or {}).items()}
    return Properties(**fields, metadata=metadata) if fields or metadata else NO_PROPERTIES


def to_resource(properties: Properties, key: str) -> dict[str, Any]:
    """Convert properties to fields of a resource.

    Args:
        properties: Properties of the source object.
        key: Key of the object, for messages.

    Raises:
        UnsupportedOperation: A property that the service would send as a header contains a control character, or the
            service cannot store what the caller's options set.
    """
    fields: dict[str, Any] = {}
    for header, name in HEADERS.items():
        value = getattr(properties, name)
        if value and name in PROPERTIES and (fits_header(value, header, key) or name != "content_type"):
            fields[PROPERTIES[name]] = value
    if properties.metadata:
        fields["metadata"] = dict(properties.metadata)
    if properties.options is not None:
        check_stored(properties, from_resource(fields), "gs")
        if properties.options.storage_class is not None:
            fields["storageClass"] = properties.options.storage_class
    return fields


def write_query(
    properties: Properties, acl: str = "destinationPredefinedAcl", key: str = "kmsKeyName"
) -> dict[str, str]:
    """The query for the access control list and the KMS key of an object that is written.

    Args:
        properties: Properties to write with the object.
        acl: Name of the parameter for the predefined ACL.
        key: Name of the parameter for the KMS key.
    """
    if properties.options is None:
        return {}
    values = {acl: properties.options.acl, key: properties.options.kms_key_id}
    return {name: value for name, value in values.items() if value is not None}
