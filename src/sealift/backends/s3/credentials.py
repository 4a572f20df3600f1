"""Whose signature requests carry: the keys that were given, or the first that the SDK's chain finds."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from ...config import S3Config
from ...errors import AccessDenied, InvalidConfig
from ...instance import Instance
from ...runtime.sdk_logging import suppress_logs
from .sdk import fingerprint, refused
from .signature import Credentials

if TYPE_CHECKING:
    from .sdk_session import Session

__all__ = ["from_chain", "given"]

Ask = Callable[[], Awaitable[Credentials]]
# Neither headers nor signatures can contain these; lone surrogates are bytes of the environment that are not UTF-8.
_UNUSABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def given(config: S3Config, environ: Mapping[str, str]) -> Ask | None:
    """The key pair of the configuration, or of the environment where the SDK would say nothing else; None: neither.

    Raises:
        InvalidConfig: A part of it is empty, or contains a control character.
    """
    if config.access_key_id is not None and config.secret_access_key is not None:
        return _constant(_checked(config.access_key_id, config.secret_access_key, config.session_token))
    access, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    for_the_sdk = "AWS_CREDENTIAL_EXPIRATION" in environ or "AWS_SECURITY_TOKEN" in environ
    if not access or not secret or for_the_sdk:
        return None
    return _constant(_checked(access, secret, environ.get("AWS_SESSION_TOKEN")))


async def from_chain(session: "Session", config: S3Config, instance: Instance) -> Ask:
    """The key pair of the configuration, or the first credentials of the SDK's chain.

    Those that renew themselves are kept while the environment and the shared files stay the same: roles and metadata
    services are asked once. Others may have changed since the last call.

    Raises:
        AccessDenied: There are none.
        InvalidConfig: The SDK refuses a setting.
    """
    from botocore.credentials import RefreshableCredentials  # noqa: PLC0415 - loaded by now
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    if (own := given(config, {})) is not None:
        return own
    state = fingerprint(session, rotated=True)
    kept, found = instance.credentials.get(config, (None, None))
    if kept != state:
        try:
            with suppress_logs():
                found = await session.get_credentials()
        except (BotoCoreError, ClientError, ValueError) as error:
            raise refused(error) from None
        except Exception as error:  # noqa: BLE001 - what a provider raises for a reply of an unknown form
            cause = f"the credentials for S3 cannot be read: {_reason(error)}"
            raise AccessDenied(cause, hint="check the output of credential_process and the shared files") from None
        if found is None:
            raise AccessDenied(
                "no credentials for S3 were found",
                hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, pass S3Config(…), or S3Config(anonymous=True)",
            )
        if isinstance(found, RefreshableCredentials):
            instance.credentials[config] = state, found

    async def frozen() -> Credentials:
        try:
            with suppress_logs():
                keys = await found.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 - each of the SDK's providers has errors of its own
            raise AccessDenied(f"the credentials could not be renewed: {_reason(error)}") from None
        return _checked(keys.access_key, keys.secret_key, keys.token)

    return frozen


def _reason(error: Exception) -> str:
    """What an error says of a file; of others only the kind, because their texts may quote a secret."""
    return (
        f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else type(error).__name__
    )


def _checked(access_key: str, secret_key: str, token: str | None) -> Credentials:
    parts = {"access key ID": access_key, "secret access key": secret_key, "session token": token or None}
    for name, value in parts.items():
        if value is not None and (not value or _UNUSABLE.search(value)):
            cause = "contains a control character or a byte that is not UTF-8" if value else "is empty"
            raise InvalidConfig(
                f"the {name} for S3 {cause}", hint="is there a line break at its end?" if value else None
            )
    return Credentials(access_key, secret_key, token or None)


def _constant(credentials: Credentials) -> Ask:
    async def ask() -> Credentials:
        return credentials

    return ask
