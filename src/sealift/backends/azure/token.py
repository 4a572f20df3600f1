"""Tokens of identities, as azure-identity gets them: service principals, workload, managed identities, `az login`."""

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

from ...config import Proxies
from ...errors import AccessDenied, InvalidConfig, StorageError, TransportError
from ...instance import Instance
from ...wire import Origin, proxy_for
from .account import Account, Identity

__all__ = ["Token", "surroundings"]

# Of all clouds: https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
_SCOPE = "https://storage.azure.com/.default"
_AUTHORITIES = {
    "chinacloudapi.cn": "https://login.chinacloudapi.cn",
    "usgovcloudapi.net": "https://login.microsoftonline.us",
}
_PUBLIC_AUTHORITY = "https://login.microsoftonline.com"
# Seconds before its end at which a token is renewed; the SDK renews none before that.
_EARLY = 300
# Answers that a moment later may be others; 404 and 410 are those of a metadata service that starts:
# https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#retry-guidance
_TRANSIENT = {404, 408, 410, 429}
# What the SDK's managed identities, and `az`, read from this process's environment, whatever they are given.
_MANAGED = (
    "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "MSI_ENDPOINT",
    "MSI_SECRET", "AZURE_POD_IDENTITY_AUTHORITY_HOST", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID",
    "AZURE_AUTHORITY_HOST",
)  # fmt: skip
_AZ = ("AZURE_CONFIG_DIR", "HOME", "PATH")


def surroundings(environ: Mapping[str, str]) -> tuple[str | None, ...]:
    """What decides whose token is given, beside the account's own settings."""
    return tuple(environ.get(name) for name in (*_MANAGED, *_AZ))


class Token:
    """A token that is asked for once and then kept until it must be renewed.

    Args:
        account: Its identity, and where it is.
        instance: Of the instance; they keep the SDK's credentials.
    """

    def __init__(self, account: Account, instance: Instance) -> None:
        self._account = account
        self._instance = instance
        self._token = ""
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def __call__(self) -> str:
        """The token to send.

        Raises:
            AccessDenied: Nobody gives one.
            TransportError: Who gives them could not be reached, or is busy; retryable.
        """
        if time.time() >= self._until - _EARLY:
            async with self._asking:
                if time.time() >= self._until - _EARLY:
                    await self._renew()
        return self._token

    async def _renew(self) -> None:
        key = ("azure", self._account, surroundings(self._instance.environ))
        credentials = await self._instance.client(key, self._open)
        try:
            given = await _first(credentials)
        except StorageError as error:
            if error.retryable and time.time() < self._until:
                return  # this one still holds
            raise
        self._token, self._until = given.token, float(given.expires_on)

    async def _open(self) -> "_Credentials":
        identity, endpoint, verify = self._account.identity, self._account.endpoint, self._account.verify
        assert identity is not None  # noqa: S101 - else there is no token to ask for
        # In a thread: the SDK's import takes 0.3 s.
        environ = self._instance.environ
        return _Credentials(await self._instance.disk.run(lambda: _credentials(identity, endpoint, verify, environ)))


class _Credentials:
    """The SDK's credentials, open."""

    def __init__(self, credentials: list[Any]) -> None:
        self._credentials = credentials
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> list[Any]:
        for credential in self._credentials:
            self._stack.push_async_callback(credential.close)
        return self._credentials

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()


def _credentials(identity: Identity, endpoint: str, verify: bool | str, environ: Mapping[str, str]) -> list[Any]:
    """Blocking: those that are tried, in this order.

    Raises:
        AccessDenied: None is left that would sign in as the given environment says, and not as this process's.
    """
    from azure.core.pipeline.transport import AioHttpTransport  # noqa: F401, PLC0415 - loaded here, not in the loop
    from azure.identity.aio import (  # noqa: PLC0415 - 0.3 s
        AzureCliCredential,
        ClientSecretCredential,
        ManagedIdentityCredential,
        WorkloadIdentityCredential,
    )

    trusted = environ.get("SSL_CERT_FILE") or True if verify is True else verify
    # The last one: no proxies of this process's environment.
    options: dict[str, Any] = {
        "retry_total": 0, "retry_status": 0, "connection_verify": trusted, "use_env_settings": False,
    }  # fmt: skip
    authority = identity.authority or _authority(endpoint)
    origin = Origin.of(authority if "://" in authority else f"https://{authority}")
    through = {"proxies": {"https": proxy} if (proxy := proxy_for(origin, Proxies.from_env(environ))) else None}
    tenant, client = identity.tenant_id, identity.client_id
    try:
        if identity.client_secret and tenant and client:
            return [
                ClientSecretCredential(
                    tenant, client, identity.client_secret, authority=authority, **options, **through
                )
            ]
        if identity.token_file and tenant and client:
            file = identity.token_file
            return [
                WorkloadIdentityCredential(
                    tenant_id=tenant, client_id=client, token_file_path=file, authority=authority, **options, **through
                )
            ]
        found: list[Any] = []
        if not (foreign := _foreign(environ, _MANAGED)):
            # A metadata service answers within a second, or there is none.
            found.append(ManagedIdentityCredential(client_id=client, connection_timeout=1, **options))
        if not _foreign(environ, _AZ):
            found.append(AzureCliCredential(tenant_id=tenant or ""))
    except ValueError as error:
        raise InvalidConfig(f"the SDK refuses this identity: {error}") from None
    if not found:
        raise AccessDenied(
            "no credentials for Azure were found: the SDK would look for a managed identity and az in the environment "
            f"of this process, and not in the one that was given ({', '.join(foreign)} differ)",
            hint="give a key, a SAS token, a service principal or a workload identity's token file",
        )
    return found


def _foreign(environ: Mapping[str, str], names: tuple[str, ...]) -> list[str]:
    """Those of some variables that are not the same in this process, where the SDK reads them."""
    return [name for name in names if (environ.get(name) or None) != (os.environ.get(name) or None)]


def _authority(endpoint: str) -> str:
    host = urlsplit(endpoint).hostname or ""
    return next((url for suffix, url in _AUTHORITIES.items() if host.endswith(f".{suffix}")), _PUBLIC_AUTHORITY)


async def _first(credentials: list[Any]) -> Any:
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - loaded by now
    from azure.identity import CredentialUnavailableError  # noqa: PLC0415

    for credential in credentials:
        try:
            return await credential.get_token_info(_SCOPE)
        except CredentialUnavailableError as error:
            unavailable = error
        except OSError as error:  # the file of a workload identity's token
            raise AccessDenied(f"the identity's token file cannot be read: {error.strerror}") from None
        except AzureError as error:
            raise _refused(error) from None
    raise AccessDenied(
        "no credentials for Azure were found",
        hint="set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_CLIENT_ID … , run az login, pass AzureConfig(…), "
        f"or AzureConfig(anonymous=True); the last answer was: {_line(unavailable)}",
    )


def _refused(error: Exception) -> StorageError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is None and type(error).__name__.startswith(("ServiceRe", "IncompleteRead")):  # no reply, or half of one
        return TransportError(f"no token for Azure: {_line(error)}", retryable=True)
    if status is not None and (status in _TRANSIENT or status >= 500):
        return TransportError(f"no token for Azure: the service that gives them answered {status}", retryable=True)
    return AccessDenied(
        f"no token for Azure: {_line(error)}", hint="check the identity and its federation", status=status
    )


def _line(error: Exception) -> str:
    """The first line of what the SDK says; the others are trace ids and links."""
    return str(error).strip().partition("\n")[0].strip()
