"""How to reach and sign in to each service; also the one place of the library that reads the environment.

Each class is frozen, and its secrets never show in a repr. A service's `from_env` takes the environment as an argument,
so that a test, or a server with several tenants, can pass its own.
"""

import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

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
    "expand_home",
    "state_directory",
    "wants_uvloop",
]

# Names of the KServe API; BACKENDS.md tells how to use each.
AUTHENTICATION_METHODS = {
    "s3": ["access_key", "iam_role", "instance_profile"],
    "gs": ["service_account", "default_credentials", "workload_identity"],
    "azure": ["account_key", "sas_token", "managed_identity"],
    "hf": ["access_token", "login"],
}

AddressingStyle = Literal["auto", "path", "virtual"]
UploadChecksum = Literal["crc64nvme", "crc32c", "crc32"]
# What a request for a part of a file cannot leave to others.
_OWN_HEADERS = {
    "accept-encoding", "connection", "content-length", "expect", "if-match", "if-modified-since", "if-none-match",
    "if-range", "if-unmodified-since", "range", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip


# One in a header or an address would be another header, or another request.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _check_texts(config: Any) -> None:
    """Refuse what cannot be sent, and endpoints that hold a secret, which would be shown."""
    kind = type(config).__name__
    for each in fields(config):
        name, value = each.name, getattr(config, each.name)
        if isinstance(value, str) and _CONTROL.search(value):
            raise InvalidConfig(f"{kind}({name}=…) holds a control character", hint="is there a line break at its end?")
        # Of the secrets. A path may be any bytes.
        if isinstance(value, str) and not each.repr and not _is_utf8(value):
            raise InvalidConfig(
                f"{kind}({name}=…) holds a byte that is not UTF-8", hint="is it the text that was given?"
            )
    endpoint: str | None = getattr(config, "endpoint_url", None) or getattr(config, "endpoint", None)
    if endpoint is None:
        return
    name = "endpoint" if hasattr(config, "endpoint") else "endpoint_url"
    if any(mark in endpoint for mark in "@?#"):
        raise InvalidConfig(
            f"{kind}({name}=…) holds more than an address", hint="write it as https://host or https://host:port/path"
        )
    if not endpoint.startswith(("http://", "https://")):
        raise InvalidConfig(f"{kind}({name}={endpoint!r}) is no URL", hint="begin it with http:// or https://")


def _is_utf8(text: str) -> bool:
    """Whether a text can be encoded; a variable of the environment may hold any bytes."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


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
        region: The bucket's region. None: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's region, the one that an
            endpoint of Amazon names, else us-east-1. Redirects to a bucket's own region are followed.
        endpoint_url: Another service's address, such as "http://127.0.0.1:9000"; None: `AWS_ENDPOINT_URL_S3`,
            `AWS_ENDPOINT_URL`, the profile's endpoint, else Amazon.
        use_ssl: Whether to talk TLS where `endpoint_url` does not say.
        session_token: Third part of temporary credentials.
        anonymous: Send unsigned requests, for public buckets.
        addressing_style: "path" (endpoint/bucket/key), "virtual" (bucket.endpoint/key), or "auto": the profile's, else
            virtual for Amazon, path for other endpoints.
        verify: False accepts any certificate (only for tests); a path names a PEM file of trusted authorities; True:
            those of `AWS_CA_BUNDLE`, of the profile's `ca_bundle`, else the system's.
        profile: Profile of the shared credential and configuration files; None: that of `AWS_PROFILE`, or the default.
        checksum: Sent with everything that is written; the service refuses what was damaged on the way. "auto":
            crc64nvme, or none if `AWS_REQUEST_CHECKSUM_CALCULATION` or the profile says when_required. None: no
            checksum, for services that refuse the header.

    Raises:
        InvalidConfig: Half of a key pair, or a key pair together with `anonymous` or `profile`.

    Example:
        >>> S3Config("AKIAEXAMPLE", "secret", endpoint_url="http://127.0.0.1:9000").endpoint_url
        'http://127.0.0.1:9000'
    """

    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint_url: str | None = None
    use_ssl: bool = True
    session_token: str | None = field(default=None, repr=False)
    anonymous: bool = False
    addressing_style: AddressingStyle = "auto"
    verify: bool | str = True
    profile: str | None = None
    checksum: UploadChecksum | Literal["auto"] | None = "auto"

    def __post_init__(self) -> None:
        _check_texts(self)
        if (self.access_key_id is None) != (self.secret_access_key is None):
            missing = "access_key_id" if self.access_key_id is None else "secret_access_key"
            raise InvalidConfig(f"S3Config without {missing}", hint="give both halves of the key pair, or neither")
        if self.access_key_id is not None and (self.anonymous or self.profile):
            raise InvalidConfig("S3Config with a key pair and anonymous or profile", hint="choose one of them")
        if self.addressing_style not in {"auto", "path", "virtual"}:
            raise InvalidConfig(f"S3Config(addressing_style={self.addressing_style!r})", hint="auto, path or virtual")
        if self.checksum not in {"auto", "crc64nvme", "crc32c", "crc32", None}:
            raise InvalidConfig(f"S3Config(checksum={self.checksum!r})", hint="auto, crc64nvme, crc32c, crc32 or None")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """What the environment adds to the SDK's own variables.

        Args:
            environ: Read are `S3_VERIFY_SSL`, `AWS_CA_BUNDLE`, `S3_USER_VIRTUAL_BUCKET`,
                `AWS_ANONYMOUS_CREDENTIAL` / `awsAnonymousCredential`, and `S3_ENDPOINT` with `S3_USE_HTTPS`, as KServe
                sets them, and the region. Keys, profiles, `AWS_ENDPOINT_URL` and the other variables of the SDK are
                read by each call.
        """
        bundle = environ.get("AWS_CA_BUNDLE", "")
        verify: bool | str = expand_home(bundle, environ) or bundle or True
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
            addressing_style="virtual" if _flag(environ, "S3_USER_VIRTUAL_BUCKET") else "auto",
        )


