"""The SDK's session, which takes every setting and credential from a given environment. Imports the SDK (0.4 s).

The SDK reads `os.environ` in its configuration chain, its credential providers, its HTTP client and its caches. Each of
these is replaced here by one that reads the given mapping: two tenants in one process never see each other's settings,
nor those of the process.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

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
from ...errors import InvalidConfig
from ...wire import Origin, proxy_for
from .chain import resolver
from .settings import DEFAULT_REGION, Settings, attempts_of, checksum_of, expand, region_in, shared_files, tls_of

__all__ = ["Session", "settings_of"]


class Session(AioSession):  # type: ignore[misc]
    """An SDK session for one environment.

    Args:
        environ: The environment variables; read when a value is needed.
        profile: Of the shared files; None: `AWS_PROFILE`, or the default one.
        region: Where STS is asked; None: what the environment or the profile says.

    Raises:
        InvalidConfig: The profile does not exist, or a file cannot be parsed.
    """

    def __init__(self, environ: Mapping[str, str], profile: str | None, region: str | None) -> None:
        self.environ = environ
        super().__init__(profile=profile)
        if region is not None:
            self.set_config_variable("region", region)
        try:
            self.get_scoped_config()
        except ProfileNotFound as error:
            where = " or ".join(filter(None, shared_files(environ))) or "~/.aws, because HOME is not set"
            raise InvalidConfig(
                f"the profile {error.kwargs['profile']!r} is not in {where}",
                hint="check its name, AWS_PROFILE, AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE",
            ) from None
        except ConfigParseError as error:
            raise InvalidConfig(f"the file {error.kwargs['path']} cannot be parsed", hint="check its syntax") from None

    @property
    def ca_bundle(self) -> str | None:
        """The file of trusted authorities that the environment or the profile names."""
        path = self.get_config_variable("ca_bundle") or self.environ.get("REQUESTS_CA_BUNDLE")
        return expand(path, self.environ) if path else None

    def endpoint(self, service: str) -> str | None:
        """The address that the environment or the profile gives for a service; None: Amazon's."""
        if self.get_config_variable("ignore_configured_endpoint_urls"):
            return None
        url: str | None = self._endpoint_provider(service).provide()
        return url

    def create_client(
        self, *args: Any, config: AioConfig | None = None, verify: bool | str | None = None, **kwargs: Any
    ) -> Any:
        # Of the other modes of defaults, one asks a metadata service where this machine is.
        own = AioConfig(defaults_mode="legacy")
        config = own if config is None else own.merge(config)
        config.http_session_cls = http_session(self.environ)  # older versions lose it when they merge
        if verify is None:
            verify = self.ca_bundle or True
        return super().create_client(*args, config=config, verify=verify, **kwargs)

    # From here on, what the SDK calls while a session is made, and when it first needs a component.

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
        own = [expand(path, self.environ) for path in self.environ.get("AWS_DATA_PATH", "").split(os.pathsep) if path]
        home = expand("~/.aws/models", self.environ)
        paths = [*own, *([home] if home else []), Loader.BUILTIN_DATA_PATH]
        self._components.lazy_register_component("data_loader", lambda: _loader(tuple(paths)))

    def _create_token_resolver(self) -> Any:
        return TokenProviderChain(providers=[])  # S3, STS and SSO take no bearer tokens of the session

    def _create_credential_resolver(self) -> Any:
        return resolver(
            self, self.environ, http_session(self.environ), region=self.get_config_variable("region") or DEFAULT_REGION
        )

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
    """The SDK's data in these directories, which every session shares: reading it takes 0.2 s."""
    return Loader(extra_search_paths=list(paths), include_default_search_paths=False)


def settings_of(session: Session, config: S3Config) -> Settings:
    """The settings of a configuration and of a session's environment and profile. Blocking, the first time."""
    endpoint = config.endpoint_url or session.endpoint("s3")
    section = session.get_config_variable("s3") or {}
    style = config.addressing_style
    return Settings(
        region=config.region or session.get_config_variable("region") or region_in(endpoint) or DEFAULT_REGION,
        endpoint_url=endpoint,
        addressing_style=section.get("addressing_style", "auto") if style == "auto" else style,
        tls=tls_of(config, session.ca_bundle),
        checksum=checksum_of(config, session.get_config_variable("request_checksum_calculation")),
        attempts=attempts_of(
            session.environ.get("AWS_MAX_ATTEMPTS") or session.get_scoped_config().get("max_attempts") or None
        ),
        variant=any(
            (
                section.get("use_accelerate_endpoint"),
                section.get("use_dualstack_endpoint"),
                session.get_config_variable("use_dualstack_endpoint"),
                session.get_config_variable("use_fips_endpoint"),
            )
        ),
    )


def http_session(environ: Mapping[str, str]) -> type[AIOHTTPSession]:
    """The SDK's HTTP client, with the proxies of the given environment."""

    class HTTPSession(AIOHTTPSession):  # type: ignore[misc]
        def __init__(self, *args: Any, proxies: Any = None, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._seconds = kwargs.get("timeout")
            self._proxy_config = _Proxied(environ)

        @asynccontextmanager
        async def acquire(self) -> AsyncIterator[AIOHTTPSession]:
            """A client for one exchange with a metadata service."""
            async with HTTPSession(timeout=self._seconds) as session:
                yield session

    return HTTPSession


class _Proxied(ProxyConfiguration):  # type: ignore[misc]
    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__()
        self._environ = environ

    def proxy_url_for(self, url: str) -> str | None:
        return proxy_for(Origin.of(url), Proxies.from_env(self._environ))
