"""Azure Blob Storage, and the Azurite emulator.

`account` determines the account, endpoint and credentials (no I/O). `authorization` adds them to each request: a shared
access signature (SAS) in the query, which the SDK generates from an account key, or an identity's `token` in a header.
`container` sends the requests and `replies` parses the responses. `upload` and `server_copy` take several requests;
`buckets` lists the containers of an account, and `presign` signs URLs.
"""

from ...config import AzureConfig, StorageConfig
from ...config.customer_key import require_tls
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from .account import account_of
from .authorization import authorizer_for
from .backend import AzureBackend
from .container import Container
from .customer_key import customer_key_headers

__all__ = ["AzureBackend", "open"]


async def open(  # noqa: A001 - the contract's
    location: Location, config: StorageConfig | None, instance: Instance, version_id: str | None = None
) -> AzureBackend:
    """Open the container of a location, to read a version or snapshot of an object, or the current one."""
    if config is not None and not isinstance(config, AzureConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for azure://", hint="pass an AzureConfig")

    def container_at(at: Location) -> Container:
        account = account_of(at, config, instance.environ)
        if config is not None:
            require_tls(config, account.endpoint)
        authorizer = authorizer_for(account, at.root, instance)
        return Container(at, account, authorizer, instance, customer_key_headers(config))

    return AzureBackend(location, config, container_at, version_id)
