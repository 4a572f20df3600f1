"""The checksum of a multipart object of which the service has only those of its parts.

CRCs combine to that of the whole; a hash is one over the hashes of parts that end where the object's did.
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
from . import replies
from .bucket import Bucket

__all__ = ["combined"]

_MOST_PARTS = "1000"
# Of an algorithm, which is told to users: parts that are made by hand may have as many lengths as there are.
_LONGEST_NAME = 200
# A reader may lack the permission, and a service the request; then there is nothing to compare with.
_REFUSED = {400, 401, 403, 404, 405, 501}


async def combined(bucket: Bucket, obj: ObjectInfo) -> Mapping[str, str]:
    """See `Backend.checksums`: one request for each 1,000 parts."""
    parts: list[dict[str, str]] = []
    marker: str | None = None
    tokens = ContinuationTokens("the list of an object's parts")
    of_parts: dict[str, str] = {}
    while True:
        headers = [
            ("x-amz-object-attributes", "ETag,Checksum,ObjectParts,ObjectSize"),
            ("x-amz-max-parts", _MOST_PARTS),
        ]
        if marker is not None:
            headers.append(("x-amz-part-number-marker", marker))
        reply = await bucket.ask("GET", obj.key, headers, {"attributes": ""})
        if reply.status in _REFUSED:
            return {}
        if reply.status != 200:
            raise bucket.error(reply, obj.key)
        root = _root(reply)
        if root is None:
            return {}
        if obj.etag is not None and replies.quoted(root.findtext("ETag")) != obj.etag:
            raise ObjectChanged(f"the object {obj.key!r} was replaced before it was read")
        of_parts = {child.tag: child.text or "" for child in root.iterfind("Checksum/*")}
        parts += [{child.tag: child.text or "" for child in part} for part in root.iterfind("ObjectParts/Part")]
        if root.findtext("ObjectParts/IsTruncated") != "true":
            return _whole(obj, parts, of_parts)
        marker = root.findtext("ObjectParts/NextPartNumberMarker")
        if not marker:
            raise ServiceError("the list of an object's parts is truncated, but has no marker of the next page")
        tokens.check(marker)


def _whole(obj: ObjectInfo, parts: list[dict[str, str]], of_parts: Mapping[str, str]) -> Mapping[str, str]:
    """The object's checksum, from those of its parts; only if all of it is told of, and agrees."""
    for algorithm in replies.CHECKSUMS:
        tag = f"Checksum{algorithm.upper()}"
        try:
            found = [(base64.b64decode(part[tag], validate=True), int(part["Size"])) for part in parts]
            told = base64.b64decode(of_parts[tag].partition("-")[0], validate=True).hex()
        except (KeyError, ValueError, binascii.Error):
            continue
        numbers = [part.get("PartNumber", "") for part in parts]
        in_order = numbers == sorted(numbers, key=lambda number: int(number) if number.isdigit() else 0)
        sizes = [size for _, size in found]
        # What the service calls the object's checksum is that of its parts' checksums.
        agreed = checksums.digest(algorithm, b"".join(digest for digest, _ in found)) == told
        if not (found and in_order and agreed and sum(sizes) == obj.size):
            continue
        if algorithm in checksums.COMBINABLE:
            return {algorithm: checksums.combine(algorithm, [(digest.hex(), size) for digest, size in found])}
        if min(sizes) > 0 and len(name := composite.name(algorithm, sizes)) <= _LONGEST_NAME:
            return {name: told}
    return {}


def _root(reply: Response) -> ET.Element | None:
    """The XML in a reply, its tags without a namespace; None: it is something else."""
    try:
        root = ET.fromstring(reply.body.strip())  # noqa: S314 - expat bounds entity expansion since 2.4.1
    except ET.ParseError:
        return None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root if root.tag == "GetObjectAttributesResponse" else None
