"""Tokens from azure-identity: service principals, workload identities, managed identities, `az login`."""

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
from ...runtime.cloud_machine import cloud_of_machine
from ...runtime.sdk_logging import filter_loggers, suppress_logs
from ...wire import Origin, proxy_for
from ...wire.message import Response
from ...wire.service_message import service_message
from ...wire.tls import ca_paths
from .account import Account, Identity

__all__ = ["CachedToken", "identity_environment"]

# The same in all clouds: https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
_SCOPE = "https://storage.azure.com/.default"
_AUTHORITIES = {
    "chinacloudapi.cn": "https://login.chinacloudapi.cn",
    "usgovcloudapi.net": "https://login.microsoftonline.us",
}
_PUBLIC_AUTHORITY = "https://login.microsoftonline.com"
# Seconds before its expiry at which a token is renewed; the SDK does not renew one earlier.
_EARLY = 300
_HOST = "the token service of Azure"  # there are several, and the SDK chooses
_NO_RESPONSE = "no response from the IMDS endpoint"
# Transient statuses; 404 and 410 come from a metadata service that is starting:
# https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#retry-guidance
_TRANSIENT = {404, 408, 410, 429}
# Variables that the SDK's managed identities, and `az`, always read from the process environment.
_MANAGED = (
    "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "MSI_ENDPOINT",
    "MSI_SECRET", "AZURE_POD_IDENTITY_AUTHORITY_HOST", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID",
    "AZURE_AUTHORITY_HOST",
)  # fmt: skip
_AZ = ("AZURE_CONFIG_DIR", "HOME", "PATH")


# They write warnings about failures that sealift reports itself.
filter_loggers(
    "azure.identity.aio._internal.decorators", "azure.identity.aio._internal.get_token_mixin",
    "azure.identity.aio._credentials.managed_identity", "azure.identity.aio._credentials.azure_cli",
    "azure.identity._internal.decorators", "azure.identity._internal.get_token_mixin",
)  # fmt: skip


def identity_environment(environ: Mapping[str, str]) -> tuple[str | None, ...]:
    """Return the variables that select the identity, besides the account's settings."""
    return tuple(environ.get(name) for name in (*_MANAGED, *_AZ))


class CachedToken:
    """An identity's token, requested once and cached until it must be renewed.

    Args:
        account: The account, with its identity.
        instance: Caches the SDK's credentials.
    """

    def __init__(self, account: Account, instance: Instance) -> None:
        self._account = account
        self._instance = instance
        self._token = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def __call__(self) -> str:
        """Return a valid token.

        Raises:
            AccessDenied: No credential provides one.
            TransportError: The token service cannot be reached, or is busy; retryable.
        """
        if time.time() >= self._until - _EARLY:
            async with self._lock:
                if time.time() >= self._until - _EARLY:
                    await self._renew()
        return self._token

    async def _renew(self) -> None:
        key = ("azure", self._account, identity_environment(self._instance.environ))
        credentials = await self._instance.client(key, self._open)
        try:
            with suppress_logs():
                token = await _first_token(*credentials)
        except StorageError as error:
            if error.retryable and time.time() < self._until:
                return  # the current token is still valid
            raise
        self._token, self._until = token.token, float(token.expires_on)

    async def _open(self) -> "_Credentials":
        account = self._account
        identity, endpoint, verify_ssl = account.identity, account.endpoint, account.verify_ssl
        assert identity is not None  # noqa: S101 - a CachedToken is created for identities only
        # In a thread: importing the SDK takes 0.3 s.
        environ, agent, run = self._instance.environ, self._instance.user_agent, self._instance.disk.run
        credentials = await run(lambda: _credentials(identity, endpoint, verify_ssl, environ, agent))
        return _Credentials(credentials, on_azure=await run(cloud_of_machine) == "azure")


class _Credentials:
    """Context manager that closes the SDK's credentials."""

    def __init__(self, credentials: list[Any], *, on_azure: bool) -> None:
        self._credentials = credentials
        self._on_azure = on_azure
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> tuple[list[Any], bool]:
        for credential in self._credentials:
            self._stack.push_async_callback(credential.close)
        return self._credentials, self._on_azure

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()


