"""Parse replies of Cloud Storage, and convert error replies to sealift's errors.

Sources, under https://cloud.google.com/storage/docs/json_api/v1/: objects#resource, objects/list, status-codes
"""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...errors import AccessDenied, ModelMissingError, ObjectChanged, ServiceError, StorageError
from ...types import ObjectInfo
from ...wire import Response
from ...wire.service_message import service_message, with_request_ids
from .properties import PROPERTIES, from_resource

__all__ = [
    "CHECKSUMS",
    "FIELDS",
    "error_details",
    "header_checksums",
    "json_object",
    "object_info",
    "parse_listing",
    "read_info",
    "reply_error",
]

CHECKSUMS = ("crc32c", "md5")
FIELDS = ",".join(("name,size,generation,timeCreated,etag,crc32c,md5Hash", *PROPERTIES.values(), "metadata"))

# Reasons worth a retry, in addition to statuses 408, 429 and 5xx.
_RATE_LIMITS = {"rateLimitExceeded", "userRateLimitExceeded"}
_TRANSIENT = {*_RATE_LIMITS, "backendError", "internalError"}


def json_object(reply: Response) -> dict[str, Any]:
    """The JSON object in a reply.

    Raises:
        ServiceError: The reply is not a JSON object.
    """
    content = _json(reply)
    if not isinstance(content, dict):
        raise ServiceError(f"the reply ({reply.status}) is not JSON", status=reply.status, retryable=True)
    return content


def object_info(resource: Mapping[str, Any]) -> ObjectInfo:
    """The object described by a resource.

    Raises:
        ServiceError: The resource is malformed, or lacks the name or the size.
    """
    try:
        return _object_info(resource)
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise ServiceError("the service returned a malformed object resource") from None


def _object_info(resource: Mapping[str, Any]) -> ObjectInfo:
    name, size, tag = resource.get("name"), resource.get("size"), resource.get("etag")
    if not isinstance(name, str) or not str(size).isdecimal():
        raise ServiceError("the service returned an object resource without a name or a size")
    generation, written = resource.get("generation"), resource.get("timeCreated")
    digests = {"crc32c": _hex(resource.get("crc32c")), "md5": _hex(resource.get("md5Hash"))}
    return ObjectInfo(
        name,
        int(str(size)),
        str(generation) if generation else None,
        datetime.fromisoformat(written).astimezone(UTC) if written else None,
        f'"{tag.strip(chr(34))}"' if tag else None,
        {algorithm: digest for algorithm, digest in digests.items() if digest},
        from_resource(resource),
    )


def parse_listing(reply: Response) -> tuple[list[ObjectInfo], str | None]:
    """The objects on one page of a listing, and the next page's token; None: this is the last page."""
    content = json_object(reply)
    objects = [object_info(item) for item in content.get("items") or ()]
    objects += [ObjectInfo(str(prefix), None, is_prefix=True) for prefix in content.get("prefixes") or ()]
    return objects, content.get("nextPageToken") or None


def header_checksums(reply: Response) -> dict[str, str]:
    """The checksums in a reply's x-goog-hash header: "crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ=="."""
    digests = {}
    for field in (reply.header("x-goog-hash") or "").split(","):
        algorithm, _, text = field.strip().partition("=")
        digest = _hex(text) if algorithm in CHECKSUMS else None
        if digest:
            digests[algorithm] = digest
    return digests


def read_info(key: str, reply: Response) -> ObjectInfo:
    """The object described by the headers of the reply to a read of the whole object, without its properties."""
    length, tag = reply.header("content-length"), reply.header("etag")
    return ObjectInfo(
        key,
        int(length) if length is not None and length.isdecimal() else None,
        reply.header("x-goog-generation"),
        reply.time("last-modified"),
        f'"{tag.strip(chr(34))}"' if tag else None,
        header_checksums(reply),
    )


def error_details(reply: Response) -> tuple[str | None, str]:
    """The reason and the message in an error's body, in the format of Cloud Storage or of the token services."""
    content = _json(reply)
    error = content.get("error") if isinstance(content, dict) else None
    if isinstance(error, dict):
        details = error.get("errors")
        first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
        reason, message = first.get("reason") or error.get("status"), error.get("message")
    else:
        reason, message = error, content.get("error_description") if isinstance(content, dict) else None
    if content is None and (reply.header("content-type") or "").startswith("text/plain"):  # a refused read
        message = reply.body.decode(errors="replace")
    return (str(reason) if reason else None), service_message(str(message or ""), reply)


def reply_error(reply: Response, *, bucket: str, key: str | None, anonymous: bool) -> StorageError:
    """The error for a reply whose status is not a success.

    Args:
        reply: The reply.
        bucket: Name of the bucket.
        key: Key of the requested object; None: the request was about the bucket.
        anonymous: Whether the request was sent without credentials.
    """
    return with_request_ids(_reply_error(reply, bucket, key, anonymous=anonymous), reply)


def _reply_error(reply: Response, bucket: str, key: str | None, *, anonymous: bool) -> StorageError:
    status = reply.status
    code, message = error_details(reply)
    target = f"the object {key!r}" if key is not None else f"the bucket {bucket!r}"
    if status == 404:
        if key is None:
            hint = "check the bucket's name"
            return ModelMissingError(bucket, cause=f"there is no bucket {bucket!r}", hint=hint, status=404, code=code)
        return ModelMissingError(key, cause=f"there is no object {key!r}", status=404, code=code)
    if status in {401, 403} and code not in _TRANSIENT:
        hint = "check the credentials and their roles on the bucket"
        if anonymous:
            hint = "it is not public: sign in with GCSConfig(service_account_key=…) or gcloud's default credentials"
        reason = f": {message}" if message else ""
        return AccessDenied(f"no permission for {target}{reason}", hint=hint, status=status, code=code)
    if status in {412, 416}:
        return ObjectChanged(f"{target} was replaced while it was read", status=status, code=code)
    return ServiceError(
        f"the service answered {status}" + (f" {code}" if code else "") + (f": {message}" if message else ""),
        status=status,
        code=code,
        retryable=reply.is_transient or code in _TRANSIENT,
        retry_after=reply.retry_after,
        throttled=reply.asks_for_less or code in _RATE_LIMITS,
        host=reply.host,
    )


def _json(reply: Response) -> Any:
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


def _hex(text: str | None) -> str | None:
    try:
        return base64.b64decode(text, validate=True).hex() if text else None
    except binascii.Error:
        return None  # malformed: other checksums verify the bytes, or the receipt says that only the size did
