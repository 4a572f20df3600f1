"""What S3 says: replies and error bodies → values and errors of ours.

Sources, under https://docs.aws.amazon.com/AmazonS3/latest/API/: API_HeadObject.html, API_ListObjectsV2.html,
ErrorResponses.html
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from ...errors import (
    AccessDenied,
    IntegrityError,
    ModelMissingError,
    ObjectChanged,
    ServiceError,
    Skipped,
    StorageError,
)
from ...types import ObjectInfo
from ...wire import Response
from .properties import of_reply

__all__ = [
    "checksums",
    "code",
    "completed",
    "composite",
    "copied",
    "error",
    "field",
    "object_info",
    "page",
    "parts",
    "quoted",
    "region_told",
    "undeleted",
    "whole",
]

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
# It becomes a part of a host's name, and of the signature.
_REGION = re.compile(r"[A-Za-z0-9-]{1,63}")
CHECKSUMS = ("crc64nvme", "crc32c", "crc32", "sha256", "sha1")

_MD5 = re.compile('"?[0-9a-f]{32}"?')

# Codes that a moment later may not come again, beside 429 and 5xx.
_TRANSIENT = {
    "InternalError", "OperationAborted", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable", "SlowDown",
    "Throttling", "ThrottlingException", "RequestThrottled", "TooManyRequests", "RequestLimitExceeded",
}  # fmt: skip

# What the service compares with the checksum that goes along with a body.
_DAMAGED = {"BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}

# That of credentials which were good before: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_ENDED = {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired"}

_DENIED = {
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key",
    "InvalidAccessKeyId": "the access key does not exist",
    "ExpiredToken": "the session token has expired",
    "InvalidToken": "the session token is not valid",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
}


def quoted(tag: str | None) -> str | None:
    """An entity tag with its quotes, which some services leave out."""
    return tag if not tag or tag.endswith('"') else f'"{tag}"'


def checksums(reply: Response) -> dict[str, str]:
    """The whole-object checksums in a reply.

    Composite ones ("…-3", checksums of checksums) compare with nothing and are left out; and since some services tell
    them as if they were not, those of a multipart object count only where the service says what they are.
    """
    told = {
        name.removeprefix(b"x-amz-checksum-").decode("latin-1"): value.decode("latin-1")
        for name, value in reply.headers
        if name.startswith(b"x-amz-checksum-")
    }
    kind = told.pop("type", None)
    if not told or kind == "COMPOSITE" or (kind != "FULL_OBJECT" and "-" in (reply.header("etag") or "")):
        return {}
    return _digests(told)


def completed(reply: Response) -> dict[str, str]:
    """The whole object's checksums in the reply to the end of a multipart upload, where it says that they are such.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    told = _fields(reply)
    if told.get("ChecksumType") != "FULL_OBJECT":
        return {}
    return _digests({name: told.get(f"Checksum{name.upper()}", "") for name in CHECKSUMS})


def _digests(told: Mapping[str, str]) -> dict[str, str]:
    """Those of some checksums that we know, as lower-case hex."""
    found = {}
    for name, text in told.items():
        if name in CHECKSUMS and text and "-" not in text:
            try:
                found[name] = base64.b64decode(text, validate=True).hex()
            except binascii.Error:
                continue  # not a checksum; the bytes are verified by the others, or said to be verified by size only
    return found


def whole(reply: Response, *, md5_tags: bool = True) -> dict[str, str]:
    """The checksums in the reply to a HEAD, or to a GET of the whole object: where it tells none, its tag may be one.

    That is the MD5 of an object that was stored in one request, unless it is encrypted by a key of somebody's:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html

    Args:
        reply: The reply.
        md5_tags: False: the tags of this bucket look like an MD5 but are none.
    """
    if (told := checksums(reply)) or not md5_tags or not _MD5.fullmatch(tag := reply.header("etag") or ""):
        return told
    encrypted = {header for header in reply.headers if header[0].startswith(b"x-amz-server-side-encryption")}
    return {"md5": tag.strip('"')} if encrypted <= {(b"x-amz-server-side-encryption", b"AES256")} else {}


def composite(reply: Response) -> bool:
    """Whether the service has checksums of an object's parts, and none of the whole."""
    told = (name.removeprefix(b"x-amz-checksum-").decode("latin-1") for name, _ in reply.headers)
    return reply.header("x-amz-checksum-type") == "COMPOSITE" and any(name in CHECKSUMS for name in told)


