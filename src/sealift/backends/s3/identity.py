"""Who asks, and where: credentials, endpoint and region of a bucket.

The SDK decides: its chain of credentials, its endpoint rules (regions, partitions, access points, accelerate, dotted
buckets). Only where it has nothing to decide, with a key pair and an endpoint given and no configuration file that
could say more, it is not even imported: importing it takes longer than the rest of a cold start.
"""

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ...config import S3Config
from ...errors import AccessDenied, InvalidConfig
from ...quiet import quieten, silence
from ...resources import Resources
from ...wire import TLS, Origin
from .rules import Scheme, endpoint, register
from .signature import Credentials, quote_key

__all__ = ["Identity", "resolve"]

_DEFAULT_REGION = "us-east-1"
# Names with endpoints of their own: directory buckets, their access points, and access points on Outposts.
_SPECIAL = ("--x-s3", "--xa-s3", "--op-s3")
# A name that can be part of any host, whatever the scheme.
_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
# What is asked of token services, and their replies; what is signed.
quieten("botocore.auth", "botocore.endpoint", "botocore.hooks", "botocore.parsers", "botocore.utils")


@dataclass(frozen=True, slots=True)
class Identity:
    """How the requests for one bucket are addressed and signed.

    Attributes:
        origin: The server.
        path: What stands before a key in the path: "" or "/bucket".
        scheme: How requests are signed.
        region: Part of the signature; for "sigv4a" the set of regions, separated by commas.
        service: Part of the signature.
        credentials: Asked before each request, so that rotated ones are taken; None: requests are not signed.
        tls: Whom to trust.
        fixed_region: Whether a redirect to another region only changes the signature, not the address.
    """

    origin: Origin
    path: str
    scheme: Scheme
    region: str
    service: str
    credentials: Callable[[], Awaitable[Credentials]] | None
    tls: TLS
    fixed_region: bool

    @property
    def directory(self) -> bool:
        """Whether this is a directory bucket (S3 Express One Zone)."""
        return self.service == "s3express"

    async def at_region(self, region: str, bucket: str, config: S3Config, resources: Resources) -> "Identity":
        """The same for the region that the service has named."""
        if self.fixed_region:
            return replace(self, region=region)
        return await resolve(bucket, replace(config, region=region), resources)


async def resolve(bucket: str, config: S3Config, resources: Resources) -> Identity:
    """Find out how to ask for a bucket.

    Args:
        bucket: Its name, or an access point's ARN.
        config: What the caller gave.
        resources: Of the instance; they keep the SDK's clients.

    Raises:
        AccessDenied: No credentials were found.
        InvalidConfig: The SDK does not accept the configuration.
    """
    verify = resources.environ.get("AWS_CA_BUNDLE") or True if config.verify is True else config.verify
    tls = TLS(verify=verify is not False, ca_file=verify if isinstance(verify, str) else None)
    # In a thread: it looks for a file.
    given = await resources.disk.run(lambda: _without_sdk(bucket, config, resources.environ, tls))
    return given or await _from_sdk(bucket, config, resources, tls)


def _without_sdk(bucket: str, config: S3Config, environ: Mapping[str, str], tls: TLS) -> Identity | None:
    """Blocking: see the module's docstring; None: the SDK has to decide."""
    credentials = _given_credentials(config, environ)
    endpoint = config.endpoint_url or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    undecided = (
        not endpoint
        or bucket.startswith("arn:")
        or bucket.endswith(_SPECIAL)
        or (config.addressing_style == "virtual" and not _virtual(bucket, endpoint))
        or (credentials is None and not config.anonymous)
        or "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" in environ
        or config.profile is not None
        or os.path.exists(os.path.expanduser(environ.get("AWS_CONFIG_FILE") or "~/.aws/config"))
    )
    if undecided or endpoint is None:
        return None
    url = urlsplit(endpoint)
    origin, path = Origin.of(endpoint), url.path.rstrip("/")
    if config.addressing_style == "virtual":
        origin = replace(origin, host=f"{bucket}.{origin.host}")
    else:
        path = f"{path}/{quote_key(bucket)}"
    return Identity(
        origin,
        path,
        "none" if credentials is None else "sigv4",
        config.region or _DEFAULT_REGION,
        "s3",
        None if credentials is None else _constant(credentials),
        tls,
        fixed_region=True,
    )


