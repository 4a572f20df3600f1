"""Azure Blob Storage, and the Azurite emulator; and Azure file shares (Azure Files), read-only.

`account` determines the account, endpoint and credentials (no I/O). `authorization` adds them to each request: a shared
access signature (SAS) in the query, which the SDK generates from an account key, or an identity's `token` in a header.
`container` sends the requests and `replies` parses the responses. `upload` and `server_copy` take several requests;
`buckets` lists the containers of an account, and `presign` signs URLs. `share_backend`, `share` and `share_replies` are
for file shares, whose protocol is similar.
"""

from ...config import AzureConfig, StorageConfig
from ...config.customer_key import require_tls
from ...contract import Backend
from ...errors import InvalidConfig, UnsupportedOperation
from ...instance import Instance
from ...uri import Location
from ...uris.azure import account_host
from .account import account_of
from .authorization import authorizer_for
from .backend import AzureBackend
from .container import Container
from .customer_key import customer_key_headers

__all__ = ["AzureBackend", "open"]


async def open(  # noqa: A001 - the contract's
    location: Location, config: StorageConfig | None, instance: Instance, version_id: str | None = None
) -> Backend:
    """Open the container or file share of a location, perhaps to read a version or snapshot of an object."""
    if config is not None and not isinstance(config, AzureConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for azure://", hint="pass an AzureConfig")

    host = account_host(location.account or "")
    if host is not None and host.is_files:
        return _open_share(location.at(""), config, instance, version_id)

    def container_at(at: Location) -> Container:
        account = account_of(at, config, instance.environ)
        if config is not None:
            require_tls(config, account.endpoint)
        authorizer = authorizer_for(account, at.root, instance)
        return Container(at, account, authorizer, instance, customer_key_headers(config))

    return AzureBackend(location, config, container_at, version_id)


def _open_share(location: Location, config: AzureConfig | None, instance: Instance, version_id: str | None) -> Backend:
    from .share import Share, sign_share  # noqa: PLC0415 - blobs are more frequent
    from .share_backend import FileShareBackend  # noqa: PLC0415

    if version_id is not None:
        hint = "leave out version_id"
        raise UnsupportedOperation("version_id=… is not supported for Azure file shares", hint=hint)
    if config is not None and config.customer_key is not None:
        raise InvalidConfig("Azure file shares have no customer-provided keys", hint="omit the customer key")
    account = account_of(location, config, instance.environ)
    authorizer = authorizer_for(account, location.root, instance, sign_share)
    return FileShareBackend(Share(location, account, authorizer, instance))
