"""Who asks: Google's credentials, looked for in the order of its own libraries.

gcloud-aio-auth knows how each kind of them is exchanged for a token. Its requests go over the wire instead of a client
of its own: that one neither knows the proxies of an instance, nor says what went wrong, and tries for seconds. Only the
metadata service, which is asked for a token and no more, does not need it.
Source: https://cloud.google.com/docs/authentication/application-default-credentials
"""

import io
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import anyio

from ...config import GCSConfig, expand_home
from ...errors import AccessDenied, InvalidConfig, StorageError, TransportError
from ...resources import Resources
from .grant import Grant
from .metadata import Metadata
from .session import Session

__all__ = ["Credentials", "find"]

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
# Seconds that a token service may take.
_PATIENCE = 10.0
# Seconds before its end at which a token is replaced: metadata services give the same one until about then.
_MARGIN = 225.0
# Variables that decide who signs in; `Metadata` reads some of them.
_VARIABLES = (
    "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "HOME", "NO_GCE_CHECK", "GCE_METADATA_HOST",
    "GCE_METADATA_ROOT", "KUBERNETES_SERVICE_HOST",
)  # fmt: skip


class Credentials:
    """A bearer token, always a fresh one.

    Args:
        ask: For another one.
        now: Seconds on a clock.
    """

    def __init__(self, ask: Callable[[], Awaitable[Grant]], now: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._now = now
        self._token: str | None = None
        self._until = 0.0
        self._asking = anyio.Lock()

    async def bearer(self) -> str:
        """The token.

        Raises:
            AccessDenied: There are no credentials, or they are refused.
            InvalidConfig: The file that is named cannot be used.
        """
        if self._token is not None and self._now() < self._until:
            return self._token
        async with self._asking:
            if self._token is None or self._now() >= self._until:
                grant = await self._ask()
                self._until = self._now() + max(grant.seconds - _MARGIN, grant.seconds / 2)
                self._token = grant.token
            return self._token

    def refused(self, token: str) -> None:
        """The service has not taken this token: the next one is another."""
        if token == self._token:
            self._until = 0.0


def find(config: GCSConfig, resources: Resources) -> Credentials | None:
    """Who asks; None: nobody in particular.

    Args:
        config: What the caller gave.
        resources: Of the instance; they keep the credentials, so that it signs in but once.
    """
    if config.anonymous:
        return None
    key = ("gs", config, tuple(resources.environ.get(name) for name in _VARIABLES))
    kept: Credentials | None = resources.credentials.get(key)
    if kept is None:
        kept = resources.credentials[key] = Credentials(_Source(config, resources))
    return kept


class _Source:
    """Asks for tokens, once it has found out whom to ask."""

    def __init__(self, config: GCSConfig, resources: Resources) -> None:
        self._config = config
        self._resources = resources
        self._ask: Callable[[], Awaitable[Grant]] | None = None

    async def __call__(self) -> Grant:
        if self._ask is None:
            self._ask = await self._find()
        return await self._ask()

    async def _find(self) -> Callable[[], Awaitable[Grant]]:
        resources = self._resources
        path = await resources.disk.run(lambda: _file(self._config, resources.environ))
        if path is None:
            return Metadata(resources).token
        token = await resources.disk.run(lambda: _load(path))
        token.session = Session(resources)
        return partial(_exchange, token, path)


def _file(config: GCSConfig, environ: Mapping[str, str]) -> str | None:
    """Blocking: where the credentials are; None: in no file."""
    if named := config.service_account_key or environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return expand_home(named, environ) or named
    directory = expand_home(environ.get("CLOUDSDK_CONFIG") or "~/.config/gcloud", environ)
    path = os.path.join(directory, "application_default_credentials.json")
    return path if directory and os.path.exists(path) else None


def _load(path: str) -> Any:
    """Blocking: read the file, and import the SDK."""
    told = _read(path)
    if isinstance(told, str):
        raise InvalidConfig(f"the credentials in {path} cannot be used: {told}")
    source = told.get("credential_source")
    if isinstance(source, dict) and isinstance(source.get("file"), str):
        # The SDK would read it in the loop; for the session it is one more address.
        told["credential_source"] = {**source, "type": "url", "url": f"file:{source['file']}"}
    elif isinstance(source, dict) and source.get("type") == "environment":
        # In the SDK it would be a variable of this process.
        told["credential_source"] = {"type": "url", "url": f"environ:{source.get('environment_id')}"}
    from gcloud.aio.auth import Token  # noqa: PLC0415 - 0.4 s

    try:
        return Token(service_file=io.StringIO(json.dumps(told)), scopes=[_SCOPE])
    except Exception as error:  # noqa: BLE001 - it raises plain ones too
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    raise InvalidConfig(f"the credentials in {path} cannot be used: {reason}")


def _read(path: str) -> dict[str, Any] | str:
    """The file's content, or what is wrong with it; an error of the parser would hold the key."""
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
    except OSError as error:
        return error.strerror or type(error).__name__
    except ValueError:
        return "this is not JSON"
    return told if isinstance(told, dict) and told else "this is no JSON object"


async def _exchange(token: Any, path: str) -> Grant:
    try:
        with anyio.fail_after(_PATIENCE):
            told = await token.refresh(timeout=_PATIENCE)
        return Grant(told.value, float(told.expires_in))
    except StorageError:
        raise
    except TimeoutError:
        raise TransportError("the token service does not answer", retryable=True) from None
    except Exception as error:  # noqa: BLE001 - whatever the file or the reply lacks
        reason = f"{error} is missing" if isinstance(error, KeyError) else type(error).__name__
    raise AccessDenied(f"the credentials in {path} cannot be used: {reason}", hint="check the file")
