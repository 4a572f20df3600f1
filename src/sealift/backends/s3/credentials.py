"""Find the credentials that sign requests: an explicit key pair, or the first that the SDK's credential chain finds."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...config import S3Config
from ...errors import AccessDenied, InvalidConfig
from ...instance import Instance
from .signature import Credentials

if TYPE_CHECKING:
    from .sdk_session import SDKSession

__all__ = ["CredentialSource", "chain_credentials", "static_credentials"]

CredentialSource = Callable[[], Awaitable[Credentials]]
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def static_credentials(config: S3Config, environ: Mapping[str, str]) -> CredentialSource | None:
    """The key pair of the configuration, or of the environment if the SDK would use the same; None: neither.

    Raises:
        InvalidConfig: A field is empty, or contains a control character.
    """
    if config.access_key_id is not None and config.secret_access_key is not None:
        return _constant(_checked(config.access_key_id, config.secret_access_key, config.session_token))
    access, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    needs_sdk = "AWS_CREDENTIAL_EXPIRATION" in environ or "AWS_SECURITY_TOKEN" in environ
    if not access or not secret or needs_sdk:
        return None
    return _constant(_checked(access, secret, environ.get("AWS_SESSION_TOKEN")))


async def chain_credentials(session: "SDKSession", config: S3Config, instance: Instance) -> CredentialSource:
    """The key pair of the configuration, or the first credentials of the SDK's chain.

    Credentials that renew themselves are cached while the environment and the shared files stay the same, so that roles
    and metadata services are queried once. Other credentials are read at each call, because they may have changed.

    Raises:
        AccessDenied: No credentials were found, or the service that provides them refused.
        InvalidConfig: The SDK rejects a setting.
        TransportError: The service that provides them does not answer.
    """
    from botocore.credentials import RefreshableCredentials  # noqa: PLC0415 - loaded by now

    from ...runtime.sdk_logging import suppress_logs  # noqa: PLC0415
    from .credential_errors import credential_error  # noqa: PLC0415
    from .lazy_sdk import fingerprint  # noqa: PLC0415

    if (static := static_credentials(config, {})) is not None:
        return static
    profile = session.get_config_variable("profile")

    async def ask(provide: Callable[[], Awaitable[Any]]) -> Any:
        try:
            with suppress_logs():
                return await provide()
        except Exception as error:  # noqa: BLE001 - each SDK provider raises its own types
            failure = credential_error(error, profile)
        raise failure  # outside the block: the SDK's error, which may quote a secret, is not its context

    state = fingerprint(session, rotated=True)
    cached_state, credentials = instance.credentials.get(config, (None, None))
    if cached_state != state:
        credentials = await instance.retry(lambda: ask(session.get_credentials))
        if credentials is None:
            raise _none_found(session)
        if isinstance(credentials, RefreshableCredentials):
            instance.credentials[config] = state, credentials

    async def frozen() -> Credentials:
        keys = await ask(credentials.get_frozen_credentials)
        return _checked(keys.access_key, keys.secret_key, keys.token)

    return frozen


def _none_found(session: "SDKSession") -> AccessDenied:
    cause, metadata = "no credentials for S3 were found", session.instance_metadata
    if session.on_ec2 and metadata is not None and metadata.unanswered:
        cause += ", and the instance metadata service does not answer"
    return AccessDenied(
        cause,
        hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, pass S3Config(…), or S3Config(anonymous=True)",
    )


def _checked(access_key: str, secret_key: str, token: str | None) -> Credentials:
    fields = {"access key ID": access_key, "secret access key": secret_key, "session token": token or None}
    for name, value in fields.items():
        if value is not None and not _is_usable(value):
            cause = "contains a control character or a byte that is not UTF-8" if value else "is empty"
            raise InvalidConfig(
                f"the {name} for S3 {cause}", hint="is there a line break at its end?" if value else None
            )
    return Credentials(access_key, secret_key, token or None)


def _is_usable(value: str) -> bool:
    """Whether a value is allowed in headers and signatures."""
    try:
        value.encode()
    except UnicodeEncodeError:  # lone surrogates stand for bytes of the environment that are not UTF-8
        return False
    return bool(value) and not _CONTROL.search(value)


def _constant(credentials: Credentials) -> CredentialSource:
    async def ask() -> Credentials:
        return credentials

    return ask
