"""The configuration that is used for a bucket, and where each value comes from, without secrets."""

from collections.abc import Mapping

from ...config import S3Config
from ...config.setting import Setting
from ...errors import AccessDenied
from ...instance import Instance
from ...runtime.sdk_logging import suppress_logs
from ...uri import Location
from .access import resolve_access
from .credentials import static_credentials
from .settings import NonEmptyEnviron

__all__ = ["describe"]

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


async def describe(location: Location, config: S3Config | None, instance: Instance) -> dict[str, Setting]:
    """Describe the endpoint, region and credentials of a bucket.

    Args:
        location: The bucket.
        config: The caller's configuration. None: the environment's.
        instance: Provides the environment.

    Raises:
        StorageError: As `resolve_access`.
    """
    environ = NonEmptyEnviron(instance.environ)
    environment = S3Config.from_env(instance.environ)
    chosen = config or environment
    access = await resolve_access(location.root, chosen, instance)
    profile = chosen.profile or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE")
    endpoint_from = region_from = "the default"
    if access.origin.host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        endpoint_from = "Amazon S3"
    if chosen.endpoint_url is not None:
        endpoint_from = "S3_ENDPOINT" if chosen.endpoint_url == environment.endpoint_url else "the configuration"
    elif variable := _first(_ENDPOINTS, environ):
        endpoint_from = variable
    elif endpoint_from == "the default":
        endpoint_from = f"the profile {profile or 'default'!r}"
    if chosen.region and chosen.region != environment.region:
        region_from = "the configuration"
    elif variable := _first(_REGIONS, environ):
        region_from = variable
    elif profile:
        region_from = f"the profile {profile!r}, or the default"
    return {
        "endpoint": Setting(f"{access.origin.scheme}://{access.origin.netloc}{access.path}", endpoint_from),
        "region": Setting(access.region, region_from),
        "credentials": await _credentials(chosen, environ, instance),
        "signature": Setting("none" if access.credentials is None else access.scheme),
        "upload checksum": Setting(access.checksum or "none"),
        "certificates": Setting(_certificates(access.tls.ca_file, verify=access.tls.verify)),
    }


async def _credentials(config: S3Config, environ: Mapping[str, str], instance: Instance) -> Setting:
    if config.anonymous:
        return Setting("none: requests are anonymous")
    if config.access_key_id is not None:
        return Setting(f"access key {_masked(config.access_key_id)}", "the configuration")
    if config.profile is None and static_credentials(config, environ) is not None:
        return Setting(f"access key {_masked(environ['AWS_ACCESS_KEY_ID'])}", "AWS_ACCESS_KEY_ID")
    from .lazy_sdk import open_session  # noqa: PLC0415 - loaded only where the SDK decides

    session, _ = await open_session(config, environ, instance)
    try:
        with suppress_logs():
            found = await session.get_credentials()
            keys = None if found is None else await found.get_frozen_credentials()
    except Exception as error:  # noqa: BLE001 - each SDK provider raises its own types
        raise AccessDenied(f"the credentials for S3 cannot be read: {type(error).__name__}") from None
    if found is None or keys is None:
        raise AccessDenied("no credentials for S3 were found")
    return Setting(f"access key {_masked(keys.access_key)}", found.method)


def _masked(key: str) -> str:
    """The end of an access key ID, as the AWS command line shows it."""
    return f"****{key[-4:]}" if len(key) > 8 else "****"


def _first(names: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    return next((name for name in names if environ.get(name)), None)


def _certificates(ca_file: str | None, *, verify: bool) -> str:
    return (f"CAs in {ca_file}" if ca_file else "the system's CAs") if verify else "not verified"
