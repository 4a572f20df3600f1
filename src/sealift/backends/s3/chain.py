"""The SDK's chain of credential providers, each of which reads the given environment. Imports the SDK (0.4 s).

The order is the SDK's own, as in `aiobotocore.credentials.create_credential_resolver`.
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
from aiobotocore.utils import AioContainerMetadataFetcher, AioInstanceMetadataFetcher, create_nested_client
from botocore.utils import JSONFileCache, resolve_imds_endpoint_mode

from .settings import expand

__all__ = ["resolver"]

# Seconds before their end at which an instance's credentials are renewed, as the SDK does.
_EARLY = 15 * 60


def resolver(session: Any, environ: Mapping[str, str], http_session: Callable[..., Any], *, region: str | None) -> Any:
    """The chain for a session.

    Args:
        session: Whose profile and settings count.
        environ: The environment variables.
        http_session: Makes the HTTP client for metadata services.
        region: Where STS is asked.
    """
    profile = session.get_config_variable("profile") or "default"
    chosen = session.instance_variables().get("profile") is not None  # then the environment's keys do not count
    environment, container = AioEnvProvider(environ=environ), _container(environ, http_session)
    metadata = _metadata(session, environ, http_session)
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
            *([] if chosen else [environment]),
            role,
            *builder.providers(profile_name=profile, disable_env_vars=chosen),
            AioOriginalEC2Provider(environ=_path(environ, "AWS_CREDENTIAL_FILE")),
            _boto(environ),
            container,
            metadata,
        ]
    )


class _ProfileProviders(AioProfileProviderBuilder):  # type: ignore[misc]
    """The providers of one profile, also of one that a role's profile names as its source."""

    def __init__(self, session: Any, environ: Mapping[str, str], region: str | None) -> None:
        login = environ.get("AWS_LOGIN_CACHE_DIRECTORY", "~/.aws/login/cache")
        super().__init__(
            session,
            cache={},
            region_name=region,
            sso_token_cache=_cache("~/.aws/sso/cache", environ),
            login_token_cache=_cache(login, environ),
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


def _cache(directory: str, environ: Mapping[str, str]) -> Any:
    """The tokens that a login has left in a directory of the home; in memory without a home."""
    path = expand(directory, environ)
    return JSONFileCache(path) if path else {}


def _path(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """One variable that names a file, with the path that it means."""
    return {name: expand(environ[name], environ)} if name in environ else {}


def _boto(environ: Mapping[str, str]) -> Any:
    """The files of boto 2."""
    provider = AioBotoProvider(environ=_path(environ, "BOTO_CONFIG"))
    provider.DEFAULT_CONFIG_FILENAMES = ["/etc/boto.cfg", expand("~/.boto", environ)]
    return provider


def _container(environ: Mapping[str, str], http_session: Callable[..., Any]) -> Any:
    fetcher = AioContainerMetadataFetcher(session=http_session(timeout=AioContainerMetadataFetcher.TIMEOUT_SECONDS))
    return AioContainerProvider(environ=environ, fetcher=fetcher)


def _metadata(session: Any, environ: Mapping[str, str], http_session: Callable[..., Any]) -> Any:
    """The provider that asks EC2's metadata service."""
    timeout = session.get_config_variable("metadata_service_timeout")
    fetcher = AioInstanceMetadataFetcher(
        timeout=timeout,
        num_attempts=session.get_config_variable("metadata_service_num_attempts"),
        env=environ,
        user_agent=session.user_agent(),
        config={
            "ec2_metadata_service_endpoint": session.get_config_variable("ec2_metadata_service_endpoint"),
            "ec2_metadata_service_endpoint_mode": resolve_imds_endpoint_mode(session),
            "ec2_credential_refresh_window": _EARLY,
            "ec2_metadata_v1_disabled": session.get_config_variable("ec2_metadata_v1_disabled"),
        },
        session=http_session(timeout=timeout),
    )
    return AioInstanceMetadataProvider(iam_role_fetcher=fetcher)
