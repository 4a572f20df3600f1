"""What gcloud-aio-auth sends its requests with."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import aiofiles

from ...errors import AccessDenied, ServiceError, StorageError
from ...instance import Instance
from ...wire import Origin, Request, Response
from . import replies

__all__ = ["Session"]


class Session:
    """Those methods of `gcloud.aio.auth.AioSession` that `Token` calls, over the wire.

    Args:
        instance: Of the instance.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    async def post(self, url: str, *, data: str, headers: Mapping[str, str], timeout: float) -> "_Told":
        sent = {"content-type": "application/json"} | {name.lower(): value for name, value in headers.items()}
        return await self._ask("POST", url, sent, memoryview(data.encode()))

    async def get(self, url: str, *, headers: Mapping[str, str], timeout: float) -> "_Told":
        if url.startswith("file:"):
            return _Told(await _read(url.removeprefix("file:")))
        if url.startswith("environ:"):
            return _Told(self._instance.environ.get(url.removeprefix("environ:"), "").encode())
        return await self._ask("GET", url, {name.lower(): value for name, value in headers.items()}, None)

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: memoryview | None) -> "_Told":
        split = urlsplit(url)
        target = (split.path or "/") + (f"?{split.query}" if split.query else "")
        request = Request(method, Origin.of(url), target, list(headers.items()))
        reply = await self._instance.wire.send(request, body)
        if reply.status != 200:
            raise _refusal(request.origin, reply)
        return _Told(reply.body)


class _Told:
    """Those methods of aiohttp's reply that `Token` calls."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def text(self) -> str:
        return self._body.decode(errors="replace").strip()

    async def json(self) -> dict[str, Any]:
        told = None
        with suppress(ValueError, RecursionError):  # the error would hold the body
            told = json.loads(self._body)
        if not isinstance(told, dict):
            raise AccessDenied("a token was asked for, and the reply is not JSON", hint="check the credentials' file")
        return told


async def _read(path: str) -> bytes:
    try:
        async with aiofiles.open(path, "rb") as file:
            return await file.read()
    except OSError as error:
        raise AccessDenied(f"the token in {path} cannot be read: {error.strerror}") from None


def _refusal(origin: Origin, reply: Response) -> StorageError:
    code, message = replies.failure(reply)
    cause = ": ".join(part for part in (f"{origin.host} gives no token", str(reply.status), code, message) if part)
    if reply.status >= 500 or reply.status in {408, 429}:
        return ServiceError(cause, status=reply.status, code=code, retryable=True, retry_after=reply.retry_after)
    return AccessDenied(cause, hint="check the credentials' file", status=reply.status, code=code)
