"""Parse responses and errors of the hub.

Sources: https://huggingface.co/docs/hub/api, https://huggingface.co/docs/hub/rate-limits, and the headers that
huggingface_hub reads (`utils/_http.py`, `file_download.py`).
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ...errors import AccessDenied, ModelMissingError, ObjectChanged, ServiceError, StorageError
from ...types import ObjectInfo
from ...uri import Location
from ...wire import Response
from ...wire.service_message import service_message, with_request_ids

__all__ = [
    "commit", "error", "is_unknown_revision", "named", "next_page", "page", "quoted", "refs", "refused", "sha256_of",
    "siblings",
]  # fmt: skip

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next\b')
_RESET = re.compile(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d+)")  # none remaining; seconds to the end of the window
_SIGN_IN = "HFConfig(token=…), or, for the hub of HF_ENDPOINT, HF_TOKEN or `hf auth login`"


def _json(reply: Response) -> Any:
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        raise ServiceError("the hub's reply is not JSON", hint="check HF_ENDPOINT", status=reply.status) from None


def commit(reply: Response) -> tuple[str, datetime | None]:
    """Parse the hash and date of a revision's commit."""
    revision = _json(reply)
    sha = revision.get("sha") if isinstance(revision, dict) else None
    if not isinstance(sha, str) or not re.fullmatch(r"[0-9a-f]{40,64}", sha):
        raise ServiceError("the hub's reply does not contain the revision's commit", hint="check HF_ENDPOINT")
    date = revision.get("lastModified")
    try:
        return sha, datetime.fromisoformat(date).astimezone(UTC) if date else None
    except (TypeError, ValueError, OverflowError):
        return sha, None


def is_unknown_revision(reply: Response) -> bool:
    """Whether the hub has the repository, but not the revision."""
    return reply.status == 404 and reply.header("x-error-code") == "RevisionNotFound"


def refs(reply: Response) -> list[str]:
    """Parse the names of all branches and tags."""
    listing = _json(reply)
    try:
        return [str(entry["name"]) for kind in ("branches", "tags") for entry in listing[kind]]
    except (KeyError, TypeError):
        raise ServiceError("the list of branches and tags cannot be read", hint="check HF_ENDPOINT") from None


def page(reply: Response, sha: str, date: datetime | None, below: str) -> list[ObjectInfo]:
    """Parse one page of a listing.

    Args:
        reply: Response to a request for a tree.
        sha: The listed commit.
        date: Date of the commit: no file was modified later.
        below: Prefix of all keys; see `Repository`.
    """
    entries = _json(reply)
    try:
        return [_file(entry, sha, date, below) for entry in entries if entry["type"] == "file"]
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ServiceError("the listing has an entry without a path or a size") from None


def siblings(reply: Response) -> list[str] | None:
    """Parse the paths of all files from the description of a revision; None if it has none."""
    revision = _json(reply)
    try:
        return [str(entry["rfilename"]) for entry in revision["siblings"]]
    except (KeyError, TypeError):
        return None


def named(names: list[str], directory: str, date: datetime | None, below: str) -> list[ObjectInfo]:
    """The files below a directory, of which only the paths are known: a stat of each completes them.

    Args:
        names: The paths of all files.
        directory: The directory; "" for the whole repository.
        date: As in `page`.
        below: As in `page`.
    """
    prefix = f"{directory}/" if directory else ""
    return [ObjectInfo(below + name, None, modified=date) for name in names if name.startswith(prefix)]


def _file(entry: Mapping[str, Any], sha: str, date: datetime | None, below: str) -> ObjectInfo:
    stored = entry.get("lfs") or {}  # Git LFS
    digest = sha256_of(stored.get("oid"))
    path, size = entry["path"], int(stored.get("size", entry["size"]))
    if not isinstance(path, str) or size < 0:
        raise TypeError
    return ObjectInfo(
        below + path,
        size,
        sha,
        date,
        f'"{digest or entry["oid"]}"',
        checksums={} if digest is None else {"sha256": digest},
    )


def next_page(reply: Response) -> str | None:
    """Return the query of the next page; None on the last page.

    Only the query is used: behind a mirror, the URL is that of the original hub, to which the token must not be sent.
    """
    link = _NEXT.search(reply.header("link") or "")
    return urlsplit(link[1]).query or None if link else None


def quoted(text: str | None) -> str | None:
    """Return an ETag, quoted and strong: the hub's are hashes of the content."""
    return f'"{text.removeprefix("W/").strip(chr(34))}"' if text else None


def sha256_of(text: str | None) -> str | None:
    """Return the SHA-256 in an ETag or object id; None if it is another hash, such as Git's SHA-1."""
    bare = (text or "").strip('"').removeprefix("sha256:")
    return bare if _SHA256.fullmatch(bare) else None


