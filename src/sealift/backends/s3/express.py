"""Sessions of directory buckets (S3 Express One Zone).

Requests to a directory bucket are signed with the credentials of a session, which lasts five minutes. CreateSession,
and the operations that read a second bucket, are signed with the caller's own (IAM) credentials.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateSession.html
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import anyio

from ...errors import AccessDenied, ServiceError, StorageError
from ...wire import Request, Response
from . import replies
from .signature import Credentials

__all__ = ["Session", "refused", "rejected"]

_TOKEN = "x-amz-s3session-token"  # noqa: S105 - the name of a header
# Seconds before a session expires at which the next one is requested, if it lasts twice as long.
_EARLY = 60.0


@dataclass(frozen=True, slots=True)
class _Current:
    credentials: Credentials
    renew_at: float
    created_with: Credentials


class Session:
    """The session of one directory bucket, shared by all requests of an instance.

    Args:
        now: A clock that only goes forward, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._creating = anyio.Lock()
        self._current: _Current | None = None

    async def credentials(self, iam: Credentials, create: Callable[[], Awaitable[Response]]) -> Credentials:
        """Return credentials that do not expire soon.

        Args:
            iam: The caller's own credentials. A session that others have created is not used.
            create: Sends CreateSession; returns its successful reply. One call serves all requests that wait.

        Raises:
            StorageError: The session could not be created.
        """
        current = self._usable(iam)
        if current is None:
            async with self._creating:
                current = self._usable(iam)
                if current is None:
                    current = self._current = _Current(*_read(await create(), self._now()), iam)
        return current.credentials

    def discard(self, token: str) -> None:
        """Forget the session with this token, which the service no longer accepts; a newer one stays."""
        if self._current is not None and self._current.credentials.token == token:
            self._current = None

    def _usable(self, iam: Credentials) -> _Current | None:
        current = self._current
        if current is None or current.created_with != iam or self._now() >= current.renew_at:
            return None
        return current


def rejected(reply: Response, request: Request) -> str | None:
    """The token of the session that a request was signed with, if the service no longer accepts it."""
    # The reply to a HEAD has no body that could give a reason. A session that is valid may do almost anything, so that
    # "403" most often means that it is not.
    if not replies.credentials_ended(reply) and (reply.status != 403 or reply.body):
        return None
    return next((value for name, value in request.headers if name == _TOKEN), None)


def refused(error: StorageError, bucket: str) -> StorageError:
    """The failure of CreateSession, in words that name the permission."""
    if not isinstance(error, AccessDenied) or error.code not in {None, "AccessDenied"}:
        return error
    return AccessDenied(
        f"no permission to create a session on the directory bucket {bucket!r}",
        hint="allow the action s3express:CreateSession on it",
        status=error.status,
        code=error.code,
    )


def _read(reply: Response, now: float) -> tuple[Credentials, float]:
    """The session's credentials, and when to renew them."""
    try:
        root = ET.fromstring(reply.body.strip())  # noqa: S314 - expat bounds entity expansion since 2.4.1
        told = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
        expires = datetime.fromisoformat(told["Expiration"]).astimezone(UTC)
        fields = told["AccessKeyId"], told["SecretAccessKey"], told["SessionToken"]
    except (ET.ParseError, KeyError, ValueError):
        raise _unreadable(reply) from None  # a message of the parser's might quote a secret
    if not all(fields):
        raise _unreadable(reply)
    # By the service's clock, so that a wrong clock here does not matter.
    lifetime = (expires - (reply.time("date") or datetime.now(UTC))).total_seconds()
    return Credentials(*fields, token_header=_TOKEN), now + lifetime - min(_EARLY, lifetime / 2)


def _unreadable(reply: Response) -> ServiceError:
    return ServiceError("the reply to CreateSession holds no credentials", status=reply.status, retryable=True)