@dataclass(frozen=True, slots=True)
class GCSConfig:
    """Google Cloud Storage.

    Args:
        service_account_key: Path of a service account's JSON file. None: application default credentials, which are
            `GOOGLE_APPLICATION_CREDENTIALS` (a service account's key, or an external account's file, as workload
            identity federation has it), gcloud's file, or the account that the metadata service knows (Compute Engine,
            GKE with workload identity).
        project_id: Pays for requests to buckets whose requester has to.
        anonymous: Send unsigned requests, for public buckets.
        endpoint_url: Another address, such as an emulator's or a private endpoint's; None: Google's, or
            `STORAGE_EMULATOR_HOST`.

    Raises:
        InvalidConfig: `anonymous` together with a key, a key's content in place of its path, or an endpoint that is no
            URL.

    Example:
        >>> GCSConfig(anonymous=True, endpoint_url="http://127.0.0.1:4443").endpoint_url
        'http://127.0.0.1:4443'
    """

    service_account_key: str | None = None
    project_id: str | None = None
    anonymous: bool = False
    endpoint_url: str | None = None

    def __post_init__(self) -> None:
        if self.service_account_key is not None and self.anonymous:
            raise InvalidConfig("GCSConfig with service_account_key and anonymous", hint="choose one of them")
        if self.service_account_key is not None and self.service_account_key.lstrip().startswith("{"):
            raise InvalidConfig("service_account_key holds a key itself", hint="write it to a file and give its path")
        _check_texts(self)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """What the environment says beside the credentials.

        Args:
            environ: Read is `STORAGE_EMULATOR_HOST`, whose emulator is asked without signing in. Credentials are looked
                for when they are needed, as `service_account_key` says.
        """
        emulator = environ.get("STORAGE_EMULATOR_HOST") or None
        if emulator and "://" not in emulator:
            emulator = f"http://{emulator}"
        return cls(anonymous=emulator is not None, endpoint_url=emulator)


