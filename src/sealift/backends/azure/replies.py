"""Parse responses and errors of the Blob service.

Sources, under https://learn.microsoft.com/rest/api/storageservices/: get-blob-properties, list-blobs,
blob-service-error-codes, common-rest-api-error-codes
"""

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import unquote
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
from ...types import ObjectInfo
from ...types.properties import Properties
from ...wire import Response
from ...wire.lenient_xml import parse_xml
from ...wire.service_message import service_message, with_request_ids
from .properties import DIRECTORY, of_entry, of_reply

__all__ = [
    "NO_CONTAINER",
    "blocks",
    "code",
    "crc64nvme",
    "error",
    "header",
    "md5",
    "name_of",
    "object_info",
    "page",
    "quoted",
    "snapshots",
    "version_query",
]

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


def header(reply: Response, name: str) -> str:
    """Return a header; "" if it is missing."""
    return reply.header(name) or ""


def version_query(obj: ObjectInfo) -> dict[str, str]:
    """Return the query that names an object's version: a version ID, or "snapshot=" and the time of a snapshot."""
    if obj.version_id is None:
        return {}
    name, separator, value = obj.version_id.partition("=")
    return {name: value} if separator and name in {"snapshot", "versionid"} else {"versionid": obj.version_id}


def quoted(tag: str | None) -> str | None:
    """Return an entity tag with quotes, which listings omit."""
    return tag if not tag or tag.endswith('"') else f'"{tag}"'


def md5(text: str | None) -> dict[str, str]:
    """Parse the MD5 that the service stores with an object uploaded in one request."""
    try:
        digest = base64.b64decode(text or "", validate=True)
    except binascii.Error:
        return {}  # the client that stored the object stored an invalid value
    return {"md5": digest.hex()} if len(digest) == 16 else {}


def crc64nvme(text: str | None) -> str | None:
    """Parse the checksum that the service computed for a request body; None if missing.

    The service uses CRC-64/NVME, with its bytes in reverse order:
    https://github.com/Azure/azure-sdk-for-cpp/blob/main/sdk/storage/azure-storage-common/src/crypt.cpp
    """
    try:
        digest = base64.b64decode(text or "", validate=True)
    except binascii.Error:
        return None
    return digest[::-1].hex() if len(digest) == 8 else None


def object_info(key: str, reply: Response) -> ObjectInfo:
    """Parse the response to a HEAD of an object.

    Raises:
        ModelMissingError: The key names a directory.
    """
    length = reply.header("content-length")
    tag = quoted(reply.header("etag"))
    properties = of_reply(reply)
    if _is_directory(properties):
        raise ModelMissingError(key, cause=f"{key!r} is a directory, not an object")
    return ObjectInfo(
        key=key,
        size=int(length) if length is not None and length.isdecimal() else None,
        version=tag,
        modified=reply.time("last-modified"),
        etag=tag,
        checksums=md5(reply.header("content-md5")),
        properties=properties,
    )


def _is_directory(properties: Properties) -> bool:
    return properties.metadata.get(DIRECTORY) == "true"


def page(body: bytes) -> tuple[list[ObjectInfo], str | None]:
    """Parse one page of a listing; return its objects and the marker of the next page, None on the last.

    Prefixes, of a listing with a delimiter, come after the objects.
    """
    try:
        root = parse_xml(body)
    except ET.ParseError as problem:
        raise ServiceError(f"the listing is not XML: {problem}", retryable=True) from None
    try:
        objects = [*_blobs(root), *_prefixes(root)]
    except (ValueError, OverflowError):
        raise ServiceError("the listing has an entry with an invalid length or time") from None
    return objects, root.findtext("NextMarker") or None


def snapshots(body: bytes, key: str) -> list[str]:
    """Return the times of an object's snapshots from a listing that includes snapshots."""
    try:
        root = parse_xml(body)
    except ET.ParseError:
        return []
    return [
        time
        for entry in root.iter("Blob")
        if (name := entry.find("Name")) is not None and name_of(name) == key and (time := entry.findtext("Snapshot"))
    ]


def name_of(element: ET.Element) -> str:
    """Return the name in an element; names that XML cannot represent are encoded."""
    text = element.text or ""
    return unquote(text) if element.get("Encoded") == "true" else text


def _prefixes(root: ET.Element) -> Iterator[ObjectInfo]:
    for element in root.iterfind("Blobs/BlobPrefix/Name"):
        if element.text:
            yield ObjectInfo(name_of(element), None, is_prefix=True)


def _blobs(root: ET.Element) -> Iterator[ObjectInfo]:
    for entry in root.iter("Blob"):
        name = entry.find("Name")
        elements = {child.tag: child.text or "" for child in entry.iterfind("Properties/*")}
        metadata = {child.tag: child.text or "" for child in entry.iterfind("Metadata/*")}
        if name is None or not name.text or not elements.get("Content-Length", "").isdecimal():
            raise ServiceError("the listing has an entry without a name or a length")
        properties = of_entry(elements, metadata)
        if _is_directory(properties):
            continue
        tag = quoted(elements.get("Etag")) or None
        modified = elements.get("Last-Modified")
        yield ObjectInfo(
            name_of(name),
            int(elements["Content-Length"]),
            tag,
            parsedate_to_datetime(modified).astimezone(UTC) if modified else None,
            tag,
            md5(elements.get("Content-MD5")),
            properties,
        )


def blocks(reply: Response) -> dict[str, int]:
    """Parse the uncommitted blocks of an object: id → size in bytes.

    https://learn.microsoft.com/rest/api/storageservices/get-block-list
    """
    try:
        root = parse_xml(reply.body)
    except ET.ParseError as problem:
        raise ServiceError(f"the list of blocks is not XML: {problem}", retryable=True) from None
    sizes = {}
    for entry in root.iterfind("UncommittedBlocks/Block"):
        name, size = entry.findtext("Name"), entry.findtext("Size", "")
        if name and size.isdecimal():
            sizes[name] = int(size)
    return sizes


def code(reply: Response) -> str | None:
    """Return the service's error code; also sent as a header, since a response to HEAD has no body."""
    return reply.header("x-ms-error-code") or _fields(reply).get("Code") or None


def error(
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
    why, status = code(reply), reply.status
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
