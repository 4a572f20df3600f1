"""What the SDK is asked for: a session for one environment, and where a bucket is. It is imported on first use."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...config import S3Config
from ...errors import InvalidConfig
from ...instance import Instance
from ...runtime.sdk_logging import filter_loggers, suppress_logs
from .endpoint import Endpoint
from .rules import endpoint_by_rules, register
from .settings import Settings

if TYPE_CHECKING:
    from .sdk_session import Session

__all__ = ["endpoint_from_sdk", "fingerprint", "identifying", "open_session", "refused"]

# Requests to token services and their replies; what is signed; tracebacks of failures that sealift reports itself.
filter_loggers(
    "aiobotocore.credentials", "botocore.auth", "botocore.credentials", "botocore.endpoint", "botocore.hooks",
    "botocore.parsers", "botocore.utils",
)  # fmt: skip
# Variables and keys of a profile that change when credentials are rotated, and that mean nothing for an endpoint.
_ROTATED = frozenset({
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
})  # fmt: skip


async def open_session(config: S3Config, environ: Mapping[str, str], instance: Instance) -> tuple["Session", Settings]:
    """A new session, which has read the shared files, and the settings it has found.

    Raises:
        InvalidConfig: The profile does not exist, or a setting cannot be used.
    """

    def load() -> tuple["Session", Settings]:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - 0.4 s

        from .sdk_session import Session, settings_of  # noqa: PLC0415

        try:
            session = Session(environ, config.profile, config.region)
            return session, settings_of(session, config)
        except InvalidConfig:  # a ValueError too
            raise
        except (BotoCoreError, ValueError) as error:
            raise refused(error) from None

    return await instance.disk.run(load)


async def endpoint_from_sdk(
    bucket: str, session: "Session", settings: Settings, config: S3Config, instance: Instance
) -> Endpoint:
    """The endpoint of a bucket by the SDK's rules.

    Raises:
        InvalidConfig: The SDK refuses the bucket or a setting.
        UnsupportedOperation: Requests for this bucket cannot be signed, or must be.
    """
    from aiobotocore.config import AioConfig  # noqa: PLC0415 - loaded by now
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    async def open_client() -> Any:
        await instance.disk.run(lambda: _warm(session))
        style = {} if settings.addressing_style == "auto" else {"addressing_style": settings.addressing_style}
        return session.create_client(
            "s3",
            region_name=settings.region,
            endpoint_url=settings.endpoint_url,
            use_ssl=config.use_ssl,
            verify=settings.tls.ca_file or settings.tls.verify,
            # The endpoint does not depend on the keys.
            aws_access_key_id="unused",
            aws_secret_access_key="unused",  # noqa: S106 - no secret
            config=AioConfig(
                signature_version=UNSIGNED if config.anonymous else None,  # None: as the rules say
                s3=style,
                retries={"mode": "standard", "total_max_attempts": 1},
            ),
        )

    key = ("s3", config, settings, fingerprint(session, rotated=False))
    try:
        with suppress_logs():
            client = await instance.client(key, open_client)
            return await endpoint_by_rules(client, bucket)
    except (BotoCoreError, ClientError, ValueError) as error:
        raise refused(error) from None


def fingerprint(session: "Session", *, rotated: bool) -> str:
    """A hash of all that a session's answers depend on.

    Args:
        session: Whose environment and shared files.
        rotated: Whether to include the credentials themselves.
    """
    if rotated:  # any variable may decide what a `credential_process` prints
        variables, files = dict(session.environ), session.full_config
    else:
        variables = identifying(session.environ)
        files = {name: value for name, value in session.get_scoped_config().items() if name.upper() not in _ROTATED}
    return hashlib.sha256(json.dumps([variables, files], sort_keys=True, default=str).encode()).hexdigest()


def identifying(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that decide which service and whose credentials are used, but not those that rotate."""
    return {
        name: value
        for name, value in environ.items()
        if (name.startswith(("AWS_", "S3_")) or name == "HOME" or name.lower().endswith("_proxy"))
        and name not in _ROTATED
    }


def refused(error: Exception) -> InvalidConfig:
    """The error for what the SDK does not accept."""
    return InvalidConfig(f"the SDK refuses this configuration: {error}")


def _warm(session: "Session") -> None:
    """Blocking: load what a client is made of, so that making it reads no file in the event loop."""
    register(session.get_component("event_emitter"))
    loader = session.get_component("data_loader")
    loader.load_service_model("s3", "service-2")
    loader.load_service_model("s3", "endpoint-rule-set-1")
    for data in ("partitions", "endpoints", "sdk-default-configuration"):
        loader.load_data(data)
