"""Read an object's checksums from replies.

Sources, under https://docs.aws.amazon.com/AmazonS3/latest/API/: API_HeadObject.html, API_Object.html
"""

import base64
import binascii
import re
from collections.abc import Mapping

from ...wire import Response
from . import xml

__all__ = [
    "CHECKSUMS",
    "completion_checksums",
    "copy_checksums",
    "decoded",
    "has_composite_checksum",
    "header_checksums",
    "object_checksums",
]

_Headers = list[tuple[bytes, bytes]]

CHECKSUMS = ("crc64nvme", "crc32c", "crc32", "sha256", "sha1")

_MD5 = re.compile('"?[0-9a-f]{32}"?')
# The header of objects that are encrypted with a key of S3.
_OWN_KEY = (b"x-amz-server-side-encryption", b"AES256")


def header_checksums(reply: Response) -> dict[str, str]:
    """The whole-object checksums in a reply's headers.

    Composite checksums ("…-3", checksums of the parts' checksums) cannot be compared and are left out. Some services
    do not mark them as composite, so a multipart object's checksums count only if the service states their type.
    """
    return _checksums(_amazon_headers(reply), reply)


def _amazon_headers(reply: Response) -> _Headers:
    return [field for field in reply.headers if field[0].startswith(b"x-amz-")]


def _checksums(headers: _Headers, reply: Response) -> dict[str, str]:
    values = {
        name.removeprefix(b"x-amz-checksum-").decode("latin-1"): value.decode("latin-1")
        for name, value in headers
        if name.startswith(b"x-amz-checksum-")
    }
    kind = values.pop("type", None)
    if not values or kind == "COMPOSITE" or (kind != "FULL_OBJECT" and "-" in (reply.header("etag") or "")):
        return {}
    return decoded(values)


def completion_checksums(reply: Response) -> dict[str, str]:
    """The checksums in the reply to CompleteMultipartUpload, if it states that they are whole-object checksums.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    fields = xml.fields(reply)
    if fields.get("ChecksumType") != "FULL_OBJECT":
        return {}
    return decoded({name: fields.get(f"Checksum{name.upper()}", "") for name in CHECKSUMS})


def copy_checksums(reply: Response, *, md5_tags: bool = True) -> dict[str, str]:
    """The whole-object checksums in the reply to CopyObject; `md5_tags` as for `object_checksums`."""
    fields = xml.fields(reply)
    headers = [
        (f"x-amz-{name.lower().replace('checksum', 'checksum-')}".encode(), text.encode("latin-1", "replace"))
        for name, text in fields.items()
        if name.startswith("Checksum")
    ]
    headers.append((b"etag", fields.get("ETag", "").encode()))
    return object_checksums(Response(reply.status, [*reply.headers, *headers]), md5_tags=md5_tags)


def object_checksums(reply: Response, *, md5_tags: bool = True) -> dict[str, str]:
    """The checksums in the reply to a HEAD, or to a GET of the whole object; without any, the ETag if it is an MD5.

    The ETag is the MD5 of an object that was stored in one request, unless it is encrypted with a KMS key or a
    customer-provided key: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html

    Args:
        reply: The reply.
        md5_tags: False: the ETags of this bucket look like an MD5, but are not.
    """
    headers = _amazon_headers(reply)
    checksums = _checksums(headers, reply) if headers else {}
    if checksums or not md5_tags or not _MD5.fullmatch(tag := reply.header("etag") or ""):
        return checksums
    for name, value in headers:
        if name.startswith(b"x-amz-server-side-encryption") and (name, value) != _OWN_KEY:
            return {}
    return {"md5": tag.strip('"')}


def has_composite_checksum(reply: Response) -> bool:
    """Whether the service has checksums of an object's parts, but none of the whole object."""
    if reply.header("x-amz-checksum-type") != "COMPOSITE":
        return False
    return any(name.removeprefix(b"x-amz-checksum-").decode("latin-1") in CHECKSUMS for name, _ in reply.headers)


def decoded(values: Mapping[str, str]) -> dict[str, str]:
    """Base64 checksums as lower-case hex, without composite ones and unknown algorithms."""
    digests = {}
    for algorithm, text in values.items():
        if algorithm in CHECKSUMS and text and "-" not in text:
            try:
                digests[algorithm] = base64.b64decode(text, validate=True).hex()
            except binascii.Error:
                continue  # malformed: other checksums verify the bytes, or the receipt says that only the size did
    return digests
