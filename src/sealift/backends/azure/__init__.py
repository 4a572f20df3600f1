"""Azure Blob Storage, and Azurite.

`account` decides where to ask and with what (pure), `access` turns that into what each request carries: a shared access
signature in its query, which the SDK makes from an account key, or the `token` of an identity in its header. The wire
sends all requests (`container`), `replies` reads what comes back. `upload` and `copy` are what takes more than one.
"""

from ...config import AzureConfig, StorageConfig
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from .account import account_of
from .authorization import access_to
from .backend import AzureBackend
from .container import Container

__all__ = ["AzureBackend", "open"]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> AzureBackend:  # noqa: A001 - the contract's
    """The container of a location."""
    if config is not None and not isinstance(config, AzureConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for azure://", hint="pass an AzureConfig")

    def container_at(place: Location) -> Container:
        account = account_of(place, config, instance.environ)
        return Container(place, account, access_to(account, place.root, instance), instance)

    return AzureBackend(location, config, container_at)
