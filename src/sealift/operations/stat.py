"""The metadata of an object, as a value or as a dictionary."""

from typing import Any

from ..contract import Backend
from ..errors import AccessDenied, UnsupportedOperation
from ..runtime.retry import Retry
from ..types import ObjectInfo
from ..types.properties import HEADERS, NO_PROPERTIES
from .open_location import OpenLocation
from .resolve import IGNORE_SKIPPED, Prefix, find_object, resolve

__all__ = ["object_metadata", "stat"]


async def stat(source: OpenLocation) -> ObjectInfo:
    """Find one object; see `AsyncStorage.stat`."""
    return await find_object(source.backend, source.location.key, source.instance.retry)


async def object_metadata(source: OpenLocation, uri: str) -> dict[str, Any]:
    """Return the metadata of an object or a prefix; see `AsyncStorage.get_object_metadata`.

    Args:
        source: The object or prefix.
        uri: Its URI, for the result.
    """
    found = await resolve(source.backend, source.location.key, source.instance.retry, IGNORE_SKIPPED)
    if isinstance(found, Prefix):
        await found.objects.aclose()
    info = found if isinstance(found, ObjectInfo) else ObjectInfo(found.key, None)
    properties = info.properties or NO_PROPERTIES
    return {
        "uri": uri,
        "type": "object" if info is found else "prefix",
        "size": info.size,
        "modified_time": info.modified,
        "etag": info.etag,
        "version": info.version,
        **{name: getattr(properties, name) for name in HEADERS.values()},
        "checksums": dict(info.checksums),
        "metadata": dict(properties.metadata),
        "tags": await _tags(source.backend, info, source.instance.retry),
    }


async def _tags(backend: Backend, obj: ObjectInfo, retry: Retry) -> dict[str, str] | None:
    """The tags of an object. None: no permission to read them."""
    tags = {} if obj.properties is None else obj.properties.tags
    if tags is None:
        try:
            tags = await retry(lambda: backend.tags(obj))
        except (AccessDenied, UnsupportedOperation):
            return None
    return dict(tags)
