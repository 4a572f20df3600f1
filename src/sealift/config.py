"""How to reach and sign in to each service; also the one place of the library that reads the environment.

Each class is frozen, and its secrets never show in a repr. A service's `from_env` takes the environment as an argument,
so that a test, or a server with several tenants, can pass its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

from .errors import InvalidConfig

__all__ = [
    "AUTHENTICATION_METHODS",
    "AzureConfig",
    "GCSConfig",
    "HFConfig",
    "HTTPConfig",
    "PVCConfig",
    "Proxies",
    "S3Config",
    "StorageConfig",
    "wants_uvloop",
]

# Names of the KServe API; what sealift has of them so far, the README says.
AUTHENTICATION_METHODS = {
    "s3": ["access_key", "iam_role", "instance_profile"],
    "gs": ["service_account", "default_credentials", "workload_identity"],
    "azure": ["account_key", "sas_token", "managed_identity"],
    "hf": ["access_token", "login"],
}

AddressingStyle = Literal["auto", "path", "virtual"]
UploadChecksum = Literal["crc64nvme", "crc32c", "crc32"]


def _flag(environ: Mapping[str, str], *names: str) -> bool | None:
    """The first of these variables that is set, as a boolean; None if none is."""
    for name in names:
        text = environ.get(name, "").strip().lower()
        if text in {"1", "true", "yes", "on"}:
            return True
        if text in {"0", "false", "no", "off"}:
            return False
        if text:
            raise InvalidConfig(f"the environment variable {name} is {text!r}", hint="set it to true or false")
    return None


@dataclass(frozen=True, slots=True)
class S3Config:
    """Amazon S3 and services that speak its protocol.

    Args:
        access_key_id: Access key. None, together with `secret_access_key`: the SDK's chain of credentials (environment,
            shared files, assumed roles, web identity, SSO, container and instance metadata).
        secret_access_key: Its secret.
        region: The bucket's region. A bucket of another region is found by the service's own redirect.
        endpoint_url: Another service's address, such as "http://127.0.0.1:9000"; None: Amazon, or `AWS_ENDPOINT_URL`.
        use_ssl: Whether to talk TLS where `endpoint_url` does not say.
        session_token: Third part of temporary credentials.
        anonymous: Send unsigned requests, for public buckets.
        addressing_style: "path" (endpoint/bucket/key), "virtual" (bucket.endpoint/key), or "auto": virtual for Amazon,
            path for other endpoints.
        verify: False accepts any certificate (only for tests); a path names a PEM file of trusted authorities; True:
            the system's, or those of `AWS_CA_BUNDLE`.
        profile: Profile of the shared credential and configuration files.
        checksum: Goes along with everything that is written, and the service refuses what was damaged on the way.
            None: for services that do not know the header.

    Raises:
        InvalidConfig: Half of a key pair, or a key pair together with `anonymous` or `profile`.

    Example:
        >>> S3Config("AKIAEXAMPLE", "secret", endpoint_url="http://127.0.0.1:9000").endpoint_url
        'http://127.0.0.1:9000'
    """

    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    region: str | None = "us-east-1"
    endpoint_url: str | None = None
    use_ssl: bool = True
    session_token: str | None = field(default=None, repr=False)
    anonymous: bool = False
    addressing_style: AddressingStyle = "auto"
    verify: bool | str = True
    profile: str | None = None
    checksum: UploadChecksum | None = "crc64nvme"

    def __post_init__(self) -> None:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            missing = "access_key_id" if self.access_key_id is None else "secret_access_key"
            raise InvalidConfig(f"S3Config without {missing}", hint="give both halves of the key pair, or neither")
        if self.access_key_id is not None and (self.anonymous or self.profile):
            raise InvalidConfig("S3Config with a key pair and anonymous or profile", hint="choose one of them")
        if self.addressing_style not in {"auto", "path", "virtual"}:
            raise InvalidConfig(f"S3Config(addressing_style={self.addressing_style!r})", hint="auto, path or virtual")
        if self.checksum not in {"crc64nvme", "crc32c", "crc32", None}:
            raise InvalidConfig(f"S3Config(checksum={self.checksum!r})", hint="crc64nvme, crc32c, crc32 or None")
        if self.endpoint_url is not None and not self.endpoint_url.startswith(("http://", "https://")):
            raise InvalidConfig(
                f"S3Config(endpoint_url={self.endpoint_url!r})", hint="begin it with http:// or https://"
            )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """What the environment adds to the SDK's own variables.

        Args:
            environ: Read are `S3_VERIFY_SSL`, `AWS_CA_BUNDLE`, `S3_USER_VIRTUAL_BUCKET`,
                `AWS_ANONYMOUS_CREDENTIAL` / `awsAnonymousCredential`, and `S3_ENDPOINT` with `S3_USE_HTTPS`, as KServe
                sets them; with `AWS_REQUEST_CHECKSUM_CALCULATION=when_required` no checksums are sent. Keys, tokens,
                regions, profiles and `AWS_ENDPOINT_URL` are found by the SDK.
        """
        verify: bool | str = environ.get("AWS_CA_BUNDLE") or True
        if _flag(environ, "S3_VERIFY_SSL") is False:
            verify = False
        https = _flag(environ, "S3_USE_HTTPS") is not False
        endpoint = environ.get("S3_ENDPOINT") or None
        if environ.get("AWS_ENDPOINT_URL") or environ.get("AWS_ENDPOINT_URL_S3"):
            endpoint = None
        if endpoint and "://" not in endpoint:
            endpoint = f"{'https' if https else 'http'}://{endpoint}"
        return cls(
            region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None,
            endpoint_url=endpoint,
            verify=verify,
            anonymous=_flag(environ, "AWS_ANONYMOUS_CREDENTIAL", "awsAnonymousCredential") or False,
            checksum=None
            if environ.get("AWS_REQUEST_CHECKSUM_CALCULATION", "").lower() == "when_required"
            else "crc64nvme",
            addressing_style="virtual" if _flag(environ, "S3_USER_VIRTUAL_BUCKET") else "auto",
        )


@dataclass(frozen=True, slots=True)
class GCSConfig:
    """Google Cloud Storage.

    Args:
        service_account_key: Path of a service account's JSON file. None: application default credentials.
        project_id: The project, where a call needs one.
        anonymous: Send unsigned requests, for public buckets.
    """

    service_account_key: str | None = None
    project_id: str | None = None
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class AzureConfig:
    """Azure Blob Storage.

    Args:
        account_name: The storage account. May be left out with a connection string.
        account_key: Its key.
        sas_token: A shared access signature, with or without the leading "?".
        connection_string: All of it in one text.
        anonymous: Send unsigned requests, for public containers.
    """

    account_name: str | None = None
    account_key: str | None = field(default=None, repr=False)
    sas_token: str | None = field(default=None, repr=False)
    connection_string: str | None = field(default=None, repr=False)
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class HTTPConfig:
    """Plain HTTP and HTTPS servers.

    Args:
        headers: Sent to the origin of the URI only, never across a redirect to another.
        verify: As in `S3Config`.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    verify: bool | str = True


