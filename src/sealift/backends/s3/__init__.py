"""Amazon S3 and compatible services.

aiobotocore resolves credentials and endpoints (`access`). sealift signs all requests itself (`signature`) and sends
them over its own HTTP client (`bucket`); `object_info`, `reply_checksums` and `errors` parse the replies. `upload`,
`server_copy` and `delete_objects` are the operations that take several requests; `buckets` lists those of an account,
and `presign` signs URLs.
"""

from ...config import S3Config, StorageConfig
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from .access import resolve_access
from .backend import S3Backend
from .bucket import Bucket

__all__ = ["S3Backend", "open"]


async def open(  # noqa: A001 - the contract's
    location: Location, config: StorageConfig | None, instance: Instance, version_id: str | None = None
) -> S3Backend:
    """Open the bucket of a location, to read a version of an object (its `versionId`) or the current one."""
    if config is None:
        config = S3Config.from_env(instance.environ)
    if not isinstance(config, S3Config):
        raise InvalidConfig(f"{type(config).__name__} is not for s3://", hint="pass an S3Config")
    access = await resolve_access(location.root, config, instance)
    return S3Backend(Bucket(location.at(""), config, access, instance), version_id)
