"""Resolve the credentials, endpoint and region of a bucket.

The SDK decides: its credential chain (`credential_chain`) and its endpoint rules (regions, partitions, access points,
accelerate, dotted buckets). With an explicit key pair and endpoint, and without shared files, it has nothing to decide
and is not imported: the import takes longer than the rest of a cold start.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ...config import S3Config
from ...config.s3 import UploadChecksum
from ...frozen_dataclass import dataclass
from ...instance import Instance
from ...wire import TLS, Origin
from .access_headers import Headers, access_headers
from .credentials import chain_credentials, static_credentials
from .endpoint import Scheme, endpoint_without_sdk
from .settings import NonEmptyEnviron, Settings, settings_from_environment
from .signature import Credentials

if TYPE_CHECKING:
    from .sdk_session import SDKSession

__all__ = ["BucketAccess", "resolve_access"]


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """How the requests for one bucket are addressed and signed.

    Attributes:
        origin: The server.
        path: Path before the key: "" or "/bucket".
        scheme: Signature scheme, for signed requests.
        region: Region of the signature; for "sigv4a" the set of regions, separated by commas.
        service: Service of the signature.
        credentials: Called before each request, to use rotated credentials; None: requests are not signed.
        tls: Which certificates to trust.
        checksum: Checksum algorithm of uploads; None: uploads carry no checksum.
        attempts: Maximum number of attempts per request; None: the engine's default.
        fixed_origin: Whether a redirect to another region changes only the signature, not the address.
        clock_offset: How far the service's clock is ahead of this machine's.
        headers: Headers of all requests for the bucket.
        object_headers: Headers of those that read or write the bytes of an object: `headers`, and a customer-provided
            key.
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
    fixed_origin: bool
    clock_offset: timedelta = timedelta()
    headers: Headers = field(default=(), repr=False)
    object_headers: Headers = field(default=(), repr=False)

    @property
    def directory(self) -> bool:
        """Whether this is a directory bucket (S3 Express One Zone)."""
        return self.service == "s3express"

    async def at_region(self, region: str, bucket: str, config: S3Config, instance: Instance) -> "BucketAccess":
        """The access to the same bucket in the region that the service named."""
        if self.fixed_origin:
            return replace(self, region=region)
        from .lazy_sdk import endpoint_from_sdk  # noqa: PLC0415 - as below

        config = replace(config, region=region)
        session, settings = await _open_session(config, NonEmptyEnviron(instance.environ), instance)
        endpoint = await endpoint_from_sdk(bucket, session, settings, config, instance)
        return replace(
            self,
            origin=endpoint.origin,
            path=endpoint.path,
            scheme=endpoint.scheme,
            region=endpoint.region,
            service=endpoint.service,
        )


async def resolve_access(bucket: str, config: S3Config, instance: Instance) -> BucketAccess:
    """Resolve how to send requests for a bucket, from the current environment and shared files.

    Args:
        bucket: Name of the bucket, or an access point's ARN.
        config: The caller's configuration.
        instance: Provides the environment and the SDK clients.

    Raises:
        AccessDenied: No credentials were found.
        InvalidConfig: A setting is not valid.
        UnsupportedOperation: The bucket needs a signature that sealift cannot create, or rejects unsigned requests.
    """
    environ = NonEmptyEnviron(instance.environ)
    settings, session = await instance.disk.run(lambda: settings_from_environment(config, environ)), None
    if settings is None:
        session, settings = await _open_session(config, environ, instance)
    credentials = None
    if not config.anonymous:
        credentials = static_credentials(config, environ) if session is None else None
        if credentials is None:
            session = session or (await _open_session(config, environ, instance))[0]
            credentials = await chain_credentials(session, config, instance)
    endpoint = endpoint_without_sdk(bucket, settings)
    fixed_origin = endpoint is not None
    if endpoint is None:
        from .lazy_sdk import endpoint_from_sdk  # noqa: PLC0415 - loaded only where the SDK decides

        session = session or (await _open_session(config, environ, instance))[0]
        endpoint = await endpoint_from_sdk(bucket, session, settings, config, instance)
    headers, object_headers = access_headers(config, endpoint.origin, directory=endpoint.service == "s3express")
    return BucketAccess(
        endpoint.origin,
        endpoint.path,
        endpoint.scheme,
        endpoint.region,
        endpoint.service,
        credentials,
        settings.tls,
        settings.checksum,
        settings.attempts,
        fixed_origin,
        headers=headers,
        object_headers=object_headers,
    )


async def _open_session(
    config: S3Config, environ: Mapping[str, str], instance: Instance
) -> tuple["SDKSession", Settings]:
    from .lazy_sdk import open_session  # noqa: PLC0415 - loaded only where the SDK decides

    return await open_session(config, environ, instance)