@dataclass(frozen=True, slots=True)
class HFConfig:
    """The Hugging Face Hub.

    Args:
        token: Access token. None: `HF_TOKEN`, or the file that `hf auth login` wrote.
        endpoint: Another hub's address. None: `HF_ENDPOINT`, or https://huggingface.co.
    """

    token: str | None = field(default=None, repr=False)
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class PVCConfig:
    """Where Kubernetes volumes are mounted.

    Args:
        mounts: Claim name → directory.
    """

    mounts: Mapping[str, str] = field(default_factory=dict, hash=False)


StorageConfig = S3Config | GCSConfig | AzureConfig | HTTPConfig | HFConfig | PVCConfig


@dataclass(frozen=True, slots=True)
class Proxies:
    """Which requests go through an HTTP proxy.

    Args:
        http: URL of the proxy for http:// origins; it may hold credentials.
        https: The same for https:// origins.
        exempt: Hosts that are reached directly: names (with their subdomains), addresses, CIDR ranges, or "*".
    """

    http: str | None = field(default=None, repr=False)
    https: str | None = field(default=None, repr=False)
    exempt: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in lower case first, as curl does.

        `HTTP_PROXY` in upper case is not read inside a CGI script (`REQUEST_METHOD` is set), where a client can set it:
        https://httpoxy.org.
        """

        def read(name: str) -> str | None:
            upper = None if name == "http_proxy" and "REQUEST_METHOD" in environ else environ.get(name.upper())
            return environ.get(name) or upper or None

        anything = read("all_proxy")
        exempt = (entry.strip() for entry in (read("no_proxy") or "").split(","))
        return cls(
            http=read("http_proxy") or anything,
            https=read("https_proxy") or anything,
            exempt=tuple(entry for entry in exempt if entry),
        )


def wants_uvloop(environ: Mapping[str, str]) -> bool:
    """Whether sealift's own loops run on uvloop where it is installed: always, unless `SEALIFT_LOOP=asyncio`.

    Raises:
        InvalidConfig: `SEALIFT_LOOP` is neither "asyncio" nor "uvloop".
    """
    loop = environ.get("SEALIFT_LOOP") or "uvloop"
    if loop not in {"asyncio", "uvloop"}:
        raise InvalidConfig(f"the environment variable SEALIFT_LOOP is {loop!r}", hint="set it to asyncio or uvloop")
    return loop == "uvloop"
