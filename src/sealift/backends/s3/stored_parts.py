"""The parts of a multipart upload that an earlier process has stored.

A stored part is reused only if its size and a checksum match the data to send. The ETag of an unencrypted part is its
MD5; the ETag of an encrypted part matches nothing, so the part is sent again.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
"""

import re
from collections.abc import Mapping

from ...errors import ModelMissingError, ServiceError, UnsupportedOperation
from ...frozen_dataclass import dataclass
from ...integrity import checksums
from ...runtime.disk_threads import DiskThreads
from ...runtime.paging import ContinuationTokens
from ...wire import Response
from . import xml
from .bucket import Bucket
from .errors import error_code
from .object_info import quoted_etag
from .reply_checksums import CHECKSUMS, decoded

__all__ = ["StoredPart", "is_identical", "list_stored_parts", "parse_part_list"]

_MD5 = re.compile('"([0-9a-f]{32})"')
# Statuses of services that do not implement ListParts.
_NOT_IMPLEMENTED = {405, 501}


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that the service has stored.

    Attributes:
        size: In bytes.
        etag: Quoted ETag.
        checksums: Algorithm → digest as lower-case hex.
    """

    size: int
    etag: str
    checksums: Mapping[str, str]


async def list_stored_parts(bucket: Bucket, key: str, upload_id: str) -> dict[int, StoredPart]:
    """The stored parts of an upload, by part index.

    Args:
        bucket: The bucket.
        key: Key of the object.
        upload_id: The service's identifier of the upload.

    Raises:
        ModelMissingError: The upload does not exist.
        UnsupportedOperation: The service does not implement ListParts.
        StorageError: The request failed.
    """
    stored: dict[int, StoredPart] = {}
    query = {"uploadId": upload_id}
    tokens = ContinuationTokens("the list of an upload's parts")
    while True:
        reply = await bucket.send("GET", key, query=query)
        if reply.status == 404 and error_code(reply) == "NoSuchUpload":
            raise ModelMissingError(key, cause=f"the upload of {key!r} no longer exists", code="NoSuchUpload")
        if reply.status in _NOT_IMPLEMENTED:
            raise UnsupportedOperation("the service does not list the parts of uploads", status=reply.status)
        if reply.status != 200:
            raise bucket.error(reply, key)
        parts, marker = parse_part_list(reply)
        stored |= {number - 1: part for number, part in parts.items()}
        if marker is None:
            return stored
        tokens.check(marker)
        query["part-number-marker"] = marker


def parse_part_list(reply: Response) -> tuple[dict[int, StoredPart], str | None]:
    """The parts on one page of ListParts by part number, and the next page's marker; None: this is the last page.

    Raises:
        ServiceError: The reply is not a list of parts.
    """
    root = xml.parse(reply)
    # Some services call the element ListPartsOutput; the SDKs do not check its name.
    if root is None or not xml.local_name(root).startswith("ListParts"):
        raise ServiceError("the reply is not a list of parts", status=reply.status, retryable=True)
    parts = {}
    for entry in root:
        if xml.local_name(entry) == "Part":
            fields = xml.children(entry)
            number, size, tag = fields.get("PartNumber", ""), fields.get("Size", ""), quoted_etag(fields.get("ETag"))
            if number.isdecimal() and size.isdecimal() and tag:
                lower = {name.lower(): text for name, text in fields.items()}
                encoded = {name: lower[f"checksum{name}"] for name in CHECKSUMS if lower.get(f"checksum{name}")}
                parts[int(number)] = StoredPart(int(size), tag, decoded(encoded))
    fields = xml.children(root)
    if fields.get("IsTruncated") != "true":
        return parts, None
    marker = fields.get("NextPartNumberMarker", "")
    if not marker.isdecimal():
        raise ServiceError("the list of an upload's parts is truncated, but has no marker of the next page")
    return parts, marker


async def is_identical(stored: StoredPart, data: memoryview, digests: Mapping[str, str], disk: DiskThreads) -> bool:
    """Whether a stored part has the same content as `data`.

    Args:
        stored: The stored part.
        data: The bytes to compare with.
        digests: Known digests of `data`.
        disk: Threads that compute other digests.
    """
    stored_digests = dict(stored.checksums)
    if not stored_digests and (tag := _MD5.fullmatch(stored.etag)):
        stored_digests = {"md5": tag[1]}
    known = next((name for name in digests if name in stored_digests), None)
    algorithm = known or checksums.best(stored_digests, combinable=False)
    if stored.size != len(data) or algorithm is None:
        return False
    digest = digests.get(algorithm) or await disk.run(lambda: checksums.digest(algorithm, data))
    return digest == stored_digests[algorithm]
