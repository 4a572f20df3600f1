"""Listing the buckets, or containers, of an account."""

from collections.abc import Callable

from .. import backends
from ..config import StorageConfig
from ..errors import InvalidURI, StorageError
from ..instance import Instance
from ..uri import Location, service_of

__all__ = ["list_buckets"]


async def list_buckets(
    uri: str, config_for: Callable[[Location], StorageConfig | None], instance: Instance
) -> list[str]:
    """List the names of buckets; see `AsyncStorage.list_buckets`.

    Args:
        uri: URI without a bucket.
        config_for: Returns the configuration of a location.
        instance: The instance.
    """
    scheme = service_of(uri)
    if scheme is None:
        raise InvalidURI("this URI does not name a service", hint="use s3://, gs:// or azure://, without a bucket")
    try:
        return await backends.list_buckets(scheme, config_for(Location(scheme, "")), instance)
    except StorageError as error:
        raise error.about("list buckets", f"{scheme}://") from None
