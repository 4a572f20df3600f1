"""Delete many objects with one request.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from ...errors import AccessDenied, IncompleteError, ServiceError, Skipped, StorageError
from ...integrity import checksums
from ...wire import Response
from ...wire.service_message import with_request_ids
from . import xml
from .bucket import Bucket
from .errors import explanation, is_transient, service_error

__all__ = ["delete_many", "parse_delete_result"]

_BATCH = 1000
_MISSING = {"NoSuchKey", "NoSuchVersion"}
# Characters that XML 1.0 cannot represent: https://www.w3.org/TR/xml/#charsets
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


async def delete_many(bucket: Bucket, keys: Sequence[str]) -> None:
    """Delete objects; see `Backend.delete_many`."""
    in_xml = [key for key in keys if not _NOT_IN_XML.search(key)]
    failed: list[Skipped] = []
    for start in range(0, len(in_xml), _BATCH):
        failed += await _delete_batch(bucket, in_xml[start : start + _BATCH])
    for key in set(keys).difference(in_xml):
        reply = await bucket.send("DELETE", key)
        if reply.status not in {200, 204, 404}:
            error = bucket.error(reply, key)
            if error.retryable:
                raise error
            failed.append(Skipped(key, "not deleted", error.cause, error))
    if failed:
        raise IncompleteError("could not delete everything", failed)


async def _delete_batch(bucket: Bucket, keys: Sequence[str]) -> list[Skipped]:
    root = ET.Element("Delete", xmlns=xml.NAMESPACE)
    ET.SubElement(root, "Quiet").text = "true"
    for key in keys:
        ET.SubElement(ET.SubElement(root, "Object"), "Key").text = key
    # A parser reads a literal carriage return as a line end.
    body = ET.tostring(root, encoding="utf-8").replace(b"\r", b"&#13;")
    headers = [("content-type", "application/xml"), _checksum_header(bucket, body)]
    reply = await bucket.send("POST", None, headers, {"delete": ""}, body=memoryview(body))
    if reply.status != 200:
        raise bucket.error(reply, None)
    failed = parse_delete_result(reply)
    for skipped in failed:
        if skipped.error is not None and skipped.error.retryable:
            raise skipped.error  # retries the whole batch: deleting a missing object succeeds
    return failed


def _checksum_header(bucket: Bucket, body: bytes) -> tuple[str, str]:
    """The checksum header that this request requires; directory buckets do not accept Content-MD5."""
    if bucket.directory:
        return "x-amz-checksum-crc32", base64.b64encode(bytes.fromhex(checksums.digest("crc32", body))).decode()
    return "content-md5", base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def parse_delete_result(reply: Response) -> list[Skipped]:
    """The objects that the service reports as not deleted. Missing objects count as deleted.

    Raises:
        ServiceError: The reply is not a result of DeleteObjects.
    """
    root = xml.parse(reply)
    if root is None or xml.local_name(root) != "DeleteResult":
        raise service_error(reply, xml.children(root))
    failed = [xml.children(entry) for entry in root if xml.local_name(entry) == "Error"]
    return [_not_deleted(reply, fields) for fields in failed if fields.get("Code") not in _MISSING]


def _not_deleted(reply: Response, fields: Mapping[str, str]) -> Skipped:
    key, code, message = fields.get("Key", ""), fields.get("Code"), explanation(reply, fields.get("Message") or "")
    error: StorageError
    if code == "AccessDenied":
        hint = "check the credentials and the bucket's policy"
        error = AccessDenied(f"no permission to delete {key!r}{message}", hint=hint, code=code)
    else:
        error = ServiceError(f"{key!r} was not deleted: {code}{message}", code=code, retryable=is_transient(code))
    with_request_ids(error, reply)
    return Skipped(key, "not deleted", error.cause, error)
