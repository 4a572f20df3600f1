"""Who sends requests for a bucket, and where they go: credentials, endpoint and region.

The SDK decides: its chain of credentials (`chain`), its endpoint rules (regions, partitions, access points, accelerate,
dotted buckets). Where it has nothing to decide, with a key pair and an endpoint given and no shared file that could say
more, it is not even imported: importing it takes longer than the rest of a cold start.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from ...config import S3Config
from ...config.s3 import UploadChecksum
from ...instance import Instance
from ...wire import TLS, Origin
from .credentials import from_chain, given
from .endpoint import Scheme, endpoint_without_sdk
from .sdk import endpoint_from_sdk, open_session
from .settings import Environ, from_environment
from .signature import Credentials

__all__ = ["Identity", "resolve"]


@dataclass(frozen=True, slots=True)
class Identity:
    """How the requests for one bucket are addressed and signed.

    Attributes:
        origin: The server.
        path: What precedes a key in the path: "" or "/bucket".
        scheme: How requests are signed, if they are.
        region: Part of the signature; for "sigv4a" the set of regions, separated by commas.
        service: Part of the signature.
        credentials: Called before each request, so that rotated ones are used; None: requests are not signed.
        tls: Which certificates to trust.
        checksum: Goes along with everything that is written; None: no checksum.
        attempts: How often one request is sent at most; None: the engine's default.
        fixed_region: Whether a redirect to another region only changes the signature, not the address.
    """

    origin: Origin
    path: str
    scheme: Scheme
    region: str
    service: str
    credentials: Callable[[], Awaitable[Credentials]] | None
    tls: TLS
    checksum: UploadChecksum | None
    attempts: int | None
    fixed_region: bool

    @property
    def directory(self) -> bool:
        """Whether this is a directory bucket (S3 Express One Zone)."""
        return self.service == "s3express"

    async def at_region(self, region: str, bucket: str, config: S3Config, instance: Instance) -> "Identity":
        """The same for the region that the service has named."""
        if self.fixed_region:
            return replace(self, region=region)
        config = replace(config, region=region)
        session, settings = await open_session(config, Environ(instance.environ), instance)
        endpoint = await endpoint_from_sdk(bucket, session, settings, config, instance)
        return replace(
            self,
            origin=endpoint.origin,
            path=endpoint.path,
            scheme=endpoint.scheme,
            region=endpoint.region,
            service=endpoint.service,
        )


async def resolve(bucket: str, config: S3Config, instance: Instance) -> Identity:
    """Find out how to send requests for a bucket, from the environment and the shared files as they are now.

    Args:
        bucket: Its name, or an access point's ARN.
        config: What the caller gave.
        instance: Of the instance: its environment, and the SDK's clients.

    Raises:
        AccessDenied: No credentials were found.
        InvalidConfig: A setting cannot be used.
        UnsupportedOperation: Requests for this bucket cannot be signed, or must be.
    """
    environ = Environ(instance.environ)
    settings, session = await instance.disk.run(lambda: from_environment(config, environ)), None
    if settings is None:
        session, settings = await open_session(config, environ, instance)
    credentials = None
    if not config.anonymous:
        credentials = given(config, environ) if session is None else None
        if credentials is None:
            session = session or (await open_session(config, environ, instance))[0]
            credentials = await from_chain(session, config, instance)
    endpoint = endpoint_without_sdk(bucket, settings)
    fixed = endpoint is not None
    if endpoint is None:
        session = session or (await open_session(config, environ, instance))[0]
        endpoint = await endpoint_from_sdk(bucket, session, settings, config, instance)
    return Identity(
        endpoint.origin,
        endpoint.path,
        endpoint.scheme,
        endpoint.region,
        endpoint.service,
        credentials,
        settings.tls,
        settings.checksum,
        settings.attempts,
        fixed_region=fixed,
    )
