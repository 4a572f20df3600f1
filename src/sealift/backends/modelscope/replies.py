"""Parse responses and errors of the ModelScope hub."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...errors import AccessDenied, ModelMissingError, ServiceError, StorageError
from ...types import MiB, ObjectInfo
from ...uri import Location
from ...wire import Response
from ...wire.service_message import service_message, with_request_ids

__all__ = ["LFS", "Entry", "entries", "error", "is_directory", "object_info", "sha256_of"]

Entry = Mapping[str, Any]
"""A file or directory in a listing."""
LFS = "lfs-"
"""Start of the version of a file that is in Git LFS."""
_HUB = "hub-"
_SIGN_IN = "ModelScopeConfig(token=…), or MODELSCOPE_API_TOKEN"
# The hub sends the files that are not in Git LFS whole. A larger one is read once, in order.
_LARGEST_IN_PARTS = 4 * MiB


def entries(reply: Response) -> list[Entry] | None:
    """Parse a listing.

    Returns:
        The files and directories; None: there is no such revision.

    Raises:
        ServiceError: The reply has another form, or reports a failure.
    """
    try:
        body = json.loads(reply.body)
        if body.get("Success") is False or body.get("Code", 200) != 200:
            text = service_message(str(body.get("Message") or ""), reply)
            raise ServiceError(_with(f"ModelScope reports the error {body.get('Code')}", text), retryable=True)
        data = body["Data"]
        found = data if isinstance(data, list) or data is None else data["Files"]
        if found is None:
            return None
        for entry in found:
            _check(entry)
        return list(found)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as problem:
        if isinstance(problem, StorageError):
            raise
        hint = "check MODELSCOPE_ENDPOINT"
        raise ServiceError("ModelScope's listing cannot be read", hint=hint, status=reply.status) from None


def _check(entry: Entry) -> None:
    if not isinstance(entry["Path"], str) or not entry["Path"] or int(entry["Size"]) < 0:
        raise ValueError


def is_directory(entry: Entry) -> bool:
    """Whether an entry of a listing is a directory."""
    return entry.get("Type") == "tree"


def object_info(entry: Entry) -> ObjectInfo:
    """The metadata of a file from its entry in a listing."""
    key, size = str(entry["Path"]), int(entry["Size"])
    digest = str(entry.get("Sha256") or "").lower()
    known = re.fullmatch(r"[0-9a-f]{64}", digest) is not None
    in_lfs = bool(entry.get("IsLFS"))
    # Without a hash, the commit that changed the file last.
    version = f"{LFS if in_lfs else _HUB}{digest if known else entry.get('Revision') or ''}-{size}"
    try:
        modified = datetime.fromtimestamp(int(entry["CommittedDate"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        modified = None
    return ObjectInfo(
        key,
        size,
        version,
        modified,
        checksums={"sha256": digest} if known else {},
        ranged=in_lfs or size <= _LARGEST_IN_PARTS,
    )


def sha256_of(obj: ObjectInfo) -> str | None:
    """The SHA-256 of a file, if the hub lists it."""
    return obj.checksums.get("sha256")


def error(reply: Response, location: Location, key: str | None, *, signed_in: bool, at_hub: bool) -> StorageError:
    """Convert an error response to an exception.

    Args:
        reply: Response with an error status.
        location: The repository.
        key: The requested file; None: a listing.
        signed_in: Whether a token was sent.
        at_hub: Whether it comes from the hub, not from its storage, whose message may contain a signed URL.
    """
    return with_request_ids(_error(reply, location, key, signed_in=signed_in, at_hub=at_hub), reply)


def _error(reply: Response, location: Location, key: str | None, *, signed_in: bool, at_hub: bool) -> StorageError:
    status, text = reply.status, _text(reply) if at_hub else ""
    who = "ModelScope" if at_hub else "ModelScope's storage"
    where = f"the ModelScope repository {location.root!r}"
    if status in {401, 403}:
        cause = f"{who} denied access to {where} ({status})" + ("" if signed_in else ", or there is no such repository")
        hint = f"check {_SIGN_IN}" if signed_in else f"sign in: {_SIGN_IN}"
        return AccessDenied(_with(cause, text), hint=hint, status=status, host=reply.host)
    if status in {404, 410}:
        if key is not None:
            cause = f"there is no file {key!r} in {where}, or no revision {location.revision or 'master'!r}"
            return ModelMissingError(key, cause=_with(cause, text), status=status)
        hint = "check its name" if signed_in else f"check its name; for a private one, sign in: {_SIGN_IN}"
        return ModelMissingError(location.root, cause=_with(f"there is no {where[4:]}", text), hint=hint, status=status)
    return ServiceError(
        _with(f"{who} answered {status}", text),
        status=status,
        retryable=reply.is_transient,
        retry_after=reply.retry_after,
        throttled=reply.asks_for_less,
        host=reply.host,
    )


def _text(reply: Response) -> str:
    try:
        message = json.loads(reply.body)["Message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return service_message(message if isinstance(message, str) else "", reply)


def _with(cause: str, text: str) -> str:
    return f"{cause}: {text}" if text else cause