@dataclass(frozen=True, slots=True)
class AzureConfig:
    """Azure Blob Storage.

    Without a connection string, key, signature or `anonymous`, those of the environment are taken if they are of the
    same account; else an identity signs in: a service principal, workload identity, managed identity, `az login`.

    Args:
        account_name: The storage account. May be left out where the URI, the endpoint or a connection string names it.
        account_key: Its key.
        sas_token: A shared access signature, with or without the leading "?".
        connection_string: All of it in one text.
        anonymous: Send unsigned requests, for public containers.
        endpoint_url: Where the account is reached, such as "http://127.0.0.1:10000/devstoreaccount1"; None:
            https://ACCOUNT.blob.core.windows.net, or what the URI or the connection string says. Also used for URIs
            that name the account, unless it is itself a host of Azure: the URI's host then takes precedence.
        verify: As in `S3Config`, for the service and for who gives tokens.
        tenant_id: The directory of the identity that signs in.
        client_id: The application or the user-assigned managed identity that signs in.
        client_secret: Of a service principal.
        token_file: Path of the Kubernetes token that a workload identity shows.
        authority: Who gives tokens; None: https://login.microsoftonline.com, or that of the endpoint's sovereign cloud.

    Raises:
        InvalidConfig: `anonymous` together with a secret, or an endpoint that is no URL.

    Example:
        >>> AzureConfig("models", account_key="c2VjcmV0", endpoint_url="http://127.0.0.1:10000/models").account_name
        'models'
    """

    account_name: str | None = None
    account_key: str | None = field(default=None, repr=False)
    sas_token: str | None = field(default=None, repr=False)
    connection_string: str | None = field(default=None, repr=False)
    anonymous: bool = False
    endpoint_url: str | None = None
    verify: bool | str = True
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    token_file: str | None = None
    authority: str | None = None

    def __post_init__(self) -> None:
        if self.anonymous and (self.account_key or self.sas_token or self.connection_string or self.client_secret):
            raise InvalidConfig("AzureConfig with anonymous and a secret", hint="choose one of them")
        _check_texts(self)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """What the environment says, by the names that az, the SDKs and KServe use.

        Args:
            environ: Read are `AZURE_STORAGE_CONNECTION_STRING`, `AZURE_STORAGE_ACCOUNT` / `AZURE_STORAGE_ACCOUNT_NAME`,
                `AZURE_STORAGE_KEY` / `AZURE_STORAGE_ACCESS_KEY` / `AZURE_STORAGE_ACCOUNT_KEY`,
                `AZURE_STORAGE_SAS_TOKEN`, `AZURE_STORAGE_SERVICE_ENDPOINT`, `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and
                `AZURE_CLIENT_SECRET` (each also with `AZ_`), `AZURE_FEDERATED_TOKEN_FILE`, `AZURE_AUTHORITY_HOST`.
                The endpoints of managed identities are found by the SDK.
        """

        def first(*names: str) -> str | None:
            # What a file held as a whole, as with Kubernetes' secrets, may end in a line break.
            return next((environ[name].strip() for name in names if environ.get(name, "").strip()), None)

        return cls(
            account_name=first("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"),
            account_key=first("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
            sas_token=first("AZURE_STORAGE_SAS_TOKEN"),
            connection_string=first("AZURE_STORAGE_CONNECTION_STRING"),
            endpoint_url=first("AZURE_STORAGE_SERVICE_ENDPOINT"),
            tenant_id=first("AZURE_TENANT_ID", "AZ_TENANT_ID"),
            client_id=first("AZURE_CLIENT_ID", "AZ_CLIENT_ID"),
            client_secret=first("AZURE_CLIENT_SECRET", "AZ_CLIENT_SECRET"),
            token_file=first("AZURE_FEDERATED_TOKEN_FILE"),
            authority=first("AZURE_AUTHORITY_HOST"),
        )


@dataclass(frozen=True, slots=True)
class HTTPConfig:
    """Plain HTTP and HTTPS servers.

    Args:
        headers: Sent to the origin of the URI only, never across a redirect to another.
        verify: False accepts any certificate (only for tests); a path names a PEM file of trusted authorities; True:
            the system's.
        allow_downgrade: Follow redirects from https to http.
        allow_local_redirects: Follow redirects to any address. Otherwise none leads to a link-local address or to a
            cloud's metadata service, and none from elsewhere to this machine: a server could have it ask itself. What
            a name resolves to counts; behind a proxy, which resolves names itself, only what is written.

    Raises:
        InvalidConfig: A header that HTTP cannot carry, or that says which bytes are asked for.

    Example:
        >>> HTTPConfig({"Authorization": "Bearer secret"})
        HTTPConfig(verify=True, allow_downgrade=False, allow_local_redirects=False)
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    verify: bool | str = True
    allow_downgrade: bool = False
    allow_local_redirects: bool = False

    def __post_init__(self) -> None:
        _check_texts(self)
        for name, value in self.headers.items():
            if not isinstance(name, str) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise InvalidConfig(f"HTTPConfig(headers=…): {name!r} is not the name of a header")
            if name.lower() in _OWN_HEADERS:
                raise InvalidConfig(f"HTTPConfig(headers=…) with {name!r}", hint="sealift sets this header itself")
            # The message must not repeat the value.
            if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?|", value):
                raise InvalidConfig(f"the value of the header {name!r} is no text that HTTP can carry")


@dataclass(frozen=True, slots=True)
class HFConfig:
    """The Hugging Face Hub.

    What is None is taken from the environment; see `from_env`.

    Args:
        token: Access token. None: that of `token_file`, or the environment's, which is sent to the environment's hub
            only (`HF_ENDPOINT`, or https://huggingface.co).
        endpoint: Another hub's address, such as "https://hub.example.com". None: `HF_ENDPOINT`, or
            https://huggingface.co.
        token_file: The file that `hf auth login` wrote. One that does not exist holds no token.
        anonymous: Send no token, whatever the environment says.
        offline: Refuse to ask the hub at all.

    Raises:
        InvalidConfig: A token together with `anonymous`, or an endpoint that is no http or https URL.

    Example:
        >>> HFConfig(endpoint="https://hub.example.com", anonymous=True).endpoint
        'https://hub.example.com'
    """

    token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    token_file: str | None = None
    anonymous: bool = False
    offline: bool = False

    def __post_init__(self) -> None:
        if self.anonymous and (self.token or self.token_file):
            raise InvalidConfig("HFConfig with a token and anonymous", hint="choose one of them")
        _check_texts(self)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """What the hub's own tools read.

        Args:
            environ: Read are `HF_TOKEN`, `HF_ENDPOINT`, `HF_HUB_OFFLINE` and `HF_HUB_DISABLE_IMPLICIT_TOKEN`; the
                token's file is `HF_TOKEN_PATH`, or `token` in `HF_HOME`, in `XDG_CACHE_HOME/huggingface` or in
                `~/.cache/huggingface`.

        Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
        """
        cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
        directory = environ.get("HF_HOME") or f"{cache}/huggingface"
        file = environ.get("HF_TOKEN_PATH") or f"{directory}/token"
        file = expand_home(file, environ)
        token = (environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN") or "").strip()
        anonymous = _flag(environ, "HF_HUB_DISABLE_IMPLICIT_TOKEN") or False
        return cls(
            token=None if anonymous else token or None,
            endpoint=environ.get("HF_ENDPOINT") or None,
            token_file=None if anonymous else file or None,
            anonymous=anonymous,
            offline=_flag(environ, "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") or False,
        )


@dataclass(frozen=True, slots=True)
class PVCConfig:
    """Where Kubernetes volumes are mounted.

    Args:
        mounts: Claim name → directory, an absolute path. Another claim is looked for at /mnt/pvc/CLAIM, and at /mnt/pvc
            where that is itself a mount, as in a pod of KServe.

    Raises:
        InvalidConfig: A directory is not an absolute path.

    Example:
        >>> PVCConfig.from_env({"SEALIFT_PVC_MOUNTS": "models=/mnt/models,data=/data"}).mounts
        {'models': '/mnt/models', 'data': '/data'}
    """

    mounts: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for claim, path in self.mounts.items():
            if not path.startswith("/"):
                raise InvalidConfig(f"the claim {claim!r} is mounted at {path!r}", hint="give an absolute path")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read `SEALIFT_PVC_MOUNTS`, a list such as `models=/mnt/models,data=/data`.

        Args:
            environ: The environment variables.

        Raises:
            InvalidConfig: It is not such a list.
        """
        mounts = {}
        for entry in environ.get("SEALIFT_PVC_MOUNTS", "").split(","):
            claim, equals, path = entry.strip().partition("=")
            if not equals and claim:
                raise InvalidConfig(
                    f"the environment variable SEALIFT_PVC_MOUNTS holds {claim!r}", hint="write it as claim=/path"
                )
            if equals:
                mounts[claim] = path
        return cls(mounts)


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


def state_directory(environ: Mapping[str, str]) -> str | None:
    """Where one run leaves what the next may need: `$XDG_STATE_HOME/sealift`, else `~/.local/state/sealift`.

    Args:
        environ: Read are `XDG_STATE_HOME`, which counts if it is absolute, and `HOME`.

    Returns:
        The path; None: there is no such place.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    state, home = environ.get("XDG_STATE_HOME", ""), environ.get("HOME", "")
    if not os.path.isabs(state):
        state = os.path.join(home, ".local", "state") if os.path.isabs(home) else ""
    return os.path.join(state, "sealift") if state else None


def expand_home(path: str, environ: Mapping[str, str]) -> str:
    """Replace a `~` at the beginning of a path by the given `HOME`, whatever this process's own is.

    Returns:
        The path; "" if `HOME` is needed and not set.

    Example:
        >>> expand_home("~/.aws/config", {"HOME": "/home/me"})
        '/home/me/.aws/config'
    """
    if path != "~" and not path.startswith("~/"):
        return path
    home = environ.get("HOME", "")
    return f"{home}{path[1:]}" if home else ""
