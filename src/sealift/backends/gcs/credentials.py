"""Who asks: Google's credentials, looked for in the order of its own libraries.

gcloud-aio-auth knows how each kind of them is exchanged for a token. Its requests go over the wire instead of a client
of its own: that one neither knows the proxies of an instance, nor says what went wrong, and tries for seconds. Only the
metadata service, which is asked for a token and no more, does not need it.
Source: https://cloud.google.com/docs/authentication/application-default-credentials
"""

import hashlib
import io
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio

from ...config import GCSConfig, expand_home
from ...errors import AccessDenied, InvalidConfig, StorageError, TransportError
from ...instance import Instance
from .access_token import Grant
from .metadata import Metadata
from .token_requests import Session

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


async def find(config: GCSConfig, instance: Instance) -> Credentials | None:
    """The credentials to send requests with; None: requests are anonymous.

    An instance keeps them, and signs in again only if the environment or the content of the credentials' file changes.

    Args:
        config: What the caller gave.
        instance: Of the instance.

    Raises:
        InvalidConfig: The credentials' file cannot be used.
    """
    if config.anonymous:
        return None
    environ = instance.environ
    path, content = await instance.disk.run(lambda: _file(config, environ))
    key = ("gs", config, tuple(environ.get(name) for name in _VARIABLES), path, _fingerprint(content, environ))
    kept: Credentials | None = instance.credentials.get(key)
    if kept is None:
        ask = Metadata(instance).token if path is None else _Source(path, content, instance)
        kept = instance.credentials[key] = Credentials(ask)
    return kept


class _Source:
    """Exchanges the credentials in a file for tokens."""

    def __init__(self, path: str, content: dict[str, Any], instance: Instance) -> None:
        self._path = path
        self._content = content
        self._instance = instance
        self._token: Any = None

    async def __call__(self) -> Grant:
        if self._token is None:
            token = await self._instance.disk.run(lambda: _load(self._path, self._content))
            token.session = Session(self._instance)
            self._token = token
        return await _exchange(self._token, self._path)


def _file(config: GCSConfig, environ: Mapping[str, str]) -> tuple[str | None, dict[str, Any]]:
    """Blocking: the path of the credentials' file, and its content; None: there is no file."""
    if named := config.service_account_key or environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        path = expand_home(named, environ) or named
    else:
        directory = expand_home(environ.get("CLOUDSDK_CONFIG") or "~/.config/gcloud", environ)
        path = os.path.join(directory, "application_default_credentials.json")
        if not directory or not os.path.exists(path):
            return None, {}
    told = _read(path)
    if isinstance(told, str):
        raise InvalidConfig(f"the credentials in {path} cannot be used: {told}")
    return path, told


def _fingerprint(content: dict[str, Any], environ: Mapping[str, str]) -> str:
    """A hash of the credentials in a file, with the value of the variable that they may refer to."""
    source = content.get("credential_source")
    name = source.get("environment_id") if isinstance(source, dict) else None
    value = environ.get(name) if isinstance(name, str) else None
    return hashlib.sha256(json.dumps([content, value], sort_keys=True).encode()).hexdigest()


def _load(path: str, content: dict[str, Any]) -> Any:
    """Blocking: import the SDK."""
    told, source = dict(content), content.get("credential_source")
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
