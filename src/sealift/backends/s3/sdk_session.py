"""Isolate an SDK session to one environment. Imports the SDK (0.4 s).

The SDK reads `os.environ` in its configuration chain, its credential providers, its HTTP client and its caches. This
session replaces each of them with one that reads a given mapping: two tenants in one process never see each other's
settings, nor those of the process.
"""

import math
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from botocore.configprovider import (
    BOTOCORE_DEFAUT_SESSION_VARIABLES,
    DEFAULT_S3_CONFIG_VARS,
    ConfigChainFactory,
    ConfiguredEndpointProvider,
    ConfigValueStore,
    ConstantProvider,
    SectionConfigProvider,
)
from botocore.exceptions import ConfigParseError, ProfileNotFound
from botocore.httpsession import ProxyConfiguration
from botocore.loaders import Loader
from botocore.tokens import TokenProviderChain

from ...config import Proxies, S3Config
from ...config.user_agent import user_agent
from ...errors import InvalidConfig
from ...runtime.cloud_machine import cloud_of_machine
from ...wire import Origin, proxy_for
from .credential_chain import credential_resolver
from .settings import (
    DEFAULT_REGION,
    Settings,
    expand_path,
    parse_attempts,
    region_of_endpoint,
    shared_files,
    tls_settings,
    upload_checksum,
)

if TYPE_CHECKING:
    from .instance_metadata import InstanceMetadata

__all__ = ["SDKSession", "settings_from_session"]

# Seconds to wait for token services.
_CONNECT_TIMEOUT = 10
_READ_TIMEOUT = 30