def _credentials(
    identity: Identity, endpoint: str, verify_ssl: bool | str | os.PathLike[str], environ: Mapping[str, str], agent: str
) -> list[Any]:
    """Create the SDK credentials to try, in order; blocking.

    Raises:
        AccessDenied: All would read the environment of this process instead of `environ`.
    """
    from azure.core.pipeline.transport import AioHttpTransport  # noqa: F401, PLC0415 - imported in this thread, not in the event loop
    from azure.identity.aio import (  # noqa: PLC0415 - 0.3 s
        AzureCliCredential,
        ClientSecretCredential,
        ManagedIdentityCredential,
        WorkloadIdentityCredential,
    )

    trusted = ca_paths(environ)[0] or True if verify_ssl is True else verify_ssl
    # use_env_settings=False: no proxies from the environment of this process.
    options: dict[str, Any] = {
        "retry_total": 0, "retry_status": 0, "connection_verify": trusted, "use_env_settings": False,
        "user_agent": agent,
    }  # fmt: skip
    authority = identity.authority or _authority(endpoint)
    origin = Origin.of(authority if "://" in authority else f"https://{authority}")
    proxies = {"proxies": {"https": proxy} if (proxy := proxy_for(origin, Proxies.from_env(environ))) else None}
    tenant, client = identity.tenant_id, identity.client_id
    try:
        if identity.client_secret and tenant and client:
            return [
                ClientSecretCredential(
                    tenant, client, identity.client_secret, authority=authority, **options, **proxies
                )
            ]
        if identity.token_file and tenant and client:
            file = identity.token_file
            return [
                WorkloadIdentityCredential(
                    tenant_id=tenant,
                    client_id=client,
                    token_file_path=os.fspath(file),
                    authority=authority,
                    **options,
                    **proxies,
                )
            ]
        credentials: list[Any] = []
        if not (differing := _differing(environ, _MANAGED)):
            # A metadata service answers within a second if there is one.
            credentials.append(ManagedIdentityCredential(client_id=client, connection_timeout=1, **options))
        if not _differing(environ, _AZ):
            credentials.append(AzureCliCredential(tenant_id=tenant or ""))
    except ValueError as error:
        raise InvalidConfig(f"the SDK does not accept this identity: {error}") from None
    if not credentials:
        raise AccessDenied(
            "no credentials for Azure were found: the SDK looks for managed identities and az in the environment of "
            f"this process, which differs from the one passed to this instance ({', '.join(differing)})",
            hint="pass a key, a SAS token, a service principal or a workload identity's token file",
        )
    return credentials


def _differing(environ: Mapping[str, str], names: tuple[str, ...]) -> list[str]:
    """Return the variables whose values differ in the environment of this process, which the SDK reads."""
    return [name for name in names if (environ.get(name) or None) != (os.environ.get(name) or None)]


def _authority(endpoint: str) -> str:
    host = urlsplit(endpoint).hostname or ""
    return next((url for suffix, url in _AUTHORITIES.items() if host.endswith(f".{suffix}")), _PUBLIC_AUTHORITY)


async def _first_token(credentials: list[Any], on_azure: bool) -> Any:
    """Return the token of the first credential that has one.

    Args:
        credentials: The credentials.
        on_azure: Whether this machine is in Azure, so that there must be a metadata service.
    """
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - already imported
    from azure.identity import CredentialUnavailableError  # noqa: PLC0415

    for credential in credentials:
        try:
            return await credential.get_token_info(_SCOPE)
        except CredentialUnavailableError as error:
            unavailable = error
            if on_azure and _NO_RESPONSE in str(error):
                cause = "no token for Azure: the instance metadata service does not answer"
                raise TransportError(cause, retryable=True) from None
        except OSError as error:  # a workload identity's token file
            raise AccessDenied(f"the identity's token file cannot be read: {error.strerror}") from None
        except AzureError as error:
            raise _token_error(error) from None
    raise AccessDenied(
        "no credentials for Azure were found",
        hint="set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_CLIENT_ID … , run az login, pass AzureConfig(…), "
        f"or AzureConfig(anonymous=True); last error: {_first_line(unavailable)}",
    )


def _token_error(error: Exception) -> StorageError:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status is None and type(error).__name__.startswith(
        ("ServiceRe", "IncompleteRead")
    ):  # no reply, or an incomplete one
        return TransportError(f"no token for Azure: {_first_line(error)}", retryable=True, host=_HOST)
    found: StorageError
    if status is not None and (status in _TRANSIENT or Response(status, []).is_transient):
        found = TransportError(
            f"no token for Azure: the token service answered {status}", status=status, retryable=True, host=_HOST
        )
    else:
        found = AccessDenied(
            f"no token for Azure: {_first_line(error)}",
            hint="check the identity and its federated credentials",
            status=status,
        )
    if request_id := getattr(response, "headers", {}).get("x-ms-request-id"):
        found.request_ids = {"x-ms-request-id": request_id}
    return found


def _first_line(error: Exception) -> str:
    """Return the first line of an SDK message; the others are trace ids and links."""
    return service_message(str(error).strip().partition("\n")[0], Response(0, []))
