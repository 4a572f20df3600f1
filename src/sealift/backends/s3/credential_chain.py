"""Build the SDK's credential chain for one environment. Imports the SDK (0.4 s).

The providers are in the SDK's own order, as in `aiobotocore.credentials.create_credential_resolver`.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from aiobotocore.credentials import (
    AioAssumeRoleProvider,
    AioAssumeRoleWithWebIdentityProvider,
    AioBotoProvider,
    AioCanonicalNameCredentialSourcer,
    AioContainerProvider,
    AioCredentialResolver,
    AioEnvProvider,
    AioInstanceMetadataProvider,
    AioOriginalEC2Provider,
    AioProcessProvider,
    AioProfileProviderBuilder,
)
from aiobotocore.utils import AioContainerMetadataFetcher, create_nested_client
from botocore.utils import JSONFileCache, resolve_imds_endpoint_mode

from .instance_metadata import InstanceMetadata
from .settings import expand_path

__all__ = ["credential_resolver"]

# Seconds before expiry at which an EC2 instance's credentials are renewed, as in the SDK.
_RENEW_BEFORE = 15 * 60


def credential_resolver(
    session: Any, environ: Mapping[str, str], http_session: Callable[..., Any], *, region: str | None
) -> Any:
    """Build the credential chain of a session.

    Args:
        session: The session; provides the profile and its settings.
        environ: The environment variables.
        http_session: Creates the HTTP client for metadata services.
        region: Region of the STS endpoint.
    """
    profile = session.get_config_variable("profile") or "default"
    # An explicit profile takes precedence over the keys in the environment.
    explicit_profile = session.instance_variables().get("profile") is not None
    environment, container = AioEnvProvider(environ=environ), _container_provider(environ, http_session)
    metadata = _instance_metadata_provider(session, environ, http_session)
    builder = _ProfileProviders(session, environ, region)
    role = AioAssumeRoleProvider(
        load_config=lambda: session.full_config,
        client_creator=_client_creator(session, region),
        cache={},
        profile_name=profile,
        credential_sourcer=AioCanonicalNameCredentialSourcer([environment, container, metadata]),
        profile_provider_builder=builder,
    )
    return AioCredentialResolver(
        providers=[
            *([] if explicit_profile else [environment]),
            role,
            *builder.providers(profile_name=profile, disable_env_vars=explicit_profile),
            AioOriginalEC2Provider(environ=_path_variable(environ, "AWS_CREDENTIAL_FILE")),
            _boto2_provider(environ),
            container,
            metadata,
        ]
    )


class _ProfileProviders(AioProfileProviderBuilder):  # type: ignore[misc]
    """The providers of one profile, or of the source profile of a role."""

    def __init__(self, session: Any, environ: Mapping[str, str], region: str | None) -> None:
        login = environ.get("AWS_LOGIN_CACHE_DIRECTORY", "~/.aws/login/cache")
        super().__init__(
            session,
            cache={},
            region_name=region,
            sso_token_cache=_token_cache("~/.aws/sso/cache", environ),
            login_token_cache=_token_cache(login, environ),
        )
        self._environ = environ

    def _create_process_provider(self, profile_name: str) -> Any:
        return AioProcessProvider(
            profile_name=profile_name,
            load_config=lambda: self._session.full_config,
            popen=partial(asyncio.create_subprocess_exec, env=dict(self._environ)),
        )

    def _create_web_identity_provider(self, profile_name: str, disable_env_vars: bool) -> Any:
        return _WebIdentity(
            self._environ,
            load_config=lambda: self._session.full_config,
            client_creator=_client_creator(self._session, self._region_name),
            cache=self._cache,
            profile_name=profile_name,
            disable_env_vars=disable_env_vars,
        )


class _WebIdentity(AioAssumeRoleWithWebIdentityProvider):  # type: ignore[misc]
    def __init__(self, environ: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._environ = environ

    def _get_env_config(self, key: str) -> str | None:
        return None if self._disable_env_vars else self._environ.get(self._CONFIG_TO_ENV_VAR.get(key, ""))


def _client_creator(session: Any, region: str | None) -> Callable[..., Any]:
    return lambda service, **kwargs: create_nested_client(session, service, **{"region_name": region, **kwargs})


def _token_cache(directory: str, environ: Mapping[str, str]) -> Any:
    """The cache of login tokens in a directory; in memory if there is no home directory."""
    path = expand_path(directory, environ)
    return JSONFileCache(path) if path else {}


def _path_variable(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """A mapping with one variable that contains a path, with the path expanded."""
    return {name: expand_path(environ[name], environ)} if name in environ else {}


def _boto2_provider(environ: Mapping[str, str]) -> Any:
    """The provider that reads the configuration files of boto 2."""
    provider = AioBotoProvider(environ=_path_variable(environ, "BOTO_CONFIG"))
    provider.DEFAULT_CONFIG_FILENAMES = ["/etc/boto.cfg", expand_path("~/.boto", environ)]
    return provider


def _container_provider(environ: Mapping[str, str], http_session: Callable[..., Any]) -> Any:
    fetcher = AioContainerMetadataFetcher(session=http_session(timeout=AioContainerMetadataFetcher.TIMEOUT_SECONDS))
    return AioContainerProvider(environ=environ, fetcher=fetcher)


def _instance_metadata_provider(session: Any, environ: Mapping[str, str], http_session: Callable[..., Any]) -> Any:
    """The provider that queries the EC2 instance metadata service."""
    timeout = session.get_config_variable("metadata_service_timeout")
    fetcher = session.instance_metadata = InstanceMetadata(
        expected=session.on_ec2 or bool(session.get_config_variable("ec2_metadata_service_endpoint")),
        patience=session.patience,
        timeout=timeout,
        num_attempts=session.get_config_variable("metadata_service_num_attempts"),
        env=environ,
        user_agent=session.user_agent(),
        config={
            "ec2_metadata_service_endpoint": session.get_config_variable("ec2_metadata_service_endpoint"),
            "ec2_metadata_service_endpoint_mode": resolve_imds_endpoint_mode(session),
            "ec2_credential_refresh_window": _RENEW_BEFORE,
            "ec2_metadata_v1_disabled": session.get_config_variable("ec2_metadata_v1_disabled"),
        },
        session=http_session(timeout=timeout),
    )
    return AioInstanceMetadataProvider(iam_role_fetcher=fetcher)
