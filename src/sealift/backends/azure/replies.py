"""Parse responses of the Blob service.

Sources, under https://learn.microsoft.com/rest/api/storageservices/: get-blob-properties, list-blobs
"""

import base64
import binascii
from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from ...errors import ModelMissingError, ServiceError
from ...types import ObjectInfo
from ...types.properties import Properties
from ...wire import Response
from ...wire.lenient_xml import parse_xml
from .properties import DIRECTORY, of_entry, of_reply

__all__ = [
    "blocks",
    "crc64nvme",
    "header",
    "md5",
    "name_of",
    "object_info",
    "page",
    "quoted",
    "snapshots",
    "version_query",
]


def header(reply: Response, name: str) -> str:
    """Return a header; "" if it is missing."""
    return reply.header(name) or ""


def version_query(obj: ObjectInfo) -> dict[str, str]:
    """Return the query that names an object's version: a version ID, or "snapshot=" and the time of a snapshot."""
    if obj.version_id is None:
        return {}
    name, separator, value = obj.version_id.partition("=")
    return {name: value} if separator and name in {"snapshot", "versionid"} else {"versionid": obj.version_id}


def quoted(tag: str | None) -> str | None:
    """Return an entity tag with quotes, which listings omit."""
    return tag if not tag or tag.endswith('"') else f'"{tag}"'


def md5(text: str | None) -> dict[str, str]:
    """Parse the MD5 that the service stores with an object uploaded in one request."""
    try:
        digest = base64.b64decode(text or "", validate=True)
    except binascii.Error:
        return {}  # the client that stored the object stored an invalid value
    return {"md5": digest.hex()} if len(digest) == 16 else {}


def crc64nvme(text: str | None) -> str | None:
    """Parse the checksum that the service computed for a request body; None if missing.

    The service uses CRC-64/NVME, with its bytes in reverse order:
    https://github.com/Azure/azure-sdk-for-cpp/blob/main/sdk/storage/azure-storage-common/src/crypt.cpp
    """
    try:
        digest = base64.b64decode(text or "", validate=True)
    except binascii.Error:
        return None
    return digest[::-1].hex() if len(digest) == 8 else None


def object_info(key: str, reply: Response) -> ObjectInfo:
    """Parse the response to a HEAD of an object.

    Raises:
        ModelMissingError: The key names a directory.
    """
    length = reply.header("content-length")
    tag = quoted(reply.header("etag"))
    properties = of_reply(reply)
    if _is_directory(properties):
        raise ModelMissingError(key, cause=f"{key!r} is a directory, not an object")
    return ObjectInfo(
        key=key,
        size=int(length) if length is not None and length.isdecimal() else None,
        version=tag,
        modified=reply.time("last-modified"),
        etag=tag,
        checksums=md5(reply.header("content-md5")),
        properties=properties,
    )


def _is_directory(properties: Properties) -> bool:
    return properties.metadata.get(DIRECTORY) == "true"


def page(body: bytes) -> tuple[list[ObjectInfo], str | None]:
    """Parse one page of a listing; return its objects and the marker of the next page, None on the last.

    Prefixes, of a listing with a delimiter, come after the objects.
    """
    try:
        root = parse_xml(body)
    except ET.ParseError as problem:
        raise ServiceError(f"the listing is not XML: {problem}", retryable=True) from None
    try:
        objects = [*_blobs(root), *_prefixes(root)]
    except (ValueError, OverflowError):
        raise ServiceError("the listing has an entry with an invalid length or time") from None
    return objects, root.findtext("NextMarker") or None


def snapshots(body: bytes, key: str) -> list[str]:
    """Return the times of an object's snapshots from a listing that includes snapshots."""
    try:
        root = parse_xml(body)
    except ET.ParseError:
        return []
    return [
        time
        for entry in root.iter("Blob")
        if (name := entry.find("Name")) is not None and name_of(name) == key and (time := entry.findtext("Snapshot"))
    ]


def name_of(element: ET.Element) -> str:
    """Return the name in an element; names that XML cannot represent are encoded."""
    text = element.text or ""
    return unquote(text) if element.get("Encoded") == "true" else text


def _prefixes(root: ET.Element) -> Iterator[ObjectInfo]:
    for element in root.iterfind("Blobs/BlobPrefix/Name"):
        if element.text:
            yield ObjectInfo(name_of(element), None, is_prefix=True)


def _blobs(root: ET.Element) -> Iterator[ObjectInfo]:
    for entry in root.iter("Blob"):
        name = entry.find("Name")
        elements = {child.tag: child.text or "" for child in entry.iterfind("Properties/*")}
        metadata = {child.tag: child.text or "" for child in entry.iterfind("Metadata/*")}
        if name is None or not name.text or not elements.get("Content-Length", "").isdecimal():
            raise ServiceError("the listing has an entry without a name or a length")
        properties = of_entry(elements, metadata)
        if _is_directory(properties):
            continue
        tag = quoted(elements.get("Etag")) or None
        modified = elements.get("Last-Modified")
        yield ObjectInfo(
            name_of(name),
            int(elements["Content-Length"]),
            tag,
            parsedate_to_datetime(modified).astimezone(UTC) if modified else None,
            tag,
            md5(elements.get("Content-MD5")),
            properties,
        )


def blocks(reply: Response) -> dict[str, int]:
    """Parse the uncommitted blocks of an object: id → size in bytes.

    https://learn.microsoft.com/rest/api/storageservices/get-block-list
    """
    try:
        root = parse_xml(reply.body)
    except ET.ParseError as problem:
        raise ServiceError(f"the list of blocks is not XML: {problem}", retryable=True) from None
    sizes = {}
    for entry in root.iterfind("UncommittedBlocks/Block"):
        name, size = entry.findtext("Name"), entry.findtext("Size", "")
        if name and size.isdecimal():
            sizes[name] = int(size)
    return sizes
