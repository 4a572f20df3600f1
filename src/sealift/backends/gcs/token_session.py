"""Send gcloud-aio-auth's requests over sealift's HTTP client."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ...errors import AccessDenied, ServiceError, StorageError
from ...instance import Instance
from ...wire import TLS, Origin, Request, Response
from ...wire.service_message import with_request_ids
from . import replies

__all__ = ["TokenSession"]

# Difference of two clocks, in seconds, from which on it may be the reason of a refusal.
_SKEW = 60


class TokenSession:
    """The methods of `gcloud.aio.auth.AioSession` that `Token` calls.

    Args:
        instance: Provides the HTTP client, the threads and the environment.
        tls: Connection security.
    """

    def __init__(self, instance: Instance, tls: TLS = TLS()) -> None:  # noqa: B008
        self._instance = instance
        self._tls = tls

    async def post(self, url: str, *, data: str, headers: Mapping[str, str], timeout: float) -> "_TokenReply":
        all_headers = {"content-type": "application/json"} | {name.lower(): value for name, value in headers.items()}
        return await self._send("POST", url, all_headers, memoryview(data.encode()))

    async def get(self, url: str, *, headers: Mapping[str, str], timeout: float) -> "_TokenReply":
        if url.startswith("file:"):
            return _TokenReply(await self._read(url.removeprefix("file:")))
        if url.startswith("environ:"):
            return _TokenReply(self._instance.environ.get(url.removeprefix("environ:"), "").encode())
        return await self._send("GET", url, {name.lower(): value for name, value in headers.items()}, None)

    async def _read(self, path: str) -> bytes:
        try:
            return await self._instance.disk.read_file(path)
        except OSError as error:
            raise AccessDenied(f"the token in {path} cannot be read: {error.strerror}") from None

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: memoryview | None) -> "_TokenReply":
        split = urlsplit(url)
        target = (split.path or "/") + (f"?{split.query}" if split.query else "")
        sent = {"user-agent": self._instance.user_agent} | dict(headers)
        request = Request(method, Origin.of(url), target, list(sent.items()), self._tls)
        reply = await self._instance.wire.send(request, body)
        if reply.status != 200:
            raise _request_error(request.origin, reply)
        return _TokenReply(reply.body)


class _TokenReply:
    """The methods of aiohttp's response that `Token` calls."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def text(self) -> str:
        return self._body.decode(errors="replace").strip()

    async def json(self) -> dict[str, Any]:
        content = None
        with suppress(ValueError, RecursionError):  # the exception would contain the body
            content = json.loads(self._body)
        if not isinstance(content, dict):
            raise AccessDenied("the reply of the token service is not JSON", hint="check the credentials file")
        return content


def _request_error(origin: Origin, reply: Response) -> StorageError:
    code, message = replies.error_details(reply)
    cause = ": ".join(
        part for part in (f"{origin.host} did not issue a token", str(reply.status), code, message) if part
    )
    if reply.is_transient:
        error: StorageError = ServiceError(
            cause,
            status=reply.status,
            code=code,
            retryable=True,
            retry_after=reply.retry_after,
            throttled=reply.asks_for_less,
            host=reply.host,
        )
    else:
        error = AccessDenied(cause, hint=_hint(reply, message), status=reply.status, code=code)
    return with_request_ids(error, reply)


def _hint(reply: Response, message: str) -> str:
    """How to fix a refusal. Credentials are signed with this machine's time, which the service compares with its."""
    date = reply.time("date")
    seconds = 0.0 if date is None else (datetime.now(UTC) - date).total_seconds()
    if abs(seconds) < _SKEW or not any(word in message.lower() for word in ("jwt", "assertion", "iat", "exp")):
        return "check the credentials file"
    return f"set this machine's clock: it is {abs(seconds) / 60:,.0f} minutes {'ahead' if seconds > 0 else 'behind'}"
