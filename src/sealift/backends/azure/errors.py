"""Convert error responses of the Blob service to sealift's errors.

Sources, under https://learn.microsoft.com/rest/api/storageservices/: blob-service-error-codes,
common-rest-api-error-codes
"""

import re
from xml.etree import ElementTree as ET

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
from ...wire.lenient_xml import parse_xml
from ...wire.service_message import service_message, with_request_ids

__all__ = ["NO_CONTAINER", "error_code", "reply_error"]

NO_CONTAINER = {"ContainerNotFound", "ContainerBeingDeleted"}

_DENIED = {
    "AuthenticationFailed": "the key or signature is wrong, or has expired",
    "AuthorizationFailure": "the signature is wrong or has expired, or the account's firewall blocks this machine",
    "AuthorizationPermissionMismatch": "the signature or the identity's role does not allow this",
    "AuthorizationProtocolMismatch": "the signature is valid for https only",
    "AuthorizationResourceTypeMismatch": "the signature is valid for another resource type",
    "AuthorizationServiceMismatch": "the signature is valid for another service",
    "AuthorizationSourceIPMismatch": "the signature is valid for another IP address",
    "InvalidAuthenticationInfo": "the token is not accepted",
    "InsufficientAccountPermissions": "the account is not allowed to do this",
    "KeyBasedAuthenticationNotPermitted": "this account accepts identity tokens only, not keys or signatures",
    "NoAuthenticationInformation": "the service requires authentication",
    "PublicAccessNotPermitted": "this account does not allow anonymous access",
}
_LOCKED = {
    "LeaseIdMissing": ("is leased by another client", "break the lease, or wait until it ends"),
    "BlobImmutableDueToPolicy": ("is protected by an immutability policy", "wait until its retention ends"),
    "BlobImmutableDueToLegalHold": ("is under a legal hold", "clear the legal hold"),
    "BlobUsesCustomerSpecifiedEncryption": (
        "is encrypted with another key or scope",
        "pass its key: AzureConfig(customer_key=…), or its scope: WriteOptions(encryption_scope=…)",
    ),
}
_ARCHIVED = {
    "BlobArchived": ("is archived", "rehydrate it to the hot or cool tier first"),
    "BlobBeingRehydrated": ("is archived, and being rehydrated", "try again when that is done"),
}
# https://learn.microsoft.com/rest/api/storageservices/service-sas-error-codes
_SIGNATURE_TIMES = r"not valid in the specified time frame: Start \[(.*?)\] - Expiry \[(.*?)\] - Current \[(.*?)\]"
_DAMAGED = {"Md5Mismatch", "Crc64Mismatch"}
_CHANGED = {"ConditionNotMet", "SourceConditionNotMet", "TargetConditionNotMet", "InvalidRange"}


def error_code(reply: Response) -> str | None:
    """Return the service's error code; also sent as a header, since a response to HEAD has no body."""
    return reply.header("x-ms-error-code") or _fields(reply).get("Code") or None


def reply_error(
    reply: Response, *, container: str, key: str | None, kinds: tuple[str, str] = ("object", "container")
) -> StorageError:
    """Convert an error response to an exception.

    Args:
        reply: Response with an error status.
        container: Name of the container.
        key: Key of the requested object; None: the container.
        kinds: What an object and a container are called in messages.
    """
    what = f"the {kinds[1]} {container!r}" if key is None else f"the {kinds[0]} {key!r}"
    return with_request_ids(_error(reply, container, key, what), reply)


def _error(reply: Response, container: str, key: str | None, what: str) -> StorageError:
    why, status = error_code(reply), reply.status
    if why in NO_CONTAINER:
        hint = "check the container's name, and the account"
        cause = f"there is no container {container!r}"
        return ModelMissingError(container, cause=cause, hint=hint, status=status, code=why)
    if status == 404:
        # Anonymous requests get 404 for containers that are not public.
        cause = f"there is no object {key!r}" if key is not None else f"there is no public container {container!r}"
        return ModelMissingError(key or container, cause=cause, status=status, code=why)
    if status in {401, 403} or why in _DENIED:
        return _denied(reply, why, what)
    if why in _CHANGED or (why is None and status in {412, 416}):
        return ObjectChanged(f"{what} was replaced while it was read", status=status, code=why)
    if why in _DAMAGED:
        return IntegrityError(f"{what} was corrupted in transit", status=status, code=why, retryable=True)
    if why in _LOCKED:
        cause, way_out = _LOCKED[why]
        return ServiceError(f"{what} {cause}", hint=way_out, status=status, code=why)
    if why in _ARCHIVED:
        cause, way_out = _ARCHIVED[why]
        return UnsupportedOperation(f"{what} {cause}", hint=way_out, status=status, code=why)
    return _service_error(reply, why)


def _denied(reply: Response, why: str | None, what: str) -> AccessDenied:
    hint = "check the credentials and their role"
    if why in _DENIED:
        cause = _DENIED[why]
        # Another text in this element quotes the string to sign.
        if times := re.search(_SIGNATURE_TIMES, _fields(reply).get("AuthenticationErrorDetail", "")):
            start, expiry, now = times.groups()
            cause = f"the signature is valid from {start or 'any time'} to {expiry}, and the service's time is {now}"
            hint = "renew the SAS, and check this machine's clock"
    else:
        message = _message(reply)
        cause = f"no permission for {what}" + (f": {message}" if message else "")
    return AccessDenied(cause, hint=hint, status=reply.status, code=why)


def _message(reply: Response) -> str:
    """The service's message. The lines after the first are request id and time."""
    return service_message(_fields(reply).get("Message", "").strip().partition("\n")[0], reply)


def _service_error(reply: Response, why: str | None) -> ServiceError:
    status, text = reply.status, _message(reply)
    return ServiceError(
        f"the service answered {status}" + (f" {why}" if why else "") + (f": {text}" if text else ""),
        status=status,
        code=why,
        retryable=reply.is_transient,
        retry_after=reply.retry_after,
        throttled=reply.asks_for_less or why == "ServerBusy",
        host=reply.host,
    )


def _fields(reply: Response) -> dict[str, str]:
    try:
        root = parse_xml(reply.body)
    except ET.ParseError:
        return {}
    return {child.tag: child.text or "" for child in root}
