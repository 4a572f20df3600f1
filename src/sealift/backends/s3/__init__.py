"""Amazon S3 and what speaks its protocol.

aiobotocore says who asks and where (`identity`); requests are signed here (`signature`), sent by the wire, small ones
too (`bucket`), and `replies` reads what comes back. `upload`, `copy` and `delete` are what takes more than one of them.
"""

from ...config import S3Config, StorageConfig
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from .backend import S3Backend
from .bucket import Bucket
from .identity import resolve

__all__ = ["S3Backend", "open"]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> S3Backend:  # noqa: A001 - the contract's
    """The bucket of a location."""
    if config is None:
        config = S3Config.from_env(instance.environ)
    if not isinstance(config, S3Config):
        raise InvalidConfig(f"{type(config).__name__} is not for s3://", hint="pass an S3Config")
    identity = await resolve(location.root, config, instance)
    return S3Backend(Bucket(location.at(""), config, identity, instance))