def copied(reply: Response, *, md5_tags: bool = True) -> dict[str, str]:
    """The whole-object checksums that the reply to a copy tells."""
    told = _fields(reply)
    headers = [
        (f"x-amz-{name.lower().replace('checksum', 'checksum-')}".encode(), text.encode("latin-1", "replace"))
        for name, text in told.items()
        if name.startswith("Checksum")
    ]
    headers.append((b"etag", told.get("ETag", "").encode()))
    return whole(Response(reply.status, [*reply.headers, *headers]), md5_tags=md5_tags)


def object_info(key: str, reply: Response, *, md5_tags: bool = True) -> ObjectInfo:
    """What the reply to a HEAD tells of an object; `md5_tags` as for `whole`."""
    length = reply.header("content-length")
    tag = quoted(reply.header("etag"))
    return ObjectInfo(
        key=key,
        size=int(length) if length is not None and length.isdecimal() else None,
        version=tag,
        modified=reply.time("last-modified"),
        etag=tag,
        checksums=whole(reply, md5_tags=md5_tags),
        properties=of_reply(reply),
        composite=composite(reply),
    )


def page(body: bytes) -> tuple[list[ObjectInfo], str | None]:
    """One page of a listing, and the token of the next; None: it was the last.

    botocore's parser takes about eight times as long, which a long listing is felt by (`python -m bench.sdk_cost`).
    """
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat bounds entity expansion since 2.4.1
    except ET.ParseError as problem:
        raise ServiceError(f"the listing is not XML: {problem}", retryable=True) from None
    space = root.tag[: root.tag.index("}") + 1] if root.tag.startswith("{") else ""
    url_encoded = root.findtext(f"{space}EncodingType") == "url"
    try:
        found = list(_contents(root, space, unquote_plus if url_encoded else str))
    except (ValueError, OverflowError):
        raise ServiceError("the listing has an entry whose size or time cannot be read") from None
    truncated = root.findtext(f"{space}IsTruncated") == "true"
    token = root.findtext(f"{space}NextContinuationToken")
    if truncated and not token:
        raise ServiceError("the listing is truncated, but has no continuation token")
    return found, token if truncated else None


def _contents(root: ET.Element, space: str, decode: Callable[[str], str]) -> Iterator[ObjectInfo]:
    key_tag, size_tag, etag_tag, time_tag = (f"{space}{name}" for name in ("Key", "Size", "ETag", "LastModified"))
    for entry in root.iter(f"{space}Contents"):
        told = {child.tag: child.text or "" for child in entry}
        if key_tag not in told or not told.get(size_tag, "").isdecimal():
            raise ServiceError("the listing has an entry without a key or a size")
        tag = quoted(told.get(etag_tag)) or None
        modified = told.get(time_tag)
        yield ObjectInfo(
            decode(told[key_tag]),
            int(told[size_tag]),
            tag,
            datetime.fromisoformat(modified).astimezone(UTC) if modified else None,
            tag,
        )


def parts(reply: Response) -> tuple[dict[int, tuple[int, str, dict[str, str]]], str | None]:
    """A page of the parts that an upload has, and behind which number the next one begins; None: it was the last.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html

    Returns:
        Part number → size in bytes, quoted ETag, and checksums of the part as the service tells them.

    Raises:
        ServiceError: The reply holds something else.
    """
    root = _root(reply)
    # Some services call it ListPartsOutput, and the SDKs do not look at it.
    if root is None or not root.tag.rpartition("}")[2].startswith("ListParts"):
        raise ServiceError("the reply is no list of parts", status=reply.status, retryable=True)
    found = {}
    for entry in root:
        if entry.tag.rpartition("}")[2] == "Part":
            told = _children(entry)
            number, size, tag = told.get("PartNumber", ""), told.get("Size", ""), quoted(told.get("ETag"))
            if number.isdecimal() and size.isdecimal() and tag:
                named = {name.lower(): text for name, text in told.items()}
                sums = {name: named[f"checksum{name}"] for name in CHECKSUMS if named.get(f"checksum{name}")}
                found[int(number)] = int(size), tag, _digests(sums)
    told = _children(root)
    if told.get("IsTruncated") != "true":
        return found, None
    marker = told.get("NextPartNumberMarker", "")
    if not marker.isdecimal():
        raise ServiceError("the list of an upload's parts is truncated, but has no marker of the next page")
    return found, marker


def region_told(reply: Response) -> str | None:
    """The region that the service says the bucket is in, where the request went to another."""
    if reply.status not in {301, 307, 400, 403}:
        return None
    told = reply.header("x-amz-bucket-region") or _fields(reply).get("Region")
    return told if told is not None and _REGION.fullmatch(told) else None


