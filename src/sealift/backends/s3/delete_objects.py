"""Deleting many objects with one request.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from ...errors import IncompleteError, Skipped
from ...integrity import checksums
from . import replies
from .bucket import Bucket

__all__ = ["delete_many"]

_BATCH = 1000
# XML 1.0 has no way to write these: https://www.w3.org/TR/xml/#charsets
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


async def delete_many(bucket: Bucket, keys: Sequence[str]) -> None:
    """Delete objects; see `Backend.delete_many`."""
    plain = [key for key in keys if not _NOT_IN_XML.search(key)]
    failed: list[Skipped] = []
    for start in range(0, len(plain), _BATCH):
        failed += await _delete_batch(bucket, plain[start : start + _BATCH])
    for key in set(keys).difference(plain):
        reply = await bucket.ask("DELETE", key)
        if reply.status not in {200, 204, 404}:
            error = bucket.error(reply, key)
            if error.retryable:
                raise error
            failed.append(Skipped(key, "not deleted", error.cause, error))
    if failed:
        raise IncompleteError("could not delete everything", failed)


async def _delete_batch(bucket: Bucket, keys: Sequence[str]) -> list[Skipped]:
    root = ET.Element("Delete", xmlns=replies.NAMESPACE)
    ET.SubElement(root, "Quiet").text = "true"
    for key in keys:
        ET.SubElement(ET.SubElement(root, "Object"), "Key").text = key
    # A parser takes a bare carriage return for a line's end.
    body = ET.tostring(root, encoding="utf-8").replace(b"\r", b"&#13;")
    headers = [("content-type", "application/xml"), _checksum(bucket, body)]
    reply = await bucket.ask("POST", None, headers, {"delete": ""}, body=memoryview(body))
    if reply.status != 200:
        raise bucket.error(reply, None)
    failed = replies.undeleted(reply)
    for skipped in failed:
        if skipped.error is not None and skipped.error.retryable:
            raise skipped.error  # all of them once more: to delete what is gone is no error
    return failed


def _checksum(bucket: Bucket, body: bytes) -> tuple[str, str]:
    """The header with a checksum, which this request needs; directory buckets do not know the one for MD5."""
    if bucket.directory:
        return "x-amz-checksum-crc32", base64.b64encode(bytes.fromhex(checksums.digest("crc32", body))).decode()
    return "content-md5", base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
