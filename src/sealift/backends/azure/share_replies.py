"""Parse the responses of file shares (Azure Files)."""

from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as ET

from ...errors import ModelMissingError, ServiceError, StorageError
from ...types import ObjectInfo
from ...wire import Response
from ...wire.lenient_xml import parse_xml
from ...wire.service_message import with_request_ids
from . import replies
from .errors import error_code, reply_error

__all__ = ["NO_SHARE", "error", "page"]

NO_SHARE = {"ShareNotFound", "ShareBeingDeleted", "ShareDisabled"}
# https://learn.microsoft.com/rest/api/storageservices/file-service-error-codes; the last: a name that no file can have.
_NO_FILE = {"ResourceNotFound", "ParentNotFound", "ResourceTypeMismatch", "InvalidResourceName"}


def page(body: bytes, directory: str) -> tuple[list[ObjectInfo], str | None]:
    """Parse one page of a directory: https://learn.microsoft.com/rest/api/storageservices/list-directories-and-files

    Args:
        body: The response body.
        directory: Key of the directory: "", or ending in "/".

    Returns:
        The files, then the directories in it as prefixes; and the marker of the next page, None on the last.

    Raises:
        ServiceError: The page is not valid.
    """
    try:
        root = parse_xml(body)
    except ET.ParseError as problem:
        raise ServiceError(f"the listing is not XML: {problem}", retryable=True) from None
    try:
        files = list(_files(root, directory))
    except (ValueError, OverflowError):
        raise ServiceError("the listing has an entry with an invalid length or time") from None
    names = [_name(entry) for entry in root.iterfind("Entries/Directory")]
    directories = [ObjectInfo(f"{directory}{name}/", None, is_prefix=True) for name in names]
    return [*files, *directories], root.findtext("NextMarker") or None


def _files(root: ET.Element, directory: str) -> Iterator[ObjectInfo]:
    for entry in root.iterfind("Entries/File"):
        properties = {child.tag: child.text or "" for child in entry.iterfind("Properties/*")}
        if not properties.get("Content-Length", "").isdecimal():
            raise ServiceError("the listing has a file without a length")
        tag, modified = replies.quoted(properties.get("Etag")) or None, properties.get("Last-Modified")
        yield ObjectInfo(
            directory + _name(entry),
            int(properties["Content-Length"]),
            tag,
            parsedate_to_datetime(modified).astimezone(UTC) if modified else None,
            tag,
        )


def _name(entry: ET.Element) -> str:
    element = entry.find("Name")
    name = replies.name_of(element) if element is not None else ""
    if not name or "/" in name:
        raise ServiceError("the listing has an entry without a valid name")
    return name


def error(reply: Response, *, share: str, key: str | None) -> StorageError:
    """Convert an error response to an exception.

    Args:
        reply: Response with an error status.
        share: Name of the file share.
        key: Key of the requested file or directory; None: the share.
    """
    why = error_code(reply)
    if why in NO_SHARE:
        cause, hint = f"there is no file share {share!r}", "check the share's name, and the account"
        missing = ModelMissingError(share, cause=cause, hint=hint, status=reply.status, code=why)
        return with_request_ids(missing, reply)
    if why in _NO_FILE or reply.status == 404:
        cause = f"there is no file {key!r}" if key is not None else f"there is no file share {share!r}"
        return with_request_ids(ModelMissingError(key or share, cause=cause, status=reply.status, code=why), reply)
    if why == "SharingViolation":
        cause, hint = f"the file {key!r} is open in another program", "close it, or try again later"
        return with_request_ids(ServiceError(cause, hint=hint, status=reply.status, code=why), reply)
    return reply_error(reply, container=share, key=key, kinds=("file", "file share"))
