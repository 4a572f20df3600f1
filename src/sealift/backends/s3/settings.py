"""What decides how a bucket is reached: the configuration, then the environment, then the profile.

Everything comes from the given mapping and the files that it names, never from this process's own environment. The SDK
reads the files. Where there are none, the environment alone decides, and the SDK is not imported.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...config import S3Config, expand_home
from ...config.s3 import UploadChecksum
from ...errors import InvalidConfig
from ...wire import TLS

__all__ = [
    "DEFAULT_REGION",
    "Environ",
    "Settings",
    "attempts_of",
    "checksum_of",
    "expand",
    "from_environment",
    "region_in",
    "shared_files",
    "tls_of",
]

DEFAULT_REGION = "us-east-1"
# Variables with a meaning for endpoints that only the SDK's rules know.
_FOR_THE_SDK = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT", "AWS_DATA_PATH",
)  # fmt: skip
# s3.REGION, s3-REGION, s3.dualstack.REGION, s3-fips.REGION, and the endpoints of a VPC, at Amazon:
# https://docs.aws.amazon.com/general/latest/gr/s3.html
_AMAZON = re.compile(
    r"(?:^|\.)(?:s3|s3-fips|bucket\.vpce-[\w-]+\.s3)(?:\.dualstack)?[.-]([a-z]{2}(?:-[a-z]+)+-\d)(?:\.vpce)?"
    r"\.amazonaws\.com(?:\.cn)?$"
)
_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})")


class Environ(Mapping[str, str]):
    """A live view of environment variables in which an empty one counts as not set, as in a shell's `${NAME:-…}`."""

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
    """How to reach S3.

    Attributes:
        region: Where requests are sent and signed for.
        endpoint_url: A service's address; None: Amazon's for the region.
        addressing_style: "path", "virtual" or "auto".
        tls: Which certificates to trust.
        checksum: Sent with everything that is written; None: no checksum.
        attempts: How often one request is sent at most; None: the engine's default.
        variant: Whether another kind of Amazon's endpoints is chosen (accelerate, dual-stack, FIPS).

    Raises:
        InvalidConfig: The endpoint is no http or https URL, or holds credentials or a query.
    """

    region: str
    endpoint_url: str | None
    addressing_style: str
    tls: TLS
    checksum: UploadChecksum | None
    attempts: int | None = None
    variant: bool = False

    def __post_init__(self) -> None:
        if self.endpoint_url is None:
            return
        hint = "write AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 or the profile's endpoint_url as https://host:port"
        if any(mark in self.endpoint_url for mark in "@?#"):
            raise InvalidConfig("the endpoint of S3 holds more than an address", hint=hint)
        if not self.endpoint_url.startswith(("http://", "https://")) or not _host(self.endpoint_url):
            raise InvalidConfig(f"the endpoint of S3, {self.endpoint_url!r}, is not a URL", hint=hint)


def from_environment(config: S3Config, environ: Mapping[str, str]) -> Settings | None:
    """The settings where no file says more; None: the SDK has to read them. Blocking: it looks for the files."""
    if config.profile is not None or any(name in environ for name in _FOR_THE_SDK):
        return None
    if any(os.path.exists(path) for path in shared_files(environ)):
        return None
    endpoint = config.endpoint_url or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    region = config.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or region_in(endpoint)
    bundle = environ.get("AWS_CA_BUNDLE") or environ.get("REQUESTS_CA_BUNDLE")
    return Settings(
        region=region or DEFAULT_REGION,
        endpoint_url=endpoint,
        addressing_style=config.addressing_style,
        tls=tls_of(config, expand(bundle, environ) if bundle else None),
        checksum=checksum_of(config, environ.get("AWS_REQUEST_CHECKSUM_CALCULATION")),
        attempts=attempts_of(environ.get("AWS_MAX_ATTEMPTS") or None),
    )


def shared_files(environ: Mapping[str, str]) -> tuple[str, str]:
    """The paths of the configuration file and of the credentials file; "" where there is no home to look in."""
    return (
        expand(environ.get("AWS_CONFIG_FILE", "~/.aws/config"), environ),
        expand(environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), environ),
    )


def expand(path: str, environ: Mapping[str, str]) -> str:
    """Replace `~` and `$NAME` in a path as the SDK does, but by the given variables.

    Returns:
        The path; "" if it begins with `~` and `HOME` is not set.

    Raises:
        InvalidConfig: The path names a variable that is not set here but in this process, where the SDK would find it.
    """

    def value(match: re.Match[str]) -> str:
        return environ.get(match[1].strip("{}"), match[0])

    expanded = expand_home(_VARIABLE.sub(value, path), environ)
    if os.path.expandvars(expanded) != expanded:
        raise InvalidConfig(f"the path {path!r} contains a variable that is not set", hint="write the path in full")
    return expanded


def tls_of(config: S3Config, bundle: str | None) -> TLS:
    """Which certificates to trust, with the bundle that the environment or the profile names."""
    if config.verify is False:
        return TLS(verify=False)
    return TLS(ca_file=config.verify if isinstance(config.verify, str) else bundle)


def checksum_of(config: S3Config, calculation: str | None) -> UploadChecksum | None:
    """Which checksum to send, with what the environment or the profile says of `request_checksum_calculation`."""
    if config.checksum != "auto":
        return config.checksum
    return None if (calculation or "").lower() == "when_required" else "crc64nvme"


def region_in(endpoint: str | None) -> str | None:
    """The region that one of Amazon's endpoints names; None: another service's endpoint, or one without a region.

    Example:
        >>> region_in("https://s3.eu-west-1.amazonaws.com")
        'eu-west-1'
    """
    match = _AMAZON.search(_host(endpoint)) if endpoint else None
    return match[1] if match else None


def attempts_of(value: str | None) -> int | None:
    """How often a request is sent at most, by `AWS_MAX_ATTEMPTS` or `max_attempts` of the profile.

    Raises:
        InvalidConfig: The value is no positive number.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
    """
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or int(value) == 0:
        hint = "set it to a positive number, or unset it"
        raise InvalidConfig(f"AWS_MAX_ATTEMPTS, or max_attempts of the profile, is {value!r}", hint=hint)
    return int(value)


def _host(url: str) -> str:
    """The host that a URL names; "" if the URL has none, or cannot be parsed."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # may be out of range
        return parts.hostname or ""
    except ValueError:
        return ""