class SDKSession(AioSession):  # type: ignore[misc]
    """An SDK session for one environment.

    Args:
        environ: The environment variables, read when a value is needed.
        profile: Profile of the shared files; None: `AWS_PROFILE`, or the default profile.
        region: Region of the STS endpoint; None: the one of the environment or the profile.

    Attributes:
        patience: Seconds that a metadata service is waited for.
        on_ec2: Whether this machine is an EC2 instance.
        instance_metadata: The client of its metadata service, once the credential chain exists.

    Raises:
        InvalidConfig: The profile does not exist, or a file cannot be parsed.
    """

    def __init__(self, environ: Mapping[str, str], profile: str | None, region: str | None) -> None:
        self.environ = environ
        self.patience = math.inf
        self.on_ec2 = cloud_of_machine() == "aws"
        self.instance_metadata: InstanceMetadata | None = None
        super().__init__(profile=profile)
        self.user_agent_extra += f" {user_agent(environ)}"
        if region is not None:
            self.set_config_variable("region", region)
        try:
            self.get_scoped_config()
        except ProfileNotFound as error:
            files = " or ".join(filter(None, shared_files(environ))) or "~/.aws, because HOME is not set"
            raise InvalidConfig(
                f"the profile {error.kwargs['profile']!r} is not in {files}",
                hint="check its name, AWS_PROFILE, AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE",
            ) from None
        except ConfigParseError as error:
            raise InvalidConfig(f"the file {error.kwargs['path']} cannot be parsed", hint="check its syntax") from None

    @property
    def ca_bundle(self) -> str | None:
        """Path of the CA bundle in the environment or the profile."""
        path = self.get_config_variable("ca_bundle") or self.environ.get("REQUESTS_CA_BUNDLE")
        return expand_path(path, self.environ) if path else None

    def endpoint(self, service: str) -> str | None:
        """The endpoint URL of a service in the environment or the profile; None: Amazon's endpoint."""
        if self.get_config_variable("ignore_configured_endpoint_urls"):
            return None
        url: str | None = self._endpoint_provider(service).provide()
        return url

    def create_client(
        self, *args: Any, config: AioConfig | None = None, verify: bool | str | None = None, **kwargs: Any
    ) -> Any:
        # The mode "auto" would query the metadata service for this machine's region. sealift retries by itself.
        legacy = AioConfig(
            defaults_mode="legacy",
            connect_timeout=_CONNECT_TIMEOUT,
            read_timeout=_READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        config = legacy if config is None else legacy.merge(config)
        config.http_session_cls = http_session_class(self.environ)  # older versions lose it in merge()
        if verify is None:
            verify = self.ca_bundle or True
        return super().create_client(*args, config=config, verify=verify, **kwargs)

    # The SDK calls the methods below when it creates a session, or first needs a component.

    def _register_config_store(self) -> None:
        factory = ConfigChainFactory(session=self, environ=self.environ)

        def chains(table: Mapping[str, Any]) -> dict[str, Any]:
            return {
                name: factory.create_config_chain(
                    instance_name=name,
                    env_var_names=variables,
                    config_property_names=properties,
                    default=default,
                    conversion_func=convert,
                )
                for name, (properties, variables, default, convert) in table.items()
            }

        store = chains(BOTOCORE_DEFAUT_SESSION_VARIABLES)
        store |= chains({"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)})
        store["s3"] = SectionConfigProvider("s3", self, chains(DEFAULT_S3_CONFIG_VARS))
        store["config_file"], store["credentials_file"] = map(ConstantProvider, shared_files(self.environ))
        self._components.register_component("config_store", ConfigValueStore(mapping=store))

    def _register_data_loader(self) -> None:
        custom = self.environ.get("AWS_DATA_PATH", "").split(os.pathsep)
        expanded = [expand_path(path, self.environ) for path in [*custom, "~/.aws/models"] if path]
        paths = [*filter(None, expanded), Loader.BUILTIN_DATA_PATH]
        self._components.lazy_register_component("data_loader", lambda: _loader(tuple(paths)))

    def _create_token_resolver(self) -> Any:
        return TokenProviderChain(providers=[])  # S3, STS and SSO do not use the session's bearer tokens

    def _create_credential_resolver(self) -> Any:
        region = self.get_config_variable("region") or DEFAULT_REGION
        return credential_resolver(self, self.environ, http_session_class(self.environ), region=region)

    def _add_configured_endpoint_provider(self, client_name: str, config_store: Any) -> None:
        config_store.set_config_provider("endpoint_url", self._endpoint_provider(client_name))

    def _endpoint_provider(self, service: str) -> Any:
        return ConfiguredEndpointProvider(
            full_config=self.full_config,
            scoped_config=self.get_scoped_config(),
            client_name=service,
            environ=self.environ,
        )


@lru_cache(maxsize=8)
def _loader(paths: tuple[str, ...]) -> Loader:
    """The loader of the SDK's data files, shared by all sessions, because reading them takes 0.2 s."""
    return Loader(extra_search_paths=list(paths), include_default_search_paths=False)


def settings_from_session(session: SDKSession, config: S3Config) -> Settings:
    """Combine a configuration with the environment and the profile of a session. The first call reads files."""
    endpoint = config.endpoint_url or session.endpoint("s3")
    section = session.get_config_variable("s3") or {}
    style = config.addressing_style
    return Settings(
        region=config.region or session.get_config_variable("region") or region_of_endpoint(endpoint) or DEFAULT_REGION,
        endpoint_url=endpoint,
        addressing_style=section.get("addressing_style", "auto") if style == "auto" else style,
        tls=tls_settings(config, session.ca_bundle),
        checksum=upload_checksum(config, session.get_config_variable("request_checksum_calculation")),
        attempts=parse_attempts(
            session.environ.get("AWS_MAX_ATTEMPTS") or session.get_scoped_config().get("max_attempts") or None
        ),
        special_endpoint=any(
            (
                config.accelerate,
                section.get("use_accelerate_endpoint"),
                section.get("use_dualstack_endpoint"),
                session.get_config_variable("use_dualstack_endpoint"),
                session.get_config_variable("use_fips_endpoint"),
            )
        ),
    )


def http_session_class(environ: Mapping[str, str]) -> type[AIOHTTPSession]:
    """The SDK's HTTP client class, with the proxies of one environment."""
    agent = user_agent(environ)

    class HTTPSession(AIOHTTPSession):  # type: ignore[misc]
        def __init__(self, *args: Any, proxies: Any = None, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._timeout_seconds = kwargs.get("timeout")
            self._proxy_config = _ProxyConfiguration(environ)

        async def send(self, request: Any) -> Any:
            request.headers.setdefault("User-Agent", agent)  # requests to metadata services have none
            return await super().send(request)

        @asynccontextmanager
        async def acquire(self) -> AsyncIterator[AIOHTTPSession]:
            """Open a client for one exchange with a metadata service."""
            async with HTTPSession(timeout=self._timeout_seconds) as session:
                yield session

    return HTTPSession


class _ProxyConfiguration(ProxyConfiguration):  # type: ignore[misc]
    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__()
        self._environ = environ

    def proxy_url_for(self, url: str) -> str | None:
        return proxy_for(Origin.of(url), Proxies.from_env(self._environ))
