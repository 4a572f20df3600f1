"""Azure Blob Storage, and the Azurite emulator.

`account` determines the account, endpoint and credentials (no I/O). `authorization` adds them to each request: a shared
access signature (SAS) in the query, which the SDK generates from an account key, or an identity's `token` in a header.
`container` sends the requests and `replies` parses the responses. `upload` and `server_copy` take several requests;
`buckets` lists the containers of an account, and `presign` signs URLs.
"""

from ...config import AzureConfig, StorageConfig
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from .account import account_of
from .authorization import authorizer_for
from .backend import AzureBackend
from .container import Container

__all__ = ["AzureBackend", "open"]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> AzureBackend:  # noqa: A001 - the contract's
    """Open the container of a location."""
    if config is not None and not isinstance(config, AzureConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for azure://", hint="pass an AzureConfig")

    def container_at(at: Location) -> Container:
        account = account_of(at, config, instance.environ)
        return Container(at, account, authorizer_for(account, at.root, instance), instance)

    return AzureBackend(location, config, container_at)
