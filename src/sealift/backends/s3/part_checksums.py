"""Compute the checksum of a multipart object from its parts' checksums.

The parts' CRCs combine to the CRC of the whole object. Hashes (SHA-256, SHA-1) do not: the result is a composite
checksum, a hash of the parts' hashes, that holds for these part sizes only.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
"""

import base64
import binascii
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from ...errors import ObjectChanged, ServiceError
from ...integrity import checksums, composite
from ...runtime.paging import ContinuationTokens
from ...types import ObjectInfo
from ...wire import Response
from . import xml
from .bucket import Bucket
from .object_info import quoted_etag, version_query
from .reply_checksums import CHECKSUMS

__all__ = ["fetch_checksums"]

_PARTS_PER_REQUEST = "1000"
# The name of a composite checksum lists the part sizes, and users see it. Longer names are not reported.
_LONGEST_NAME = 200
# No permission, or not implemented: then there is no checksum to compare with.
_UNAVAILABLE = {400, 401, 403, 404, 405, 501}


async def fetch_checksums(bucket: Bucket, obj: ObjectInfo) -> Mapping[str, str]:
    """Fetch the checksums of a composite object, with one request for each 1,000 parts; see `Backend.checksums`."""
    parts: list[dict[str, str]] = []
    marker: str | None = None
    tokens = ContinuationTokens("the list of an object's parts")
    while True:
        headers = [
            ("x-amz-object-attributes", "ETag,Checksum,ObjectParts,ObjectSize"),
            ("x-amz-max-parts", _PARTS_PER_REQUEST),
        ]
        if marker is not None:
            headers.append(("x-amz-part-number-marker", marker))
        reply = await bucket.send("GET", obj.key, headers, {"attributes": "", **version_query(obj)})
        if reply.status in _UNAVAILABLE:
            return {}
        if reply.status != 200:
            raise bucket.error(reply, obj.key)
        root = _parse(reply)
        if root is None:
            return {}
        if obj.etag is not None and quoted_etag(root.findtext("ETag")) != obj.etag:
            raise ObjectChanged(f"the object {obj.key!r} was replaced before it was read")
        object_values = {child.tag: child.text or "" for child in root.iterfind("Checksum/*")}
        parts += [{child.tag: child.text or "" for child in part} for part in root.iterfind("ObjectParts/Part")]
        if root.findtext("ObjectParts/IsTruncated") != "true":
            return _object_checksum(obj, parts, object_values)
        marker = root.findtext("ObjectParts/NextPartNumberMarker")
        if not marker:
            raise ServiceError("the list of an object's parts is truncated, but has no marker of the next page")
        tokens.check(marker)


def _object_checksum(
    obj: ObjectInfo, parts: list[dict[str, str]], object_values: Mapping[str, str]
) -> Mapping[str, str]:
    """The object's checksum, computed from its parts if the reply lists all of them and is consistent.

    Args:
        obj: The object.
        parts: The fields of each part.
        object_values: The composite checksums, as S3 reports them for the object.
    """
    for algorithm in CHECKSUMS:
        tag = f"Checksum{algorithm.upper()}"
        try:
            digests = [(base64.b64decode(part[tag], validate=True), int(part["Size"])) for part in parts]
            reported = base64.b64decode(object_values[tag].partition("-")[0], validate=True).hex()
        except (KeyError, ValueError, binascii.Error):
            continue
        numbers = [part.get("PartNumber", "") for part in parts]
        in_order = numbers == sorted(numbers, key=lambda number: int(number) if number.isdigit() else 0)
        sizes = [size for _, size in digests]
        # S3 reports the checksum of the parts' checksums as the object's.
        consistent = checksums.digest(algorithm, b"".join(digest for digest, _ in digests)) == reported
        if not (digests and in_order and consistent and sum(sizes) == obj.size):
            continue
        if algorithm in checksums.COMBINABLE:
            return {algorithm: checksums.combine(algorithm, [(digest.hex(), size) for digest, size in digests])}
        if min(sizes) > 0 and len(name := composite.name(algorithm, sizes)) <= _LONGEST_NAME:
            return {name: reported}
    return {}


def _parse(reply: Response) -> ET.Element | None:
    """The XML in a reply, with namespaces removed; None: it is not a reply to GetObjectAttributes."""
    root = xml.parse(reply)
    if root is None or xml.local_name(root) != "GetObjectAttributesResponse":
        return None
    for element in root.iter():
        element.tag = xml.local_name(element)
    return root
