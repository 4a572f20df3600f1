"""Sessions of directory buckets (S3 Express One Zone).

Requests to a directory bucket are signed with the credentials of a session, which lasts five minutes. CreateSession
itself, and operations that read from a second bucket, are signed with the caller's own (IAM) credentials.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateSession.html
"""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import anyio

from ...errors import AccessDenied, ServiceError, StorageError
from ...frozen_dataclass import dataclass
from ...wire import Request, Response
from ...wire.lenient_xml import parse_xml
from . import errors
from .signature import Credentials

__all__ = ["ExpressSession", "rejected_token", "session_error"]

_TOKEN_HEADER = "x-amz-s3session-token"  # noqa: S105 - the name of a header
# Seconds before expiry at which a new session is created; half the lifetime, if that is shorter.
_RENEW_BEFORE = 60.0


@dataclass(frozen=True, slots=True)
class _CurrentSession:
    credentials: Credentials
    renew_at: float
    created_with: Credentials


class ExpressSession:
    """The session of one directory bucket, shared by all requests of an instance.

    Args:
        now: A monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._creating = anyio.Lock()
        self._current: _CurrentSession | None = None

    async def credentials(self, iam: Credentials, create: Callable[[], Awaitable[Response]]) -> Credentials:
        """Return the session's credentials; create a new session before they expire.

        Args:
            iam: The caller's own credentials. A session created with other credentials is not used.
            create: Sends CreateSession and returns its successful reply. Concurrent requests share one call.

        Raises:
            StorageError: The session could not be created.
        """
        current = self._usable(iam)
        if current is None:
            async with self._creating:
                current = self._usable(iam)
                if current is None:
                    current = self._current = _CurrentSession(*_parse(await create(), self._now()), iam)
        return current.credentials

    def discard(self, token: str) -> None:
        """Forget the session with this token, which the service no longer accepts. A newer session is kept."""
        if self._current is not None and self._current.credentials.token == token:
            self._current = None

    def _usable(self, iam: Credentials) -> _CurrentSession | None:
        current = self._current
        if current is None or current.created_with != iam or self._now() >= current.renew_at:
            return None
        return current


def rejected_token(reply: Response, request: Request) -> str | None:
    """The session token of a request, if the service no longer accepts it."""
    # The reply to a HEAD has no body with a reason. A valid session allows almost everything, so 403 most often means
    # that the session is no longer valid.
    if not errors.credentials_expired(reply) and (reply.status != 403 or reply.body):
        return None
    return next((value for name, value in request.headers if name == _TOKEN_HEADER), None)


def session_error(error: StorageError, reply: Response, bucket: str) -> StorageError:
    """The error of a failed CreateSession; if access was denied, it names the missing permission."""
    if isinstance(error, AccessDenied) and error.code in {None, "AccessDenied"}:
        error.cause = f"no permission to create a session on the directory bucket {bucket!r}"
        error.cause += errors.explanation(reply)
        error.hint = "allow the action s3express:CreateSession on it"
    return error


def _parse(reply: Response, now: float) -> tuple[Credentials, float]:
    """The session's credentials, and the time to renew them."""
    try:
        root = parse_xml(reply.body)
        fields = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
        expires = datetime.fromisoformat(fields["Expiration"]).astimezone(UTC)
        keys = fields["AccessKeyId"], fields["SecretAccessKey"], fields["SessionToken"]
    except (ET.ParseError, KeyError, ValueError):
        raise _no_credentials(reply) from None  # the parser's message might quote a secret
    if not all(keys):
        raise _no_credentials(reply)
    # Relative to the service's clock, so that a wrong clock on this machine does not matter.
    lifetime = (expires - (reply.time("date") or datetime.now(UTC))).total_seconds()
    return Credentials(*keys, token_header=_TOKEN_HEADER), now + lifetime - min(_RENEW_BEFORE, lifetime / 2)


def _no_credentials(reply: Response) -> ServiceError:
    return ServiceError("the reply to CreateSession contains no credentials", status=reply.status, retryable=True)
