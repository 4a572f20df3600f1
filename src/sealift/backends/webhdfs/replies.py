"""Parse responses and errors of WebHDFS.

https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html#Error_Responses
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...errors import AccessDenied, ModelMissingError, ServiceError, StorageError
from ...types import ObjectInfo
from ...wire import Response
from ...wire.service_message import service_message, with_request_ids

__all__ = [
    "delegation_token", "error", "is_invalid_token", "is_standby", "is_unknown_operation", "object_info",
    "page", "status",
]  # fmt: skip

# The longest path of HDFS: https://hadoop.apache.org/docs/stable/api/constant-values.html (MAX_PATH_LENGTH).
_LONGEST_PATH = 8000
_TRANSIENT = {"StandbyException", "RetriableException", "SafeModeException", "ServerTooBusyException"}
_DENIED = {"AccessControlException", "AuthorizationException", "SecurityException", "AuthenticationException"}


def _json(reply: Response) -> Any:
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        hint = "is this the address of WebHDFS?"
        raise ServiceError("the namenode's reply is not JSON", hint=hint, status=reply.status) from None


def status(reply: Response) -> Mapping[str, Any]:
    """Parse the status of a file or directory."""
    try:
        found: Mapping[str, Any] = _json(reply)["FileStatus"]
        _check(found)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ServiceError("the namenode's reply contains no file status", hint="is this WebHDFS?") from None
    return found


def _check(entry: Mapping[str, Any]) -> None:
    int(entry["modificationTime"]), str(entry["type"])
    if int(entry["length"]) < 0:
        raise ValueError


def page(reply: Response) -> tuple[list[Mapping[str, Any]], int]:
    """Parse a listing, or a page of one.

    Returns:
        The statuses of the entries, and how many more there are.
    """
    body = _json(reply)
    try:
        remaining = 0
        if "DirectoryListing" in body:
            listing = body["DirectoryListing"]
            entries, remaining = listing["partialListing"]["FileStatuses"]["FileStatus"], listing["remainingEntries"]
        else:
            entries = body["FileStatuses"]["FileStatus"]
        for entry in entries:
            _check(entry)
            _check_name(entry["pathSuffix"])
        return list(entries), int(remaining)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ServiceError("the namenode's listing cannot be read", hint="is this WebHDFS?") from None


def _check_name(name: str) -> None:
    if name in {".", ".."} or "/" in name or len(name) > _LONGEST_PATH:
        raise ValueError


def object_info(key: str, entry: Mapping[str, Any]) -> ObjectInfo:
    """The metadata of a file from its status.

    A file keeps its ID when it is renamed, and its bytes change only by appending, which changes the time.
    """
    size, modified = int(entry["length"]), int(entry["modificationTime"])
    if len(key) > _LONGEST_PATH:
        raise ServiceError("the namenode lists a path that is longer than HDFS allows")
    try:
        time = datetime.fromtimestamp(modified / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        time = None
    # The checksums of encrypted and of erasure-coded files are not those of their bytes in order.
    plain = not entry.get("encBit") and not entry.get("ecBit")
    return ObjectInfo(key, size, f"{entry.get('fileId', 0)}-{modified}-{size}", time, composite=plain and size > 0)


def delegation_token(reply: Response) -> str:
    """Parse a delegation token."""
    try:
        token = _json(reply)["Token"]["urlString"]
    except (KeyError, TypeError):
        token = None
    if not isinstance(token, str) or not token:
        raise AccessDenied("the namenode issues no delegation tokens", hint="does the cluster use Kerberos?")
    return token


def _exception(reply: Response) -> tuple[str, str]:
    """The name and the message of the exception in an error response; "" if there is none."""
    try:
        remote = json.loads(reply.body)["RemoteException"]
        return str(remote["exception"]), str(remote.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", ""


def is_standby(reply: Response) -> bool:
    """Whether a namenode says that another one is active."""
    return reply.status in {403, 503} and _exception(reply)[0] == "StandbyException"


def is_invalid_token(reply: Response) -> bool:
    """Whether a delegation token has expired or is unknown."""
    return reply.status in {401, 403} and "InvalidToken" in "".join(_exception(reply))


def is_unknown_operation(failure: StorageError) -> bool:
    """Whether a server does not know an operation, such as one of a later version."""
    return failure.status in {400, 405, 501}


def error(reply: Response, path: str) -> StorageError:
    """Convert an error response to an exception.

    Args:
        reply: Response with an error status.
        path: The requested path.
    """
    return with_request_ids(_error(reply, path), reply)


def _error(reply: Response, path: str) -> StorageError:
    code = reply.status
    name, message = _exception(reply)
    text = service_message(message.partition("\n")[0], reply)
    if name in _TRANSIENT:
        cause = _with(f"the namenode is not available ({name})", text)
        return ServiceError(cause, status=code, code=name, retryable=True, host=reply.host)
    if name == "UnresolvedPathException":
        cause, hint = f"{path!r} is a symbolic link, or below one", "WebHDFS does not follow links: name the target"
        return ModelMissingError(path, cause=cause, hint=hint, status=code, code=name)
    # A path below a file is reported as a denied access to it.
    if name in {"FileNotFoundException", "ParentNotDirectoryException"} or "is not a directory" in message:
        return ModelMissingError(path, cause=f"there is no file {path!r}", status=code, code=name)
    if is_invalid_token(reply):
        hint = "get a new one for HDFSConfig(delegation_token=…)"
        return AccessDenied("the delegation token is not valid", hint=hint, status=code, code=name, host=reply.host)
    if code in {401, 403} and (not name or name in _DENIED):
        hint = "check HDFSConfig(user=…), delegation_token=… or kerberos=True"
        cause = _with(f"access to {path!r} is denied ({code})", text)
        return AccessDenied(cause, hint=hint, status=code, code=name or None, host=reply.host)
    if code == 404:
        cause, hint = f"the server has no WebHDFS or no {path!r} ({code})", "check the address of the namenode"
        return ModelMissingError(path, cause=cause, hint=hint, status=code)
    return ServiceError(
        _with(f"WebHDFS answered {code}" + (f" ({name})" if name else ""), text),
        status=code,
        code=name or None,
        retryable=reply.is_transient,
        retry_after=reply.retry_after,
        throttled=reply.asks_for_less,
        host=reply.host,
    )


def _with(cause: str, text: str) -> str:
    return f"{cause}: {text}" if text else cause
