"""`ConfigMap`: which of several configurations applies to which URI."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..errors import InvalidConfig, InvalidURI
from ..uri import Location, parse
from .azure import AzureConfig
from .gcs import GCSConfig
from .git import GitConfig
from .hdfs import HDFSConfig
from .http import HTTPConfig
from .huggingface import HFConfig
from .modelscope import ModelScopeConfig
from .oci import OCIConfig
from .pvc import PVCConfig
from .s3 import S3Config

__all__ = ["ConfigMap", "StorageConfig", "StorageConfigs", "check_config"]

StorageConfig = (
    S3Config
    | GCSConfig
    | AzureConfig
    | HTTPConfig
    | HFConfig
    | PVCConfig
    | ModelScopeConfig
    | GitConfig
    | HDFSConfig
    | OCIConfig
)
# What `AsyncStorage` and `configure` take: one configuration, several, or one for each URI prefix.
StorageConfigs = StorageConfig | Sequence[StorageConfig] | Mapping[str, StorageConfig]

_BY_SCHEME: dict[str, type[StorageConfig]] = {
    "s3": S3Config,
    "gs": GCSConfig,
    "azure": AzureConfig,
    "http": HTTPConfig,
    "https": HTTPConfig,
    "hf": HFConfig,
    "oci": OCIConfig,
    "pvc": PVCConfig,
    "modelscope": ModelScopeConfig,
    "git+https": GitConfig,
    "git+http": GitConfig,
    "hdfs": HDFSConfig,
    "webhdfs": HDFSConfig,
    "swebhdfs": HDFSConfig,
}
# Completes a prefix to a URI that can be parsed: a valid name in all services.
_NAME = "example"
_FORMS = "one configuration, a list of them, or a mapping from URI prefixes such as 's3://bucket/'"


class ConfigMap:
    """The configurations of an instance, by scheme or URI prefix.

    Args:
        config: One configuration, for all URIs of its service; several, of different services; or a mapping from URI
            prefixes to configurations. A prefix is a scheme ("s3://"), or a URI ("s3://backup/", "hf://owner",
            "https://example.com/models/"), which stands for itself and everything below it: "s3://b/team" applies to
            "s3://b/team/x", not to "s3://b/team-2". An account of Azure is "https://ACCOUNT.blob.core.windows.net/".

    Attributes:
        given: An unchangeable copy of the argument.

    Raises:
        InvalidConfig: A value is not a configuration or is for another service, a prefix is not a URI, or two
            configurations are for the same URIs.
    """

    def __init__(self, config: StorageConfigs | None) -> None:
        self.given: StorageConfigs | None = config
        self._by_prefix: dict[str, StorageConfig] = {}
        if config is None:
            return
        if isinstance(config, Mapping):
            self.given = dict(config)
            for prefix, each in config.items():
                if not isinstance(each, StorageConfig):
                    raise _not_a_configuration(each)
                self._add(prefix, each)
            return
        if not isinstance(config, StorageConfig):
            given: object = config
            if isinstance(given, str | bytes) or not isinstance(given, Sequence):
                raise _not_a_configuration(given)
            self.given = config = tuple(config)
        for each in config if isinstance(config, tuple) else (config,):
            schemes = [scheme for scheme, kind in _BY_SCHEME.items() if isinstance(each, kind)]
            if not schemes:
                raise _not_a_configuration(each)
            for scheme in schemes:
                self._add(f"{scheme}://", each, hint="pass a mapping from URI prefixes, such as {'s3://bucket/': …}")

    def find(self, location: Location) -> StorageConfig | None:
        """Return the configuration with the longest prefix that contains a location; None if there is none."""
        if not self._by_prefix:
            return None
        names = {str(location), str(replace(location, revision=None))}  # a prefix may leave the revision open
        if location.scheme == "oci":  # whose keys always follow a revision
            names.add(str(replace(location, key="", revision=None)))
        matching = [prefix for prefix in self._by_prefix if _contains(prefix, location.scheme, names)]
        return self._by_prefix[max(matching, key=len)] if matching else None

    def _add(self, text: str, config: StorageConfig, hint: str | None = None) -> None:
        prefix, scheme = _parse_prefix(text)
        try:
            check_config(config, scheme)
        except InvalidConfig as error:
            error.uri = prefix
            raise
        if prefix in self._by_prefix:
            raise InvalidConfig(f"two configurations for {prefix}", hint=hint)
        self._by_prefix[prefix] = config


def check_config(config: object, scheme: str) -> None:
    """Check that a configuration is one for the URIs of a scheme.

    Args:
        config: What the caller passed as a configuration.
        scheme: The scheme; for "file", any configuration is accepted, and not used.

    Raises:
        InvalidConfig: It is not.
    """
    name, wanted = type(config).__name__, _BY_SCHEME.get(scheme)
    if isinstance(config, wanted or StorageConfig):
        return
    several: Iterable[object] = ()
    if isinstance(config, Mapping):
        several = config.values()
    elif isinstance(config, list | tuple):
        several = config
    if any(isinstance(each, StorageConfig) for each in several):
        hint = "one call takes one configuration; pass several to AsyncStorage(config=…) or sealift.configure"
        raise InvalidConfig(f"{name} is not a configuration", hint=hint)
    if wanted is None:
        raise InvalidConfig(f"{name} is not a configuration", hint="pass a configuration such as S3Config, or None")
    article = "a" if wanted in {GCSConfig, PVCConfig, GitConfig, ModelScopeConfig} else "an"
    raise InvalidConfig(f"{name} is not for {scheme}://", hint=f"pass {article} {wanted.__name__}")


def _not_a_configuration(value: object) -> InvalidConfig:
    name = type(value).__name__
    return InvalidConfig(
        f"{name} is not a configuration", hint="pass it as limits=" if name == "Limits" else f"pass {_FORMS}"
    )


def _parse_prefix(text: object) -> tuple[str, str]:
    """Return a prefix in the form in which a `Location` is written, and its scheme.

    Raises:
        InvalidConfig: It is not the beginning of a URI; the message shows no credentials.
    """
    if not isinstance(text, str):
        raise InvalidConfig(f"a URI prefix must be a str, not {type(text).__name__}", hint=f"pass {_FORMS}")
    scheme, separator, rest = text.partition("://")
    scheme, root, completed = scheme.lower(), rest.rstrip("/"), text
    if separator and not root and scheme != "file":
        completed = f"{scheme}://{_NAME}/{_NAME}"
    elif "/" not in root and scheme in {"http", "https", "git+http", "git+https", "oci"}:
        # The URL of an Azure account must name a container, and a Git server or a registry is followed by a repository.
        completed = f"{scheme}://{root}/{_NAME}"
    try:
        location = parse(completed)
    except InvalidURI as error:
        where = f"{error.uri.removesuffix(f'/{_NAME}')}: " if error.uri and root else ""
        raise InvalidConfig(f"{where}{error.cause}", hint=error.hint) from None
    if location.scheme == "file":
        raise InvalidConfig("a local path needs no configuration", hint=f"pass {_FORMS}")
    if location.query or location.login:
        part = "query" if location.query else "login"
        raise InvalidConfig(f"the URI prefix {location} has a {part}", hint=f"remove the {part}")
    if not root:
        return f"{location.scheme}://", location.scheme
    prefix = str(location)
    if completed is not text:
        prefix = prefix.removesuffix("/").removesuffix(_NAME)
    return prefix, location.scheme


def _contains(prefix: str, scheme: str, names: set[str]) -> bool:
    """Whether a location is one of the prefix, or below it.

    Args:
        prefix: The prefix.
        scheme: Scheme of the location; it is not always that of its text, for example in URLs of Azure.
        names: The location as text, in one or more forms.
    """
    if prefix.endswith("://"):
        return prefix == f"{scheme}://"
    base = prefix.removesuffix("/")
    return any(name == base or name.startswith(f"{base}/") for name in names)