def _text(reply: Response) -> str:
    """Return the hub's error message."""
    message = reply.header("x-error-message")
    if message is None:
        try:
            body = json.loads(reply.body)
        except (ValueError, RecursionError):
            return ""
        message = body.get("error") if isinstance(body, dict) else None
    return service_message(message if isinstance(message, str) else "", reply)


def error(reply: Response, location: Location, key: str | None, *, signed_in: bool) -> StorageError:
    """Convert an error response of the hub to an exception.

    Args:
        reply: Response with an error status.
        location: The repository.
        key: The requested file; None: the repository.
        signed_in: Whether a token was sent.
    """
    return with_request_ids(_error(reply, location, key, signed_in=signed_in), reply)


def _error(reply: Response, location: Location, key: str | None, *, signed_in: bool) -> StorageError:
    status, text = reply.status, _text(reply)
    code = reply.header("x-error-code")
    kind = location.kind.removesuffix("s")
    where = f"the {kind} repository {location.root!r}"
    missing: tuple[str, str, str | None] | None = None
    hint: str | None
    match code:
        case "GatedRepo":
            decided = any(word in text.lower() for word in ("awaiting", "rejected"))
            hint = None if decided else f"request access on its page, and sign in: {_SIGN_IN}"
            return AccessDenied(_with(f"{where} is gated", text), hint=hint, status=status, code=code)
        case "RevisionNotFound":
            revision = location.revision or "main"
            hint = "encode a slash in its name as %2F, as in hf://owner/name@feature%2Fx" if location.revision else None
            missing = revision, f"{where} has no revision {revision!r}", hint
        case "EntryNotFound":
            missing = key or location.root, f"there is no file {key!r} in {where}", None
        case "RepoNotFound":
            missing = _no_repository(location, where, signed_in=signed_in)
        # The hub answers 401 without a code to hide whether a repository exists.
        case None if status == 401 and not signed_in:
            missing = _no_repository(location, where, signed_in=signed_in)
        case None if status == 404 and key is not None:
            missing = key, f"there is no file {key!r} in {where}", None
        case None if status == 404:
            missing = _no_repository(location, where, signed_in=signed_in)
    if missing is not None:
        path, cause, hint = missing
        return ModelMissingError(path, cause=cause, hint=hint, status=status, code=code)
    if status == 401:
        return AccessDenied(
            _with("the token was refused", text), hint=f"check it: {_SIGN_IN}", status=status, code=code
        )
    if status == 403:
        cause = _with(f"no permission for {where}", text)
        return AccessDenied(cause, hint="check the token's permissions", status=status, code=code)
    return _service_error(reply, "the hub", text, code)


def _no_repository(location: Location, where: str, *, signed_in: bool) -> tuple[str, str, str]:
    if signed_in:
        return (
            location.root,
            f"there is no {where[4:]}, or the token has no access to it",
            "check its name and kind",
        )
    hint = f"check its name and kind; for a private one, sign in: {_SIGN_IN}"
    return location.root, f"there is no {where[4:]}, or it is private", hint


def refused(reply: Response, key: str) -> StorageError:
    """Convert an error response of the hub's storage. Its body is not quoted: it may contain the signed URL."""
    return with_request_ids(_refused(reply, key), reply)


def _refused(reply: Response, key: str) -> StorageError:
    status = reply.status
    if status in {401, 403}:
        return AccessDenied(
            f"the hub's storage denied access to {key!r} at the URL from the hub", status=status, host=reply.host
        )
    if status in {404, 410}:
        return ModelMissingError(key, cause=f"the hub's storage does not have {key!r}", status=status)
    if status == 416:
        return ObjectChanged(f"the size of {key!r} differs from the size reported by the hub", status=status)
    return _service_error(reply, "the hub's storage", "", None)


def _service_error(reply: Response, who: str, text: str, code: str | None) -> ServiceError:
    status, renewed = reply.status, _quota_renewed(reply)
    delay = reply.retry_after if renewed is None else renewed
    wait = f" and asks to wait {delay:.0f} s" if delay and status in {429, 503} else ""
    failure = ServiceError(
        _with(f"{who} answered {status}{wait}", text),
        status=status,
        code=code,
        retryable=reply.is_transient,
        retry_after=delay,
        throttled=reply.asks_for_less,
        host=reply.host,
    )
    failure.quota_used_up = renewed is not None
    return failure


def _with(cause: str, text: str) -> str:
    return f"{cause}: {text}" if text else cause


def _quota_renewed(reply: Response) -> float | None:
    """Return the seconds to the end of the window whose requests are used up; None: the reply names none.

    Retry-After, if there is one, says the same. https://huggingface.co/docs/hub/rate-limits
    """
    reset = _RESET.search(reply.header("ratelimit") or "") if reply.status == 429 else None
    if reset is None:
        return None
    return float(reset[1]) if reply.retry_after is None else reply.retry_after