def credentials_ended(reply: Response) -> bool:
    """Whether the service no longer takes the credentials that were shown; to a HEAD it cannot say so but by 400."""
    return reply.status in {400, 401, 403} and (code(reply) in _ENDED or (reply.status == 400 and not reply.body))


def _root(reply: Response) -> ET.Element | None:
    try:
        # Whitespace keeps the connection alive while the service is still at work.
        return ET.fromstring(reply.body.strip())  # noqa: S314 - as above
    except ET.ParseError:
        return None


def _children(root: ET.Element | None) -> dict[str, str]:
    return {} if root is None else {child.tag.rpartition("}")[2]: child.text or "" for child in root}


def _fields(reply: Response) -> dict[str, str]:
    return _children(_root(reply))


def code(reply: Response) -> str | None:
    """The service's own name for a failure."""
    return _fields(reply).get("Code") or None


def field(reply: Response, name: str) -> str:
    """A field of the XML in a reply of status 200.

    Raises:
        ServiceError: It is not there. A copy, and the end of a multipart upload, may fail after their status was sent:
            https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    root = _root(reply)
    told = _children(root)
    if root is not None and root.tag.rpartition("}")[2] == "Error":
        raise _service_error(reply, told)
    if not told.get(name):
        raise ServiceError(f"the service answered 200, but without {name}", status=reply.status, retryable=True)
    return told[name]


def undeleted(reply: Response) -> list[Skipped]:
    """What the reply to the deletion of many says was not deleted.

    Raises:
        ServiceError: It says something else.
    """
    root = _root(reply)
    if root is None or root.tag.rpartition("}")[2] != "DeleteResult":
        raise _service_error(reply, _children(root))
    failed = [_children(entry) for entry in root if entry.tag.rpartition("}")[2] == "Error"]
    return [_undeleted(told) for told in failed if told.get("Code") not in {"NoSuchKey", "NoSuchVersion"}]


def _undeleted(told: Mapping[str, str]) -> Skipped:
    key, why = told.get("Key", ""), told.get("Code")
    error: StorageError
    if why == "AccessDenied":
        hint = "check the credentials and the bucket's policy"
        error = AccessDenied(f"no permission to delete {key!r}", hint=hint, code=why)
    else:
        text = f"{why}: {told.get('Message', '')}"
        error = ServiceError(f"{key!r} was not deleted: {text}", code=why, retryable=why in _TRANSIENT)
    return Skipped(key, "not deleted", error.cause, error)


def error(reply: Response, *, bucket: str, key: str | None) -> StorageError:
    """The failure that a reply tells of.

    Args:
        reply: Its status is not the one of success.
        bucket: That was asked.
        key: The object that was asked for; None: the bucket as a whole.
    """
    told = _fields(reply)
    code, status = told.get("Code") or None, reply.status
    what = f"the object {key!r}" if key is not None else f"the bucket {bucket!r}"
    if code == "NoSuchBucket":
        hint = "check the bucket's name, and the endpoint"
        return ModelMissingError(bucket, cause=f"there is no bucket {bucket!r}", hint=hint, status=status, code=code)
    if status == 404 and code != "NoSuchUpload" and (key is not None or code == "NoSuchKey"):
        return ModelMissingError(key or bucket, cause=f"there is no object {key!r}", status=status, code=code)
    if status in {401, 403} or code in _DENIED:
        cause = _DENIED.get(code or "", f"no permission for {what}")
        hint = "check the credentials" if code in _DENIED else "check the credentials and the bucket's policy"
        return AccessDenied(cause, hint=hint, status=status, code=code)
    if code in _DAMAGED:
        return IntegrityError(f"{what} was damaged on the way ({code})", status=status, code=code, retryable=True)
    if status in {412, 416}:
        return ObjectChanged(f"{what} was replaced while it was read", status=status, code=code)
    return _service_error(reply, told)


def _service_error(reply: Response, told: dict[str, str]) -> ServiceError:
    code, text, status = told.get("Code") or None, told.get("Message") or "", reply.status
    return ServiceError(
        f"the service answered {status}" + (f" {code}" if code else "") + (f": {text}" if text else ""),
        hint="to a HEAD S3 cannot say why; has the session token expired?"
        if status == 400 and not reply.body
        else None,
        status=status,
        code=code,
        retryable=status in {408, 429} or status >= 500 or code in _TRANSIENT,
        retry_after=reply.retry_after,
    )
