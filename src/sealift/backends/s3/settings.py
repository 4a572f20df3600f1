"""Combine the settings for a bucket: the configuration first, then the environment, then the profile.

All values come from a given mapping and the files that it names, never from this process's environment. The SDK reads
the files. If there are none, the environment is sufficient and the SDK is not imported.
"""

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from ...config import S3Config, expand_home
from ...config.s3 import UploadChecksum
from ...errors import InvalidConfig
from ...frozen_dataclass import dataclass
from ...wire import TLS

__all__ = [
    "DEFAULT_REGION",
    "NonEmptyEnviron",
    "Settings",
    "expand_path",
    "parse_attempts",
    "region_of_endpoint",
    "settings_from_environment",
    "shared_files",
    "tls_settings",
    "upload_checksum",
]

DEFAULT_REGION = "us-east-1"
# Variables that affect the endpoint in ways that only the SDK implements.
_SDK_VARIABLES = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT", "AWS_DATA_PATH",
)  # fmt: skip
# Amazon's endpoints s3.REGION, s3-REGION, s3.dualstack.REGION, s3-fips.REGION, and VPC endpoints:
# https://docs.aws.amazon.com/general/latest/gr/s3.html
_AMAZON = (
    r"(?:^|\.)(?:s3|s3-fips|bucket\.vpce-[\w-]+\.s3)(?:\.dualstack)?[.-]([a-z]{2}(?:-[a-z]+)+-\d)(?:\.vpce)?"
    r"\.amazonaws\.com(?:\.cn)?$"
)
_VARIABLE = r"\$(\w+|\{[^}]*\})"


class NonEmptyEnviron(Mapping[str, str]):
    """A live view of environment variables that treats empty ones as not set, as `${NAME:-…}` in a shell."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        value = self._environ[name]
        if not value:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, value in self._environ.items() if value])

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings for requests to S3.

    Attributes:
        region: Region that requests are sent to and signed for.
        endpoint_url: Endpoint of the service; None: Amazon's endpoint for the region.
        addressing_style: "path", "virtual" or "auto".
        tls: Which certificates to trust.
        checksum: Checksum algorithm of uploads; None: uploads carry no checksum.
        attempts: Maximum number of attempts per request; None: the engine's default.
        special_endpoint: Whether a special kind of Amazon endpoint is selected (accelerate, dual-stack, FIPS).

    Raises:
        InvalidConfig: The endpoint is not an http or https URL, or contains credentials or a query.
    """

    region: str
    endpoint_url: str | None
    addressing_style: str
    tls: TLS
    checksum: UploadChecksum | None
    attempts: int | None = None
    special_endpoint: bool = False

    def __post_init__(self) -> None:
        if self.endpoint_url is None:
            return
        hint = "write AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 or the profile's endpoint_url as https://host:port"
        if any(mark in self.endpoint_url for mark in "@?#"):
            raise InvalidConfig("the endpoint of S3 holds more than an address", hint=hint)
        if not self.endpoint_url.startswith(("http://", "https://")) or not _host(self.endpoint_url):
            raise InvalidConfig(f"the endpoint of S3, {self.endpoint_url!r}, is not a URL", hint=hint)


def settings_from_environment(config: S3Config, environ: Mapping[str, str]) -> Settings | None:
    """Combine the settings without the SDK; None: they depend on files or variables that only the SDK can read.

    Blocking: checks whether the shared files exist.
    """
    if config.profile is not None or any(name in environ for name in _SDK_VARIABLES):
        return None
    if any(os.path.exists(path) for path in shared_files(environ)):
        return None
    endpoint = config.endpoint_url or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    region = config.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    bundle = environ.get("AWS_CA_BUNDLE") or environ.get("REQUESTS_CA_BUNDLE")
    return Settings(
        region=region or region_of_endpoint(endpoint) or DEFAULT_REGION,
        endpoint_url=endpoint,
        addressing_style=config.addressing_style,
        tls=tls_settings(config, expand_path(bundle, environ) if bundle else None),
        checksum=upload_checksum(config, environ.get("AWS_REQUEST_CHECKSUM_CALCULATION")),
        attempts=parse_attempts(environ.get("AWS_MAX_ATTEMPTS") or None),
        special_endpoint=config.accelerate,
    )


def shared_files(environ: Mapping[str, str]) -> tuple[str, str]:
    """The paths of the configuration file and of the credentials file; "" if there is no home directory."""
    return (
        expand_path(environ.get("AWS_CONFIG_FILE", "~/.aws/config"), environ),
        expand_path(environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), environ),
    )


def expand_path(path: str, environ: Mapping[str, str]) -> str:
    """Expand `~` and `$NAME` in a path as the SDK does, but with the given variables.

    Returns:
        The path; "" if it begins with `~` and `HOME` is not set.

    Raises:
        InvalidConfig: The path contains a variable that is set only in this process's environment, where the SDK would
            find it.
    """

    def value(match: re.Match[str]) -> str:
        return environ.get(match[1].strip("{}"), match[0])

    expanded = expand_home(re.sub(_VARIABLE, value, path), environ)
    if os.path.expandvars(expanded) != expanded:
        raise InvalidConfig(f"the path {path!r} contains a variable that is not set", hint="write the path in full")
    return expanded


def tls_settings(config: S3Config, bundle: str | None) -> TLS:
    """Which certificates to trust.

    Args:
        config: The configuration, which takes precedence.
        bundle: Path of the CA bundle in the environment or the profile.
    """
    if config.verify_ssl is False:
        return TLS(verify=False)
    return TLS(ca_file=config.verify_ssl if isinstance(config.verify_ssl, str) else bundle)


def upload_checksum(config: S3Config, calculation: str | None) -> UploadChecksum | None:
    """The checksum algorithm of uploads.

    Args:
        config: The configuration, which takes precedence.
        calculation: `request_checksum_calculation` of the environment or the profile.
    """
    if config.checksum != "auto":
        return config.checksum
    return None if (calculation or "").lower() == "when_required" else "crc64nvme"


def region_of_endpoint(endpoint: str | None) -> str | None:
    """The region in an Amazon endpoint; None: another service's endpoint, or an endpoint without a region.

    Example:
        >>> region_of_endpoint("https://s3.eu-west-1.amazonaws.com")
        'eu-west-1'
    """
    match = re.search(_AMAZON, _host(endpoint)) if endpoint else None
    return match[1] if match else None


def parse_attempts(value: str | None) -> int | None:
    """The maximum number of attempts per request, from `AWS_MAX_ATTEMPTS` or the profile's `max_attempts`.

    Raises:
        InvalidConfig: The value is not a positive integer.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
    """
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or int(value) == 0:
        hint = "set it to a positive integer, or unset it"
        raise InvalidConfig(f"AWS_MAX_ATTEMPTS, or max_attempts of the profile, is {value!r}", hint=hint)
    return int(value)


def _host(url: str) -> str:
    """The host of a URL; "" if the URL has none, or cannot be parsed."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # may be out of range
        return parts.hostname or ""
    except ValueError:
        return ""
