"""Convert S3 error replies to sealift's errors.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ...errors import (
    AccessDenied,
    IntegrityError,
    ModelMissingError,
    ObjectChanged,
    ServiceError,
    StorageError,
    UnsupportedOperation,
)
from ...wire import Response
from ...wire.service_message import service_message, with_request_ids
from . import xml

__all__ = [
    "bucket_region",
    "clock_offset",
    "credentials_expired",
    "error_code",
    "explanation",
    "is_transient",
    "reply_error",
    "required_field",
    "service_error",
]

# The region becomes part of a host name and of the signature.
_REGION = r"[A-Za-z0-9-]{1,63}"

# Codes worth a retry, in addition to statuses 408, 429 and 5xx.
_TRANSIENT = {"ConditionalRequestConflict", "InternalError", "OperationAborted"}
# Those that ask for fewer requests. As in botocore/retries/standard.py.
_THROTTLED = {
    "BandwidthLimitExceeded", "RequestLimitExceeded", "RequestThrottled", "RequestTimeout", "RequestTimeoutException",
    "ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests",
}  # fmt: skip

# The body did not match the checksum sent with it.
_DAMAGED = {"BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}

_NO_REASON = (
    "the reply to a HEAD gives no reason; has the session token expired, "
    "or is the object encrypted with a customer key?"
)

# The service no longer accepts credentials that were valid before.
_EXPIRED = {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired"}

_DENIED = {
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key",
    "InvalidAccessKeyId": "the access key does not exist",
    "ExpiredToken": "the session token has expired",
    "InvalidToken": "the session token is not valid",
}
_SKEWED = "RequestTimeTooSkewed"
# The service accepts signatures of 15 minutes. A HEAD gives no reason: from this difference on, it may be the clock.
_SKEW = timedelta(minutes=5)
_ARCHIVED = {"InvalidObjectState", "ObjectNotInActiveTierError"}
_CHECKSUM_HEADERS = ("x-amz-checksum-", "x-amz-sdk-checksum-")


def error_code(reply: Response) -> str | None:
    """The error code in a reply's body, such as "NoSuchKey"."""
    return xml.fields(reply).get("Code") or None


def is_transient(code: str | None) -> bool:
    """Whether a request that failed with this code is worth a retry."""
    return code in _TRANSIENT or code in _THROTTLED


def bucket_region(reply: Response) -> str | None:
    """The bucket's region, if the reply says that the request went to the wrong one."""
    if reply.status not in {301, 307, 400, 403}:
        return None
    region = reply.header("x-amz-bucket-region") or xml.fields(reply).get("Region")
    return region if region is not None and re.fullmatch(_REGION, region) else None


def credentials_expired(reply: Response) -> bool:
    """Whether the service no longer accepts the credentials. The reply to a HEAD has no code, only status 400."""
    if reply.status not in {400, 401, 403}:
        return False
    return error_code(reply) in _EXPIRED or (reply.status == 400 and not reply.body)


def clock_offset(reply: Response) -> timedelta | None:
    """How far the service's clock is ahead of this machine's, if that is why it rejected the signature."""
    if reply.status not in {400, 401, 403} or (date := reply.time("date")) is None:
        return None
    offset = date - datetime.now(UTC)
    unexplained = not reply.body and abs(offset) >= _SKEW
    return offset if unexplained or error_code(reply) == _SKEWED else None


