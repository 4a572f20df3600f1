"""What the hub says: replies → values and errors of ours.

Sources: https://huggingface.co/docs/hub/api, https://huggingface.co/docs/hub/rate-limits, and the headers that
huggingface_hub goes by (`utils/_http.py`, `file_download.py`).
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

__all__ = ["commit", "error", "is_unknown_revision", "next_page", "page", "refs", "refused", "sha256_of", "tag"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next\b')
_RESET = re.compile(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d+)")  # none remaining; seconds to the end of the window
_LONGEST_TEXT = 200
_SIGN_IN = "HFConfig(token=…), or, for the hub of HF_ENDPOINT, HF_TOKEN or `hf auth login`"


def _json(reply: Response) -> Any:
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        raise ServiceError("the hub's reply is not JSON", hint="check HF_ENDPOINT", status=reply.status) from None


def commit(reply: Response) -> tuple[str, datetime | None]:
    """Hash and date of the commit that a reply about a revision names."""
    told = _json(reply)
    sha = told.get("sha") if isinstance(told, dict) else None
    if not isinstance(sha, str) or not re.fullmatch(r"[0-9a-f]{40,64}", sha):
        raise ServiceError("the hub does not tell the revision's commit", hint="check HF_ENDPOINT")
    date = told.get("lastModified")
    try:
        return sha, datetime.fromisoformat(date).astimezone(UTC) if date else None
    except (TypeError, ValueError, OverflowError):
        return sha, None


def is_unknown_revision(reply: Response) -> bool:
    """Whether the hub has the repository, but not the revision."""
    return reply.status == 404 and reply.header("x-error-code") == "RevisionNotFound"


def refs(reply: Response) -> list[str]:
    """The names of all branches and tags, from the reply to a request for them."""
    told = _json(reply)
    try:
        return [str(entry["name"]) for kind in ("branches", "tags") for entry in told[kind]]
    except (KeyError, TypeError):
        raise ServiceError("the list of branches and tags cannot be read", hint="check HF_ENDPOINT") from None


def page(reply: Response, sha: str, date: datetime | None, below: str) -> list[ObjectInfo]:
    """The files of one page of a listing.

    Args:
        reply: To a request for a tree.
        sha: The commit it was asked at.
        date: When that was made: the latest that any of its files can have been written.
        below: What their keys begin with; see `Repository`.
    """
    entries = _json(reply)
    try:
        return [_file(entry, sha, date, below) for entry in entries if entry["type"] == "file"]
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ServiceError("the listing has an entry without a path or a size") from None


def _file(entry: Mapping[str, Any], sha: str, date: datetime | None, below: str) -> ObjectInfo:
    stored = entry.get("lfs") or {}  # Git's large file storage
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
    """The query of the page behind this one; None: there is none.

    Only the query, since behind a mirror the address is the hub's own, which the token is not for.
    """
    found = _NEXT.search(reply.header("link") or "")
    return urlsplit(found[1]).query or None if found else None


def tag(text: str | None) -> str | None:
    """An entity tag, quoted and strong: the hub's are hashes of the content."""
    return f'"{text.removeprefix("W/").strip(chr(34))}"' if text else None


def sha256_of(text: str | None) -> str | None:
    """The SHA-256 that a tag or an object id is; None: it is something else, such as Git's own SHA-1."""
    bare = (text or "").strip('"').removeprefix("sha256:")
    return bare if _SHA256.fullmatch(bare) else None


def _text(reply: Response) -> str:
    """The hub's own words on a failure."""
    told = reply.header("x-error-message")
    if told is None:
        try:
            body = json.loads(reply.body)
        except (ValueError, RecursionError):
            return ""
        told = body.get("error") if isinstance(body, dict) else None
    return told[:_LONGEST_TEXT] if isinstance(told, str) else ""


def error(reply: Response, location: Location, key: str | None, *, signed_in: bool) -> StorageError:
    """The failure that a reply of the hub tells of.

    Args:
        reply: Its status is not the one of success.
        location: The repository that was asked about.
        key: The file; None: the repository as a whole.
        signed_in: Whether a token was sent.
    """
    status, text = reply.status, _text(reply)
    code = reply.header("x-error-code")
    kind = location.kind.removesuffix("s")
    where = f"the {kind} repository {location.root!r}"
    missing: tuple[str, str, str | None] | None = None
    match code:
        case "GatedRepo":
            hint = f"ask for access on its page, and sign in: {_SIGN_IN}"
            return AccessDenied(f"{where} is gated", hint=hint, status=status, code=code)
        case "RevisionNotFound":
            revision = location.revision or "main"
            way_out = "%2F for a slash in its name, as in hf://owner/name@feature%2Fx" if location.revision else None
            missing = revision, f"{where} has no revision {revision!r}", way_out
        case "EntryNotFound":
            missing = key or location.root, f"there is no file {key!r} in {where}", None
        case "RepoNotFound":
            missing = _no_repository(location, where, signed_in=signed_in)
        # The hub answers 401 without a code where it does not want to say whether a repository exists.
        case None if status == 401 and not signed_in:
            missing = _no_repository(location, where, signed_in=signed_in)
        case None if status == 404 and key is not None:
            missing = key, f"there is no file {key!r} in {where}", None
        case None if status == 404:
            missing = _no_repository(location, where, signed_in=signed_in)
    if missing is not None:
        path, cause, way_out = missing
        return ModelMissingError(path, cause=cause, hint=way_out, status=status, code=code)
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
            f"there is no {where[4:]}, or the token does not allow to see it",
            "check its name and kind",
        )
    hint = f"check its name and kind; for a private one, sign in: {_SIGN_IN}"
    return location.root, f"there is no {where[4:]}, or it is private", hint


def refused(reply: Response, key: str) -> StorageError:
    """The failure of the place where the hub keeps large files; its words may quote the signed address."""
    status = reply.status
    if status in {401, 403}:
        return AccessDenied(f"the hub's storage refused {key!r} at the address that the hub gave", status=status)
    if status in {404, 410}:
        return ModelMissingError(key, cause=f"the hub's storage does not have {key!r}", status=status)
    if status == 416:
        return ObjectChanged(f"{key!r} has another size than the hub says", status=status)
    return _service_error(reply, "the hub's storage", "", None)


def _service_error(reply: Response, who: str, text: str, code: str | None) -> ServiceError:
    status = reply.status
    return ServiceError(
        _with(f"{who} answered {status}", text),
        status=status,
        code=code,
        retryable=status in {408, 429} or status >= 500,
        retry_after=_retry_after(reply),
    )


def _with(cause: str, text: str) -> str:
    return f"{cause}: {text}" if text else cause


def _retry_after(reply: Response) -> float | None:
    """Seconds to wait: Retry-After, or the time to the end of the window that RateLimit tells of.

    https://huggingface.co/docs/hub/rate-limits
    """
    if reply.retry_after is not None:
        return reply.retry_after
    reset = _RESET.search(reply.header("ratelimit") or "") if reply.status == 429 else None
    return float(reset[1]) if reset else None
