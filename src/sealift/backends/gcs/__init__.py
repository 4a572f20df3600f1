"""Google Cloud Storage, by its JSON API.

gcloud-aio-auth knows what each kind of credentials is exchanged for (`credentials`); its requests, and those for the
bucket, are sent by the wire (`bucket`), and `replies` reads what comes back. `upload`, `copy` and `delete` are what
takes more than one of them.
"""

from dataclasses import replace

from ...config import GCSConfig, StorageConfig
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from ...wire import Origin
from .backend import GCSBackend
from .bucket import Bucket
from .credentials import find

__all__ = ["GCSBackend", "open"]

_GOOGLE = "https://storage.googleapis.com"
_THIS_MACHINE = {"127.0.0.1", "::1", "localhost"}


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> GCSBackend:  # noqa: A001 - the contract's
    """The bucket of a location."""
    around = GCSConfig.from_env(instance.environ)
    if config is None:
        config = around
    if not isinstance(config, GCSConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for gs://", hint="pass a GCSConfig")
    if config.endpoint_url is None and around.endpoint_url is not None:
        anonymous = config.anonymous or config.service_account_key is None
        config = replace(config, endpoint_url=around.endpoint_url, anonymous=anonymous)
    origin = Origin.of(config.endpoint_url or _GOOGLE)
    if origin.scheme == "http" and not config.anonymous and origin.host not in _THIS_MACHINE:
        raise InvalidConfig(
            f"a token would travel unencrypted to {origin.address}", hint="use https, or GCSConfig(anonymous=True)"
        )
    credentials = await find(config, instance)
    if credentials is not None:  # who cannot sign in learns it here, once, and not of each request
        await instance.retry(credentials.bearer)
    return GCSBackend(Bucket(location.at(""), config, origin, credentials, instance))