def required_field(reply: Response, name: str) -> str:
    """A field of the XML in a reply with status 200.

    Raises:
        ServiceError: The field is missing. CopyObject and CompleteMultipartUpload may fail after status 200 was sent:
            https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    root = xml.parse(reply)
    fields = xml.children(root)
    if root is not None and xml.local_name(root) == "Error":
        raise service_error(reply, fields)
    if not fields.get(name):
        raise ServiceError(f"the service answered 200, but without {name}", status=reply.status, retryable=True)
    return fields[name]


def reply_error(reply: Response, *, bucket: str, key: str | None) -> StorageError:
    """The error for a reply whose status is not a success.

    Args:
        reply: The reply.
        bucket: Name of the bucket.
        key: Key of the requested object; None: the request was about the bucket.
    """
    return with_request_ids(_reply_error(reply, bucket, key), reply)


def _reply_error(reply: Response, bucket: str, key: str | None) -> StorageError:
    fields = xml.fields(reply)
    code, status = fields.get("Code") or None, reply.status
    target = f"the object {key!r}" if key is not None else f"the bucket {bucket!r}"
    if code == "NoSuchBucket":
        hint = "check the bucket's name, and the endpoint"
        return ModelMissingError(bucket, cause=f"there is no bucket {bucket!r}", hint=hint, status=status, code=code)
    if status == 404 and code != "NoSuchUpload" and (key is not None or code == "NoSuchKey"):
        return ModelMissingError(key or bucket, cause=f"there is no object {key!r}", status=status, code=code)
    if code in _ARCHIVED:
        storage_class = explanation(reply, fields.get("StorageClass") or "", " in the storage class ")
        return UnsupportedOperation(
            f"{target} is archived{storage_class}", hint="restore it first", status=status, code=code
        )
    if code == _SKEWED:
        return _wrong_clock(reply)
    if status in {401, 403} or code in _DENIED:
        known = code in _DENIED
        cause = _DENIED[code or ""] if known else f"no permission for {target}{explanation(reply)}"
        hint = "check the credentials" if known else "check the credentials and the bucket's policy"
        return AccessDenied(cause, hint=hint, status=status, code=code, host=reply.host)
    if code in _DAMAGED:
        return IntegrityError(f"{target} was damaged in transit ({code})", status=status, code=code, retryable=True)
    if status in {412, 416}:
        return ObjectChanged(f"{target} was replaced while it was read", status=status, code=code)
    return service_error(reply, fields)


def explanation(reply: Response, text: str | None = None, before: str = ": ") -> str:
    """The service's message, to be added to a cause; "" if it says no more than the status.

    Args:
        reply: The reply.
        text: The message; None: the one in the reply's body.
        before: Text to put before the message.
    """
    message = service_message(xml.fields(reply).get("Message") if text is None else text, reply)
    return f"{before}{message}" if message else ""


def service_error(reply: Response, fields: Mapping[str, str]) -> ServiceError:
    """The error for a reply without a more specific one; `fields` are those of its XML."""
    code, message, status = fields.get("Code") or None, explanation(reply, fields.get("Message") or ""), reply.status
    error = ServiceError(
        f"the service answered {status}{f' {code}' if code else ''}{message}",
        hint=_hint(reply, fields),
        status=status,
        code=code,
        retryable=reply.is_transient or is_transient(code),
        retry_after=reply.retry_after,
        throttled=reply.asks_for_less or code in _THROTTLED,
        host=reply.host,
    )
    with_request_ids(error, reply)
    return error


def _hint(reply: Response, fields: Mapping[str, str]) -> str | None:
    """Which setting avoids what the service does not accept."""
    message = fields.get("Message") or ""
    if reply.status == 400 and not reply.body:
        return "the reply to a HEAD gives no reason; has the session token expired?"
    if reply.status == 400 and "Server Side Encryption" in message:
        return "the object is encrypted with a key of its owner (SSE-C), which each request must contain"
    refused = [name for name in _sent_headers(reply) if name in f"{fields.get('Header', '')} {message}".lower()]
    if reply.status == 501 and not refused:
        refused = _sent_headers(reply)  # the service does not say which
    # x-amz-checksum-mode is a header of reads, which no setting leaves out.
    if any(name.startswith(_CHECKSUM_HEADERS) and name != "x-amz-checksum-mode" for name in refused):
        return "to upload without checksums: S3Config(checksum=None) or AWS_REQUEST_CHECKSUM_CALCULATION=when_required"
    if "x-amz-tagging" in refused:
        return "the service does not store tags: remove those of the source"
    return None


def _sent_headers(reply: Response) -> list[str]:
    return [name for name, _ in reply.request.headers] if reply.request is not None else []


def _wrong_clock(reply: Response) -> AccessDenied:
    cause, date = "this machine's clock is wrong", reply.time("date")
    if date is not None:
        seconds = (datetime.now(UTC) - date).total_seconds()
        cause += f": it is {abs(seconds) / 60:,.0f} minutes {'ahead of' if seconds > 0 else 'behind'} the service's"
    return AccessDenied(cause, hint="set the clock", status=reply.status, code=_SKEWED, host=reply.host)
