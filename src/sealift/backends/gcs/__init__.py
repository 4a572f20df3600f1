"""Google Cloud Storage, over its JSON API.

gcloud-aio-auth exchanges credentials for access tokens (`credentials`). sealift sends all requests over its own HTTP
client (`bucket`, `token_session`), and `replies` parses the replies. `upload`, `server_copy` and `delete_objects` are
the operations that take several requests; `buckets` lists those of a project, and `presign` signs URLs.
"""

from dataclasses import replace

from ...config import GCSConfig, StorageConfig
from ...config.customer_key import require_tls
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from ...wire import Origin
from .backend import GCSBackend
from .bucket import Bucket
from .credentials import resolve_credentials

__all__ = ["GCSBackend", "open", "open_bucket"]

_GOOGLE = "https://storage.googleapis.com"
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


async def open(  # noqa: A001 - the contract's
    location: Location, config: StorageConfig | None, instance: Instance, version_id: str | None = None
) -> GCSBackend:
    """Open the bucket of a location, to read a version of an object (its generation) or the current one."""
    return GCSBackend(await open_bucket(location, config, instance), version_id)


async def open_bucket(location: Location, config: StorageConfig | None, instance: Instance) -> Bucket:
    """Prepare requests to the bucket of a location."""
    from_environment = GCSConfig.from_env(instance.environ)
    if config is None:
        config = from_environment
    if not isinstance(config, GCSConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for gs://", hint="pass a GCSConfig")
    if config.endpoint_url is None and from_environment.endpoint_url is not None:
        anonymous = config.anonymous or config.service_account_key is None
        config = replace(config, endpoint_url=from_environment.endpoint_url, anonymous=anonymous)
    origin = Origin.of(config.endpoint_url or _GOOGLE)
    if origin.scheme == "http" and not config.anonymous and origin.host not in _LOOPBACK:
        raise InvalidConfig(
            f"the access token would be sent unencrypted to {origin.address}",
            hint="use https, or GCSConfig(anonymous=True)",
        )
    require_tls(config, f"{origin.scheme}://{origin.netloc}")
    credentials = await resolve_credentials(config, instance)
    if credentials is not None:  # report invalid credentials once, before the first request
        await instance.retry(credentials.bearer)
    return Bucket(location.at(""), config, origin, credentials, instance)
