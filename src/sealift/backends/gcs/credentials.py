"""Find Google credentials, in the order of Google's own libraries, and exchange them for access tokens.

gcloud-aio-auth implements the exchange for each kind of credentials. Its requests go over sealift's HTTP client
(`token_session`), because its own client ignores the instance's proxies, hides the cause of a failure, and retries for
seconds. Tokens from the metadata server need a single request, without gcloud-aio-auth (`metadata_server`).
Source: https://cloud.google.com/docs/authentication/application-default-credentials
"""

import asyncio
import hashlib
import io
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ...config import GCSConfig, expand_home
from ...errors import AccessDenied, InvalidConfig, StorageError, TransportError
from ...instance import Instance
from ...wire import TLS
from .access_token import AccessToken
from .external_account import adapt_source
from .metadata_server import MetadataServer
from .token_session import TokenSession

__all__ = ["Credentials", "credentials_file", "resolve_credentials"]

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
# Seconds to wait for a reply of a token service.
_TIMEOUT = 10.0
# Seconds before expiry at which a token is renewed. Until about then, the metadata server returns the same token.
_RENEW_BEFORE = 225.0
# Variables that select the credentials; `MetadataServer` reads some of them.
_CREDENTIAL_VARIABLES = (
    "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "HOME", "NO_GCE_CHECK", "GCE_METADATA_HOST",
    "GCE_METADATA_ROOT", "KUBERNETES_SERVICE_HOST",
)  # fmt: skip


class Credentials:
    """A cached access token that is renewed before it expires.

    Args:
        request_token: Requests a new token.
        now: A monotonic clock, in seconds.
    """

    def __init__(
        self, request_token: Callable[[], Awaitable[AccessToken]], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._request_token = request_token
        self._now = now
        self._token: str | None = None
        self._renew_at = 0.0
        self._requesting = asyncio.Lock()

    async def bearer(self) -> str:
        """The value of a token that does not expire soon.

        Raises:
            AccessDenied: There are no credentials, or they were rejected.
            InvalidConfig: The credentials file is not valid.
        """
        if self._token is not None and self._now() < self._renew_at:
            return self._token
        async with self._requesting:
            if self._token is None or self._now() >= self._renew_at:
                token = await self._request_token()
                self._renew_at = self._now() + max(token.lifetime - _RENEW_BEFORE, token.lifetime / 2)
                self._token = token.value
            return self._token

    def discard(self, token: str) -> None:
        """Forget a token that the service rejected."""
        if token == self._token:
            self._renew_at = 0.0


async def resolve_credentials(config: GCSConfig, instance: Instance) -> Credentials | None:
    """Resolve the credentials of requests; None: requests are anonymous.

    The instance caches them until the environment or the content of the credentials file changes.

    Args:
        config: The caller's configuration.
        instance: Provides the environment and the cache.

    Raises:
        InvalidConfig: The credentials file is not valid.
    """
    if config.anonymous:
        return None
    environ = instance.environ
    path, content = await instance.disk.run(lambda: credentials_file(config, environ))
    key = (
        "gs",
        config,
        tuple(environ.get(name) for name in _CREDENTIAL_VARIABLES),
        path,
        _fingerprint(content, environ),
    )
    cached: Credentials | None = instance.credentials.get(key)
    if cached is None:
        request = MetadataServer(instance).token if path is None else _FileTokens(path, content, config, instance)
        cached = instance.credentials[key] = Credentials(request)
    return cached


class _FileTokens:
    """Exchanges the credentials in a file for access tokens."""

    def __init__(self, path: str, content: dict[str, Any], config: GCSConfig, instance: Instance) -> None:
        self._path = path
        self._tls = TLS.of(config.verify)
        self._content = content
        self._instance = instance
        self._sdk_token: Any = None

    async def __call__(self) -> AccessToken:
        if self._sdk_token is None:
            sdk_token = await self._instance.disk.run(lambda: _create_sdk_token(self._path, self._content))
            sdk_token.session = TokenSession(self._instance, self._tls)
            self._sdk_token = sdk_token
        return await _exchange(self._sdk_token, self._path)


def credentials_file(config: GCSConfig, environ: Mapping[str, str]) -> tuple[str | None, dict[str, Any]]:
    """Read the credentials file; returns its path and content, or None and {} if there is no file. Blocking."""
    if named := config.service_account_key or environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        path = expand_home(named, environ) or named
    else:
        directory = expand_home(environ.get("CLOUDSDK_CONFIG") or "~/.config/gcloud", environ)
        path = os.path.join(directory, "application_default_credentials.json")
        if not directory or not os.path.exists(path):
            return None, {}
    content = _read_json(path)
    if isinstance(content, str):
        raise InvalidConfig(f"the credentials in {path} cannot be used: {content}")
    return path, content


def _fingerprint(content: dict[str, Any], environ: Mapping[str, str]) -> str:
    """A hash of the credentials in a file, and of the environment variable that they may refer to."""
    source = content.get("credential_source")
    name = source.get("environment_id") if isinstance(source, dict) else None
    value = environ.get(name) if isinstance(name, str) else None
    return hashlib.sha256(json.dumps([content, value], sort_keys=True).encode()).hexdigest()


def _create_sdk_token(path: str, content: dict[str, Any]) -> Any:
    """Create the SDK's token object. Blocking: imports the SDK."""
    adapted, source = dict(content), content.get("credential_source")
    if isinstance(source, dict):
        adapted["credential_source"] = adapt_source(path, source)
    from gcloud.aio.auth import Token  # noqa: PLC0415 - 0.4 s

    try:
        return Token(service_file=io.StringIO(json.dumps(adapted)), scopes=[_SCOPE])
    except Exception as error:  # noqa: BLE001 - it also raises plain exceptions
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    raise InvalidConfig(f"the credentials in {path} cannot be used: {reason}")


def _read_json(path: str) -> dict[str, Any] | str:
    """The content of a file, or what is wrong with it. A parser's exception would contain the private key."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except OSError as error:
        return error.strerror or type(error).__name__
    except ValueError:
        return "the file is not JSON"
    return content if isinstance(content, dict) and content else "the file is not a JSON object"


async def _exchange(sdk_token: Any, path: str) -> AccessToken:
    try:
        async with asyncio.timeout(_TIMEOUT):
            reply = await sdk_token.refresh(timeout=_TIMEOUT)
        return AccessToken(reply.value, float(reply.expires_in))
    except StorageError:
        raise
    except TimeoutError:
        cause = f"the token service did not answer within {_TIMEOUT:.0f} s"
        raise TransportError(cause, retryable=True, host="the token service of Google") from None
    except Exception as error:  # noqa: BLE001 - many types, for fields that the file or the reply lacks
        reason = f"{error} is missing" if isinstance(error, KeyError) else type(error).__name__
    raise AccessDenied(f"the credentials in {path} cannot be used: {reason}", hint="check the file")
