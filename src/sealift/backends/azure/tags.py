"""Read the tags of an object. Other responses contain only their number, and only with permission to read them.

Source: https://learn.microsoft.com/rest/api/storageservices/get-blob-tags
"""

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from ...errors import ServiceError
from ...types import ObjectInfo
from ...wire.lenient_xml import parse_xml
from . import replies
from .container import Container

__all__ = ["tags"]


async def tags(container: Container, obj: ObjectInfo) -> Mapping[str, str]:
    """Return the tags of an object; see `Backend.tags`."""
    reply = await container.send("GET", obj.key, query={"comp": "tags", **replies.version_query(obj)})
    if reply.status != 200:
        raise container.error(reply, obj.key)
    try:
        root = parse_xml(reply.body)
    except ET.ParseError as problem:
        raise ServiceError(f"the tags of {obj.key!r} are not XML: {problem}", retryable=True) from None
    return {tag.findtext("Key", ""): tag.findtext("Value", "") for tag in root.iter("Tag")}
