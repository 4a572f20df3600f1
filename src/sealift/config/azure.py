"""Azure Blob Storage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from ..errors import InvalidConfig
from .checks import check_texts

__all__ = ["AzureConfig"]


@dataclass(frozen=True, slots=True)
class AzureConfig:
    """Azure Blob Storage.

    Without a connection string, key, signature or `anonymous`, those of the environment are taken if they are of the
    same account; else an identity signs in: a service principal, workload identity, managed identity, `az login`.

    Args:
        account_name: The storage account. May be left out where the URI, the endpoint or a connection string names it.
        account_key: Its key.
        sas_token: A shared access signature, with or without the leading "?".
        connection_string: All of it in one text.
        anonymous: Send unsigned requests, for public containers.
        endpoint_url: Where the account is reached, such as "http://127.0.0.1:10000/devstoreaccount1"; None:
            https://ACCOUNT.blob.core.windows.net, or what the URI or the connection string says. Also used for URIs
            that name the account, unless it is itself a host of Azure: the URI's host then takes precedence.
        verify: As in `S3Config`, for the service and for who gives tokens.
        tenant_id: The directory of the identity that signs in.
        client_id: The application or the user-assigned managed identity that signs in.
        client_secret: Of a service principal.
        token_file: Path of the Kubernetes token that a workload identity shows.
        authority: Who gives tokens; None: https://login.microsoftonline.com, or that of the endpoint's sovereign cloud.

    Raises:
        InvalidConfig: `anonymous` together with a secret, or an endpoint that is no URL.

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
    verify: bool | str = True
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    token_file: str | None = None
    authority: str | None = None

    def __post_init__(self) -> None:
        if self.anonymous and (self.account_key or self.sas_token or self.connection_string or self.client_secret):
            raise InvalidConfig("AzureConfig with anonymous and a secret", hint="choose one of them")
        check_texts(self)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """What the environment says, by the names that az, the SDKs and KServe use.

        Args:
            environ: Read are `AZURE_STORAGE_CONNECTION_STRING`, `AZURE_STORAGE_ACCOUNT` / `AZURE_STORAGE_ACCOUNT_NAME`,
                `AZURE_STORAGE_KEY` / `AZURE_STORAGE_ACCESS_KEY` / `AZURE_STORAGE_ACCOUNT_KEY`,
                `AZURE_STORAGE_SAS_TOKEN`, `AZURE_STORAGE_SERVICE_ENDPOINT`, `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and
                `AZURE_CLIENT_SECRET` (each also with `AZ_`), `AZURE_FEDERATED_TOKEN_FILE`, `AZURE_AUTHORITY_HOST`.
                The endpoints of managed identities are found by the SDK.
        """

        def first(*names: str) -> str | None:
            # What a file held as a whole, as with Kubernetes' secrets, may end in a line break.
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
