"""The options of the services: endpoints, credentials and certificates, and the configurations they stand for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import click

from ..config import (
    AzureConfig,
    GCSConfig,
    GitConfig,
    HFConfig,
    HTTPConfig,
    ModelScopeConfig,
    OCIConfig,
    S3Config,
    StorageConfig,
)
from ..uri import Location

__all__ = ["SERVICE_OPTIONS", "ServiceOption", "ServiceOptions"]

# Configurations to which the options are added. Some backends fill what is None from the environment: azure, the hubs,
# Git and oci; they must not get its secrets explicitly, which would send them to another account or server.
_BASE: dict[str, Callable[[Mapping[str, str]], Any]] = {
    "s3": S3Config.from_env,
    "gs": GCSConfig.from_env,
    "azure": lambda _: AzureConfig(),
    "hf": lambda _: HFConfig(),
    "modelscope": lambda _: ModelScopeConfig(),
    "git+https": lambda _: GitConfig(),
    "oci": lambda _: OCIConfig(),
    "http": lambda _: HTTPConfig(),
}


@dataclass(frozen=True, slots=True)
class ServiceOption:
    """An option that sets a field of the configurations of some services.

    Attributes:
        flag: The option, with its dashes.
        fields: The field that it sets, by scheme; "http" stands for "https", too, and "git+https" for "git+http".
        convert: Converts the option's value to that of the field.
    """

    flag: str
    fields: Mapping[str, str]
    convert: Callable[[Any], Any] = lambda value: value


def _headers(lines: tuple[str, ...]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            # The text may be a secret: keep it out of the message.
            raise click.BadParameter("expected 'Name: value'", param_hint="--header")
        headers[name.strip()] = value.strip()
    return headers


_ALL = ("s3", "gs", "azure", "hf", "modelscope", "git+https", "oci", "http")

# By the attribute of `Settings`.
SERVICE_OPTIONS: dict[str, ServiceOption] = {
    "endpoint_url": ServiceOption(
        "--endpoint-url",
        dict.fromkeys(("s3", "gs", "azure"), "endpoint_url") | dict.fromkeys(("hf", "modelscope"), "endpoint"),
    ),
    "anonymous": ServiceOption(
        "--anonymous", dict.fromkeys(("s3", "gs", "azure", "hf", "modelscope", "git+https", "oci"), "anonymous")
    ),
    "ca_bundle": ServiceOption("--ca-bundle", dict.fromkeys(_ALL, "verify_ssl")),
    "no_verify_ssl": ServiceOption("--no-verify-ssl", dict.fromkeys(_ALL, "verify_ssl"), lambda value: not value),
    "region": ServiceOption("--region", {"s3": "region"}),
    "profile": ServiceOption("--profile", {"s3": "profile"}),
    "request_payer": ServiceOption("--request-payer", {"s3": "requester_pays"}, lambda value: value == "requester"),
    "sse_c_key": ServiceOption("--sse-c-key", {"s3": "customer_key"}),
    "project": ServiceOption("--project", {"gs": "project_id"}),
    "account": ServiceOption("--account", {"azure": "account_name"}),
    "token": ServiceOption("--token", dict.fromkeys(("hf", "modelscope", "oci"), "token")),
    "revision": ServiceOption("--revision", {"hf": "revision"}),
    "header": ServiceOption("--header", {"http": "headers"}, _headers),
}


class ServiceOptions:
    """The values of the options that were given.

    Args:
        values: By the attribute of `Settings`.
        prefix: Prefix of the options, after the dashes: "" or "source-".
    """

    def __init__(self, values: Mapping[str, Any], prefix: str = "") -> None:
        self.values = values
        self._prefix = prefix

    def __bool__(self) -> bool:
        return bool(self.values)

    def overridden_by(self, other: "ServiceOptions") -> "ServiceOptions":
        """Return these options together with those of `other`, which win."""
        values = {**self.values, **other.values}
        if "profile" in other.values and "anonymous" not in other.values:
            values["anonymous"] = False  # a profile is used to sign
        return ServiceOptions(values)

    def check(self, *locations: Location) -> None:
        """Check that each option applies to at least one of the locations.

        Raises:
            UsageError: It does not, or a URI names another revision.
        """
        schemes = {_service(location) for location in locations}
        for name in self.values:
            option = SERVICE_OPTIONS[name]
            if schemes.isdisjoint(option.fields):
                flag = option.flag.replace("--", f"--{self._prefix}", 1)
                allowed = ", ".join(f"{scheme}://" for scheme in option.fields)
                given = " and ".join(dict.fromkeys(f"{location.scheme}://" for location in locations))
                raise click.UsageError(f"{flag} applies only to {allowed}, not to {given}")
        revision = self.values.get("revision")
        for location in locations:
            if revision is not None and location.revision not in {None, revision}:
                raise click.UsageError(f"--revision is {revision!r}, but {location} names {location.revision!r}")

    def config(self, location: Location, environ: Mapping[str, str]) -> StorageConfig | None:
        """The configuration of the environment for a location, overridden by these options.

        Args:
            location: The location.
            environ: Environment variables.

        Returns:
            The configuration; None: the service has none.
        """
        service = _service(location)
        if service not in _BASE:
            return None
        options = {name: SERVICE_OPTIONS[name] for name in self.values if service in SERVICE_OPTIONS[name].fields}
        fields = {option.fields[service]: option.convert(self.values[name]) for name, option in options.items()}
        config: StorageConfig = replace(_BASE[service](environ), **fields)
        return config


def _service(location: Location) -> str:
    return {"https": "http", "git+http": "git+https"}.get(location.scheme, location.scheme)
