"""What Cloud Storage says: replies and error bodies → values and errors of ours.

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
from .properties import PROPERTIES, of_resource

__all__ = ["CHECKSUMS", "FIELDS", "body", "error", "failure", "hashes", "object_info", "page"]

CHECKSUMS = ("crc32c", "md5")
FIELDS = ",".join(("name,size,generation,timeCreated,etag,crc32c,md5Hash", *PROPERTIES.values(), "metadata"))

# Reasons that a moment later may not come again, beside 408, 429 and 5xx.
_TRANSIENT = {"rateLimitExceeded", "userRateLimitExceeded", "backendError", "internalError"}
# Characters of a message that a server may add to an error of ours.
_LONGEST_MESSAGE = 300


def body(reply: Response) -> dict[str, Any]:
    """The JSON object that a reply holds.

    Raises:
        ServiceError: It holds none.
    """
    found = _json(reply)
    if not isinstance(found, dict):
        raise ServiceError(f"the reply ({reply.status}) is not JSON", status=reply.status, retryable=True)
    return found


def object_info(resource: Mapping[str, Any]) -> ObjectInfo:
    """What an object's resource tells.

    Raises:
        ServiceError: It lacks the name or the size, or is none.
    """
    try:
        return _object_info(resource)
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise ServiceError("the service tells of an object what cannot be read") from None


def _object_info(resource: Mapping[str, Any]) -> ObjectInfo:
    name, size, tag = resource.get("name"), resource.get("size"), resource.get("etag")
    if not isinstance(name, str) or not str(size).isdecimal():
        raise ServiceError("the service tells of an object without a name or a size")
    generation, written = resource.get("generation"), resource.get("timeCreated")
    digests = {"crc32c": _hex(resource.get("crc32c")), "md5": _hex(resource.get("md5Hash"))}
    return ObjectInfo(
        name,
        int(str(size)),
        str(generation) if generation else None,
        datetime.fromisoformat(written).astimezone(UTC) if written else None,
        f'"{tag.strip(chr(34))}"' if tag else None,
        {algorithm: digest for algorithm, digest in digests.items() if digest},
        of_resource(resource),
    )


def page(reply: Response) -> tuple[list[ObjectInfo], str | None]:
    """One page of a listing, and the token of the next; None: it was the last."""
    told = body(reply)
    return [object_info(item) for item in told.get("items") or ()], told.get("nextPageToken") or None


def hashes(reply: Response) -> dict[str, str]:
    """The checksums in the head of a reply: "crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ=="."""
    found = {}
    for field in (reply.header("x-goog-hash") or "").split(","):
        algorithm, _, text = field.strip().partition("=")
        digest = _hex(text) if algorithm in CHECKSUMS else None
        if digest:
            found[algorithm] = digest
    return found


def failure(reply: Response) -> tuple[str | None, str]:
    """The reason and the message in an error's body, of the storage's form or of the token services'."""
    told = _json(reply)
    found = told.get("error") if isinstance(told, dict) else None
    if isinstance(found, dict):
        details = found.get("errors")
        first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
        reason, message = first.get("reason") or found.get("status"), found.get("message")
    else:
        reason, message = found, told.get("error_description") if isinstance(told, dict) else None
    return (str(reason) if reason else None), str(message or "")[:_LONGEST_MESSAGE]


def error(reply: Response, *, bucket: str, key: str | None, anonymous: bool) -> StorageError:
    """The failure that a reply tells of.

    Args:
        reply: Its status is not the one of success.
        bucket: That was asked.
        key: The object that was asked for; None: the bucket as a whole.
        anonymous: Whether nobody had signed in.
    """
    status = reply.status
    code, message = failure(reply)
    what = f"the object {key!r}" if key is not None else f"the bucket {bucket!r}"
    if status == 404:
        if key is None:
            hint = "check the bucket's name"
            return ModelMissingError(bucket, cause=f"there is no bucket {bucket!r}", hint=hint, status=404, code=code)
        return ModelMissingError(key, cause=f"there is no object {key!r}", status=404, code=code)
    if status in {401, 403} and code not in _TRANSIENT:
        hint = "check the credentials and their roles on the bucket"
        if anonymous:
            hint = "it is not public: sign in, with GCSConfig(service_account_key=…) or gcloud's default credentials"
        told = f": {message}" if message else ""
        return AccessDenied(f"no permission for {what}{told}", hint=hint, status=status, code=code)
    if status in {412, 416}:
        return ObjectChanged(f"{what} was replaced while it was read", status=status, code=code)
    return ServiceError(
        f"the service answered {status}" + (f" {code}" if code else "") + (f": {message}" if message else ""),
        status=status,
        code=code,
        retryable=status in {408, 429} or status >= 500 or code in _TRANSIENT,
        retry_after=reply.retry_after,
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
        return None  # not a checksum; the bytes are verified by the others, or said to be verified by size only
