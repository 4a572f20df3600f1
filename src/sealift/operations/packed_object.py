"""Objects as tuples, which a `CompressedList` can hold."""

from datetime import UTC, datetime
from typing import Any

from ..types import ObjectInfo

__all__ = ["Packed", "pack", "unpack"]

Packed = tuple[Any, ...]


def pack(obj: ObjectInfo) -> Packed:
    """The fields of an object without its properties, which neither downloads nor comparisons need.

    Example:
        >>> unpack(pack(ObjectInfo("a", 1))) == ObjectInfo("a", 1)
        True
    """
    modified = None if obj.modified is None else obj.modified.timestamp()
    tail = (obj.ranged, obj.name, obj.composite, obj.version_id)
    return obj.key, obj.size, obj.version, modified, obj.etag, dict(obj.checksums), *tail


def unpack(packed: Packed) -> ObjectInfo:
    """The object that `pack` was given."""
    key, size, version, modified, etag, checksums, ranged, name, composite, version_id = packed
    time = None if modified is None else datetime.fromtimestamp(modified, UTC)
    return ObjectInfo(key, size, version, time, etag, checksums, None, ranged, name, composite, version_id)
