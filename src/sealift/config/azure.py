"""Azure Blob Storage and Azure Files."""

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Self

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass, short_repr
from .checks import check_strings, paths_as_text
from .customer_key import check_customer_key

__all__ = ["AzureConfig"]


@dataclass(frozen=True, slots=True)
class AzureConfig:
    """Azure Blob Storage, and the file shares of Azure Files.

    Without a connection string, key, SAS or `anonymous`, credentials come from the environment if they belong to the
    same account; otherwise from Microsoft Entra ID: service principal, workload identity, managed identity, `az login`.

    Args:
        account_name: Storage account. May be omitted if the URI, the endpoint or a connection string names it.
        account_key: Account key.
        sas_token: Shared access signature, with or without the leading "?".
        connection_string: Connection string with account, endpoint and credentials.
        anonymous: Send unsigned requests, for public containers.
        endpoint_url: Blob endpoint, such as "http://127.0.0.1:10000/devstoreaccount1". None: the endpoint of the URI or
            the connection string, otherwise https://ACCOUNT.blob.core.windows.net. Also used for URIs that name the
            account, unless it is a host of Azure: then the URI's host takes precedence.
        verify_ssl: As in `S3Config`, for the service and the token endpoint.
        tenant_id: Entra tenant to authenticate to.
        client_id: Application (client) ID, or client ID of a user-assigned managed identity.
        client_secret: Client secret of a service principal.
        token_file: Path of the Kubernetes service account token for workload identity.
        authority: Token endpoint. None: https://login.microsoftonline.com, or that of the endpoint's sovereign cloud.
        customer_key: Encryption key for server-side encryption with a customer-provided key (CPK): 32 bytes, or their
            Base64 text. Objects are written, read and copied with it.
        customer_key_over_http: Allow an endpoint without TLS with `customer_key`, for tests. False: it is an error.

    Raises:
        InvalidConfig: `anonymous` together with a secret, an endpoint that is not a URL, or a customer key that does
            not have 256 bits.

    Example:
        >>> AzureConfig("models", account_key="c2VjcmV0", endpoint_url="http://127.0.0.1:10000/models").account_name
        'models'
    """

    account_name: str | None = None
    account_key: str | None = field(default=None, repr=False)
    sas_token: str | None = field(default=None, repr=False)
    connection_string: str | None = field(default=None, repr=False)
    anonymous: bool = False
    endpoint_url: str | None = None
    verify_ssl: bool | str | os.PathLike[str] = True
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    token_file: str | os.PathLike[str] | None = None
    authority: str | None = None
    customer_key: str | bytes | None = field(default=None, repr=False)
    customer_key_over_http: bool = False

    def __post_init__(self) -> None:
        paths_as_text(self)
        if self.anonymous and (self.account_key or self.sas_token or self.connection_string or self.client_secret):
            raise InvalidConfig("AzureConfig with anonymous and a secret", hint="choose one of them")
        check_strings(self)
        check_customer_key(self)

    __repr__ = short_repr

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the environment variables used by the Azure CLI, the Azure SDKs and KServe.

        Args:
            environ: Environment with `AZURE_STORAGE_CONNECTION_STRING`, `AZURE_STORAGE_ACCOUNT` /
                `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_KEY` / `AZURE_STORAGE_ACCESS_KEY` /
                `AZURE_STORAGE_ACCOUNT_KEY`, `AZURE_STORAGE_SAS_TOKEN`, `AZURE_STORAGE_SERVICE_ENDPOINT`,
                `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` (each also with `AZ_`),
                `AZURE_FEDERATED_TOKEN_FILE` and `AZURE_AUTHORITY_HOST`. Managed identity endpoints are resolved by the
                SDK.
        """

        def first(*names: str) -> str | None:
            # Values from files, such as Kubernetes secrets, often end in a newline.
            return next((environ[name].strip() for name in names if environ.get(name, "").strip()), None)

        return cls(
            account_name=first("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"),
            account_key=first("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
            sas_token=first("AZURE_STORAGE_SAS_TOKEN"),
            connection_string=first("AZURE_STORAGE_CONNECTION_STRING"),
            endpoint_url=first("AZURE_STORAGE_SERVICE_ENDPOINT"),
            tenant_id=first("AZURE_TENANT_ID", "AZ_TENANT_ID"),
            client_id=first("AZURE_CLIENT_ID", "AZ_CLIENT_ID"),
            client_secret=first("AZURE_CLIENT_SECRET", "AZ_CLIENT_SECRET"),
            token_file=first("AZURE_FEDERATED_TOKEN_FILE"),
            authority=first("AZURE_AUTHORITY_HOST"),
        )
