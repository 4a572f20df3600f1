"""Use the SDK without importing it at startup: open a session for one environment, resolve a bucket's endpoint."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...config import S3Config
from ...errors import InvalidConfig
from ...instance import Instance
from ...runtime.sdk_logging import filter_loggers, suppress_logs
from .endpoint import Endpoint
from .endpoint_rules import endpoint_from_rules, register
from .settings import Settings

if TYPE_CHECKING:
    from .sdk_session import SDKSession

__all__ = ["endpoint_from_sdk", "fingerprint", "invalid_config", "open_session", "stable_variables"]

# These loggers write requests to token services, their replies, and the text to sign.
# The credential loggers write tracebacks of failures that sealift reports itself.
filter_loggers(
    "aiobotocore.credentials", "aiobotocore.endpoint", "aiobotocore.httpsession", "aiobotocore.retryhandler",
    "aiobotocore.tokens", "aiobotocore.utils", "botocore.auth", "botocore.credentials", "botocore.endpoint",
    "botocore.hooks", "botocore.httpsession", "botocore.parsers", "botocore.retryhandler", "botocore.tokens",
    "botocore.utils",
)  # fmt: skip
# Variables and profile keys that change when credentials are rotated, and do not affect the endpoint.
_ROTATED = frozenset({
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
})  # fmt: skip


async def open_session(
    config: S3Config, environ: Mapping[str, str], instance: Instance
) -> tuple["SDKSession", Settings]:
    """Open an SDK session, which reads the shared files, and read its settings.

    Raises:
        InvalidConfig: The profile does not exist, or a setting is not valid.
    """

    def load() -> tuple["SDKSession", Settings]:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - 0.4 s

        from .sdk_session import SDKSession, settings_from_session  # noqa: PLC0415

        try:
            session = SDKSession(environ, config.profile, config.region)
            session.patience = instance.limits.patience
            return session, settings_from_session(session, config)
        except InvalidConfig:  # a subclass of ValueError
            raise
        except (BotoCoreError, ValueError) as error:
            raise invalid_config(error) from None

    return await instance.disk.run(load)


async def endpoint_from_sdk(
    bucket: str, session: "SDKSession", settings: Settings, config: S3Config, instance: Instance
) -> Endpoint:
    """Resolve the endpoint of a bucket with the SDK's endpoint rules.

    Raises:
        InvalidConfig: The SDK rejects the bucket name or a setting.
        UnsupportedOperation: The bucket needs a signature that sealift cannot create, or rejects unsigned requests.
    """
    from aiobotocore.config import AioConfig  # noqa: PLC0415 - loaded by now
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    async def open_client() -> Any:
        await instance.disk.run(lambda: _preload(session))
        style: dict[str, Any] = {}
        if settings.addressing_style != "auto":
            style["addressing_style"] = settings.addressing_style
        if config.accelerate:
            style["use_accelerate_endpoint"] = True
        return session.create_client(
            "s3",
            region_name=settings.region,
            endpoint_url=settings.endpoint_url,
            use_ssl=config.use_ssl,
            verify=settings.tls.ca_file or settings.tls.verify,
            # The endpoint does not depend on the keys.
            aws_access_key_id="unused",
            aws_secret_access_key="unused",  # noqa: S106 - not a secret
            config=AioConfig(
                signature_version=UNSIGNED if config.anonymous else None,  # None: the rules decide
                s3=style,
                retries={"mode": "standard", "total_max_attempts": 1},
            ),
        )

    key = ("s3", config, settings, fingerprint(session, rotated=False))
    try:
        with suppress_logs():
            client = await instance.client(key, open_client)
            return await endpoint_from_rules(client, bucket)
    except (BotoCoreError, ClientError, ValueError) as error:
        raise invalid_config(error) from None


def fingerprint(session: "SDKSession", *, rotated: bool) -> str:
    """A hash of everything that a session's results depend on.

    Args:
        session: Provides the environment and the shared files.
        rotated: Whether to include the credentials themselves.
    """
    import json  # noqa: PLC0415 - only for the SDK

    if rotated:  # the output of a `credential_process` may depend on any variable
        variables, files = dict(session.environ), session.full_config
    else:
        variables = stable_variables(session.environ)
        files = {name: value for name, value in session.get_scoped_config().items() if name.upper() not in _ROTATED}
    return hashlib.sha256(json.dumps([variables, files], sort_keys=True, default=str).encode()).hexdigest()


def stable_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that select the service and the credentials, without those that change by rotation."""
    return {
        name: value
        for name, value in environ.items()
        if (name.startswith(("AWS_", "S3_")) or name == "HOME" or name.lower().endswith("_proxy"))
        and name not in _ROTATED
    }


def invalid_config(error: Exception) -> InvalidConfig:
    """The error for a configuration that the SDK rejects."""
    return InvalidConfig(f"the SDK rejects this configuration: {error}")


def _preload(session: "SDKSession") -> None:
    """Load the data files of a client on a thread, so that creating the client reads no file in the event loop."""
    register(session.get_component("event_emitter"))
    loader = session.get_component("data_loader")
    loader.load_service_model("s3", "service-2")
    loader.load_service_model("s3", "endpoint-rule-set-1")
    for data in ("partitions", "endpoints", "sdk-default-configuration"):
        loader.load_data(data)
