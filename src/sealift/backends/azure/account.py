"""Storage account, endpoint and credentials, from the URI, the configuration and the environment. No I/O."""

import os
import re
from collections.abc import Mapping
from dataclasses import field, replace
from urllib.parse import urlsplit

from ...config import AzureConfig
from ...errors import InvalidConfig, InvalidURI
from ...frozen_dataclass import dataclass
from ...uri import Location
from ...uris.azure import account_host

__all__ = ["Account", "Identity", "account_of"]

_NAME = re.compile(r"[a-z0-9]{3,24}")
_SUFFIX = "core.windows.net"
# Parameters that portals add to a SAS URL: sent with each request, they would change its meaning.
_NOT_SIGNATURE = {"comp", "restype", "snapshot", "sharesnapshot", "versionid"}
# Well-known account of the emulator, not a secret: https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
_EMULATOR = {
    "AccountName": "devstoreaccount1",
    "AccountKey": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "BlobEndpoint": "http://127.0.0.1:10000/devstoreaccount1",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """The Microsoft Entra identity to use without an account key or SAS; see `AzureConfig`."""

    tenant_id: str | None
    client_id: str | None
    client_secret: str | None = field(repr=False)
    token_file: str | os.PathLike[str] | None
    authority: str | None


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account.

    Attributes:
        name: Account name, as used in signatures.
        endpoint: URL of the blob endpoint, without a trailing "/".
        key: Account key; takes precedence over `sas`.
        sas: Shared access signature: a URL query.
        identity: Identity to use without a key or SAS. None: requests are anonymous.
        verify_ssl: Which TLS certificates to trust; see `AzureConfig`.
    """

    name: str
    endpoint: str
    key: str | None = field(repr=False)
    sas: str | None = field(repr=False)
    identity: Identity | None
    verify_ssl: bool | str | os.PathLike[str]


def account_of(location: Location, config: AzureConfig | None, environ: Mapping[str, str]) -> Account:
    """Determine the account of a location, and its credentials.

    Args:
        location: May name the account's host and contain a SAS.
        config: The caller's configuration.
        environ: The environment variables.

    Raises:
        InvalidConfig: The account is not named, or the URI and the configuration name different ones.
        InvalidURI: The query of the URI is not a SAS.
    """
    environment = _Settings.of(AzureConfig.from_env(environ))
    uri_host = account_host(location.account or "")
    named = uri_host.name if uri_host else None
    cloud = uri_host.cloud if uri_host else None
    settings = environment if config is None else _Settings.of(config)
    if settings.is_for_other_account(named, cloud):
        if config is not None:
            configured = settings.name if settings.name != named else f"{named} in {settings.cloud}"
            cause = f"AzureConfig is for the account {configured!r}, but the URI names {named!r}"
            raise InvalidConfig(
                cause + (f" in {cloud}" if settings.name == named else ""),
                hint="omit account_name, or pass the configuration of the URI's account",
            )
        settings = environment.without_account()
    if config is not None and not settings.signed and not config.anonymous:
        other = environment.is_for_other_account(settings.name or named, settings.cloud or cloud)
        settings = settings.with_defaults(environment.without_account() if other else environment)
    name = named or settings.name or ""
    if not name and (settings.key or not settings.endpoint):
        raise InvalidConfig(
            "the storage account name is missing",
            hint="AzureConfig(account_name=…), AZURE_STORAGE_ACCOUNT, or https://ACCOUNT.blob.core.windows.net/…",
        )
    # An Azure host in the configuration is the account's default endpoint; a host in the URI takes precedence.
    endpoint = None if uri_host and settings.cloud else settings.endpoint
    host = location.account or settings.host or (f"{_checked(name)}.blob.{_SUFFIX}" if not endpoint else "")
    signature = _signature(location.query, InvalidURI) if location.query else None
    key = None if signature else settings.key
    sas = signature or (None if key else settings.sas)
    anonymous = config is not None and config.anonymous and not signature
    identity = None if key or sas or anonymous else settings.identity
    return Account(name, (endpoint or f"https://{host}").rstrip("/"), key, sas, identity, settings.verify_ssl)


@dataclass(frozen=True, slots=True)
class _Settings:
    """A configuration, with its connection string parsed."""

    name: str | None
    key: str | None = field(repr=False)
    sas: str | None = field(repr=False)
    endpoint: str | None
    host: str | None
    cloud: str | None
    identity: Identity
    verify_ssl: bool | str | os.PathLike[str]

    @classmethod
    def of(cls, config: AzureConfig) -> "_Settings":
        fields = _parse_connection_string(config.connection_string) if config.connection_string else {}
        name = fields.get("AccountName") or config.account_name
        sas = fields.get("SharedAccessSignature") or config.sas_token
        suffix = fields.get("EndpointSuffix")
        host = f"{_checked(name)}.blob.{suffix}" if name and suffix else None
        plain = fields.get("DefaultEndpointsProtocol") == "http" and host
        endpoint = config.endpoint_url or fields.get("BlobEndpoint") or (f"http://{host}" if plain else None)
        if endpoint and not endpoint.startswith(("http://", "https://")):
            raise InvalidConfig("the endpoint in the connection string is not a URL", hint="BlobEndpoint=https://…")
        named, cloud = None, None
        if endpoint:
            named, cloud, endpoint = _blob_endpoint(endpoint)
        elif host and (parsed := account_host(host)):
            cloud = parsed.cloud
        return cls(
            name or named,
            fields.get("AccountKey") or config.account_key,
            _signature(sas, InvalidConfig) if sas else None,
            endpoint,
            host,
            cloud,
            Identity(config.tenant_id, config.client_id, config.client_secret, config.token_file, config.authority),
            config.verify_ssl,
        )

    @property
    def signed(self) -> bool:
        return self.key is not None or self.sas is not None

    def is_for_other_account(self, name: str | None, cloud: str | None) -> bool:
        """Whether this is for an account other than `name` in `cloud`; None matches any."""
        pairs = ((self.name, name), (self.cloud, cloud))
        return any(own is not None and other is not None and own != other for own, other in pairs)

    def without_account(self) -> "_Settings":
        """Return only the settings that apply to any account."""
        return replace(self, name=None, key=None, sas=None, endpoint=None, host=None, cloud=None)

    def with_defaults(self, other: "_Settings") -> "_Settings":
        """Fill in missing settings from `other`; an identity is taken as a whole."""
        own = self.identity
        has_identity = own.client_id or own.client_secret or own.token_file or own.tenant_id
        return _Settings(
            self.name or other.name,
            None if has_identity else other.key,
            None if has_identity else other.sas,
            self.endpoint or other.endpoint,
            self.host or other.host,
            self.cloud or other.cloud,
            replace(own, authority=own.authority or other.identity.authority) if has_identity else other.identity,
            self.verify_ssl,
        )


def _parse_connection_string(text: str) -> dict[str, str]:
    """Parse https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string."""
    pairs = [entry.strip().partition("=") for entry in text.split(";") if entry.strip()]
    if not all(separator for _, separator, _ in pairs):
        raise InvalidConfig("the connection string is not valid", hint="AccountName=…;AccountKey=…;EndpointSuffix=…")
    fields = {name: value for name, _, value in pairs}
    return _EMULATOR | fields if fields.get("UseDevelopmentStorage") == "true" else fields


def _blob_endpoint(endpoint: str) -> tuple[str | None, str | None, str]:
    """Parse an endpoint URL.

    Returns:
        The account named by the path (emulators) or host, its cloud, and the URL of its blob endpoint.
    """
    try:
        url = urlsplit(endpoint)
        host = url.hostname or ""
    except ValueError:  # do not quote it: it may contain a password
        raise InvalidConfig("the endpoint is not a valid URL", hint="write it as https://ACCOUNT.blob.…") from None
    if url.path.strip("/"):
        return url.path.strip("/").partition("/")[0], None, endpoint
    parsed = account_host(host)
    if parsed is None:
        return None, None, endpoint
    if parsed.cloud is None or url.port is not None:
        return parsed.name, None, endpoint
    return parsed.name, parsed.cloud, f"{url.scheme}://{parsed.host}"


def _checked(name: str) -> str:
    """Validate an account name before it becomes part of a host name."""
    if not _NAME.fullmatch(name):
        raise InvalidConfig(
            f"{name!r} is not the name of a storage account", hint="3 to 24 lower-case letters and digits"
        )
    return name


def _signature(text: str, refusal: type[InvalidConfig] | type[InvalidURI]) -> str:
    query = text.strip().removeprefix("?")
    names = {part.partition("=")[0].lower() for part in query.split("&")}
    what = "the URI's query" if refusal is InvalidURI else "the SAS token"
    if "sig" not in names:
        raise refusal(
            f"{what} is not a shared access signature (SAS)",
            hint="a SAS contains sv=…&sig=…; snapshots are not supported",
        )
    if others := sorted(names & _NOT_SIGNATURE):
        hint = "pass only the SAS; snapshots and versions cannot be read"
        raise refusal(f"{what} contains {', '.join(others)}, which requests something other than the blob", hint=hint)
    return query
