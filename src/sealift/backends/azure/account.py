"""Which storage account, where, and with what: from the URI, the configuration and the environment. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from ...addresses.azure import account_host
from ...config import AzureConfig
from ...errors import InvalidConfig, InvalidURI
from ...uri import Location

__all__ = ["Account", "Identity", "account_of"]

_NAME = re.compile(r"[a-z0-9]{3,24}")
_SUFFIX = "core.windows.net"
# Parameters that portals put beside a signature: sent with each request, they would change what it means.
_NOT_SIGNATURE = {"comp", "restype", "snapshot", "sharesnapshot", "versionid"}
# Of the emulator; not a secret: https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
_EMULATOR = {
    "AccountName": "devstoreaccount1",
    "AccountKey": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "BlobEndpoint": "http://127.0.0.1:10000/devstoreaccount1",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs in where neither a key nor a signature is given; see `AzureConfig`."""

    tenant_id: str | None
    client_id: str | None
    client_secret: str | None = field(repr=False)
    token_file: str | None
    authority: str | None


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account.

    Attributes:
        name: As signatures name it.
        endpoint: Where it is reached, without a "/" at its end.
        key: Its key; before a signature.
        sas: A shared access signature: a URL's query.
        identity: Who signs in where there is neither; None: nobody, requests are not signed.
        verify: Which certificates are trusted; see `AzureConfig`.
    """

    name: str
    endpoint: str
    key: str | None = field(repr=False)
    sas: str | None = field(repr=False)
    identity: Identity | None
    verify: bool | str


def account_of(location: Location, config: AzureConfig | None, environ: Mapping[str, str]) -> Account:
    """Find out which account a location is in.

    Args:
        location: It may name the account's host, and hold a signature.
        config: What the caller gave.
        environ: The environment variables.

    Raises:
        InvalidConfig: Nothing names the account, or two things name different ones.
        InvalidURI: The query of the URI is no signature.
    """
    environment = _Settings.of(AzureConfig.from_env(environ))
    there = account_host(location.account or "")
    named = there.name if there else None
    given = environment if config is None else _Settings.of(config)
    cloud = there.cloud if there else None
    if given.is_of_another(named, cloud):
        if config is not None:
            whose = given.name if given.name != named else f"{named} in {given.cloud}"
            cause = f"AzureConfig is for the account {whose!r}, and the URI names {named!r}"
            raise InvalidConfig(
                cause + (f" in {cloud}" if given.name == named else ""),
                hint="leave account_name out, or pass the other account's configuration",
            )
        given = environment.without_account()
    if config is not None and not given.signed and not config.anonymous:
        another = environment.is_of_another(given.name or named, given.cloud or cloud)
        given = given.filled(environment.without_account() if another else environment)
    name = named or given.name or ""
    if not name and (given.key or not given.endpoint):
        raise InvalidConfig(
            "the storage account is not named",
            hint="AzureConfig(account_name=…), AZURE_STORAGE_ACCOUNT, or https://ACCOUNT.blob.core.windows.net/…",
        )
    # A host of Azure's own in the configuration is where the account is by default; the URI may name another of them.
    endpoint = None if there and given.cloud else given.endpoint
    host = location.account or given.host or (f"{_checked(name)}.blob.{_SUFFIX}" if not endpoint else "")
    signature = _signature(location.query, InvalidURI) if location.query else None
    key = None if signature else given.key
    sas = signature or (None if key else given.sas)
    anonymous = config is not None and config.anonymous and not signature
    identity = None if key or sas or anonymous else given.identity
    return Account(name, (endpoint or f"https://{host}").rstrip("/"), key, sas, identity, given.verify)


@dataclass(frozen=True, slots=True)
class _Settings:
    """A configuration, its connection string taken apart."""

    name: str | None
    key: str | None = field(repr=False)
    sas: str | None = field(repr=False)
    endpoint: str | None
    host: str | None
    cloud: str | None
    identity: Identity
    verify: bool | str

    @classmethod
    def of(cls, config: AzureConfig) -> "_Settings":
        told = _fields(config.connection_string) if config.connection_string else {}
        name = told.get("AccountName") or config.account_name
        sas = told.get("SharedAccessSignature") or config.sas_token
        suffix = told.get("EndpointSuffix")
        host = f"{_checked(name)}.blob.{suffix}" if name and suffix else None
        plain = told.get("DefaultEndpointsProtocol") == "http" and host
        endpoint = config.endpoint_url or told.get("BlobEndpoint") or (f"http://{host}" if plain else None)
        if endpoint and not endpoint.startswith(("http://", "https://")):
            raise InvalidConfig("the endpoint of the connection string is no URL", hint="BlobEndpoint=https://…")
        named, cloud = None, None
        if endpoint:
            named, cloud, endpoint = _blob_endpoint(endpoint)
        elif host and (found := account_host(host)):
            cloud = found.cloud
        return cls(
            name or named,
            told.get("AccountKey") or config.account_key,
            _signature(sas, InvalidConfig) if sas else None,
            endpoint,
            host,
            cloud,
            Identity(config.tenant_id, config.client_id, config.client_secret, config.token_file, config.authority),
            config.verify,
        )

    @property
    def signed(self) -> bool:
        return self.key is not None or self.sas is not None

    def is_of_another(self, name: str | None, cloud: str | None) -> bool:
        """Whether this is for another account than one of this name, in this cloud; what is None may be any."""
        pairs = ((self.name, name), (self.cloud, cloud))
        return any(own is not None and other is not None and own != other for own, other in pairs)

    def without_account(self) -> "_Settings":
        """What holds for any account."""
        return replace(self, name=None, key=None, sas=None, endpoint=None, host=None, cloud=None)

    def filled(self, other: "_Settings") -> "_Settings":
        """With what the other one knows, where this one says nothing; an identity is taken as a whole."""
        own = self.identity
        says = own.client_id or own.client_secret or own.token_file or own.tenant_id
        return _Settings(
            self.name or other.name,
            None if says else other.key,
            None if says else other.sas,
            self.endpoint or other.endpoint,
            self.host or other.host,
            self.cloud or other.cloud,
            replace(own, authority=own.authority or other.identity.authority) if says else other.identity,
            self.verify,
        )


def _fields(text: str) -> dict[str, str]:
    """https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string."""
    pairs = [entry.strip().partition("=") for entry in text.split(";") if entry.strip()]
    if not all(separator for _, separator, _ in pairs):
        raise InvalidConfig("this is no connection string", hint="AccountName=…;AccountKey=…;EndpointSuffix=…")
    told = {name: value for name, _, value in pairs}
    return _EMULATOR | told if told.get("UseDevelopmentStorage") == "true" else told


def _blob_endpoint(endpoint: str) -> tuple[str | None, str | None, str]:
    """Take an endpoint apart.

    Returns:
        The account that its path (of emulators) or host names, the cloud of that, and the URL of its blobs.
    """
    try:
        url = urlsplit(endpoint)
        host = url.hostname or ""
    except ValueError:  # its text may hold a password
        raise InvalidConfig("the endpoint cannot be read", hint="write it as https://ACCOUNT.blob.…") from None
    if url.path.strip("/"):
        return url.path.strip("/").partition("/")[0], None, endpoint
    found = account_host(host)
    if found is None:
        return None, None, endpoint
    if found.cloud is None or url.port is not None:
        return found.name, None, endpoint
    return found.name, found.cloud, f"{url.scheme}://{found.host}"


def _checked(name: str) -> str:
    """A name that goes into a host's."""
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
        raise refusal(f"{what} is no shared access signature", hint="it holds sv=…&sig=…; snapshots are not read")
    if others := sorted(names & _NOT_SIGNATURE):
        hint = "pass the signature alone; snapshots and versions cannot be read"
        raise refusal(f"{what} holds {', '.join(others)}, which asks for something else than the blob", hint=hint)
    return query
