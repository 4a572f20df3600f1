"""Azure Blob Storage, and Azurite.

`account` decides where to ask and with what (pure), `access` turns that into what each request carries: a shared access
signature in its query, which the SDK makes from an account key, or the `token` of an identity in its header. The wire
sends all requests (`container`), `replies` reads what comes back. `upload` and `copy` are what takes more than one.
"""

from ...config import AzureConfig, StorageConfig
from ...errors import InvalidConfig
from ...resources import Resources
from ...uri import Location
from .access import access_to
from .account import account_of
from .backend import AzureBackend
from .container import Container

__all__ = ["AzureBackend", "open"]


async def open(location: Location, config: StorageConfig | None, resources: Resources) -> AzureBackend:  # noqa: A001 - the contract's
    """The container of a location."""
    if config is not None and not isinstance(config, AzureConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for azure://", hint="pass an AzureConfig")

    def container_at(place: Location) -> Container:
        account = account_of(place, config, resources.environ)
        return Container(place, account, access_to(account, place.root, resources), resources)

    return AzureBackend(location, config, container_at)