def _virtual(bucket: str, endpoint: str) -> bool:
    """Whether a bucket's host is certain to be a label before the endpoint's."""
    host = urlsplit(endpoint).hostname or ""
    return _LABEL.fullmatch(bucket) is not None and not host[-1:].isdigit() and ":" not in host


def _given_credentials(config: S3Config, environ: Mapping[str, str]) -> Credentials | None:
    if config.anonymous:
        return None
    if config.access_key_id is not None and config.secret_access_key is not None:
        return Credentials(config.access_key_id, config.secret_access_key, config.session_token)
    access, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if not access or not secret:
        return None
    return Credentials(access, secret, environ.get("AWS_SESSION_TOKEN") or None)


def _constant(credentials: Credentials) -> Callable[[], Awaitable[Credentials]]:
    async def given() -> Credentials:
        return credentials

    return given


async def _from_sdk(bucket: str, config: S3Config, resources: Resources, tls: TLS) -> Identity:
    session, sdk_config = await resources.disk.run(lambda: _load_sdk(config))
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - loaded by now

    async def open_client() -> Any:
        return session.create_client(
            "s3",
            region_name=config.region,
            endpoint_url=config.endpoint_url,
            use_ssl=config.use_ssl,
            verify=config.verify,
            config=sdk_config,
        )

    try:
        with silence():
            credentials = None if config.anonymous else await _credentials(session, config, resources)
            client = await resources.client(("s3", config), open_client)
            found = await endpoint(client, bucket)
    except (BotoCoreError, ClientError, ValueError) as error:
        raise _refused(error) from None
    return Identity(
        Origin.of(found.url),
        urlsplit(found.url).path,
        found.scheme,
        found.region,
        found.service,
        None if credentials is None else _renewing(credentials),
        tls,
        fixed_region=False,
    )


async def _credentials(session: Any, config: S3Config, resources: Resources) -> Any:
    """The first of the chain. Those that renew themselves are kept: roles and metadata services are asked but once.

    Others come from the environment and from files, which somebody may have changed since the last call.
    """
    from botocore.credentials import RefreshableCredentials  # noqa: PLC0415 - loaded by now

    kept = resources.credentials.get(config)
    if kept is not None:
        return kept
    found = await session.get_credentials()
    if found is None:
        raise AccessDenied(
            "no credentials for S3 were found",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, pass S3Config(…), or S3Config(anonymous=True)",
        )
    if isinstance(found, RefreshableCredentials):
        resources.credentials[config] = found
    return found


def _refused(error: Exception) -> InvalidConfig:
    return InvalidConfig(f"the SDK refuses this configuration: {error}")


def _load_sdk(config: S3Config) -> tuple[Any, Any]:
    """Blocking: import the SDK, read its files, and warm its loader."""
    from aiobotocore.config import AioConfig  # noqa: PLC0415 - 0.4 s
    from aiobotocore.session import AioSession  # noqa: PLC0415
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    session = AioSession(profile=config.profile)
    if config.access_key_id is not None and config.secret_access_key is not None:
        session.set_credentials(config.access_key_id, config.secret_access_key, config.session_token)
    try:
        session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    except BotoCoreError as error:  # reads the configuration file, for the profile
        raise _refused(error) from None
    register(session.get_component("event_emitter"))
    style = {} if config.addressing_style == "auto" else {"addressing_style": config.addressing_style}
    sdk_config = AioConfig(
        signature_version=UNSIGNED if config.anonymous else None,  # None: as the endpoint rules say
        s3=style,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    return session, sdk_config


@lru_cache(maxsize=8)
def _loader(data_path: str | None) -> Any:
    """The SDK's data, which takes 0.2 s to read. Blocking."""
    from botocore.loaders import create_loader  # noqa: PLC0415 - loaded by now

    loader = create_loader(data_path)
    loader.load_service_model("s3", "service-2")
    loader.load_service_model("s3", "endpoint-rule-set-1")
    for data in ("partitions", "endpoints", "sdk-default-configuration"):
        loader.load_data(data)
    return loader


def _renewing(session_credentials: Any) -> Callable[[], Awaitable[Credentials]]:
    async def credentials() -> Credentials:
        try:
            with silence():
                frozen = await session_credentials.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 - each of the SDK's providers has errors of its own
            raise AccessDenied(f"the credentials could not be renewed: {type(error).__name__}") from None
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return credentials
