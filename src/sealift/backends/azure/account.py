"""Which storage account, where, and with what: from the URI, the configuration and the environment. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from ...config import AzureConfig
from ...errors import InvalidConfig, InvalidURI
from ...uri import Location

__all__ = ["Account", "Identity", "account_of"]

_NAME = re.compile(r"[a-z0-9]{3,24}")
_HOST = re.compile(r"([a-z0-9]{3,24})(?:-secondary)?\.(?:z[0-9]{1,2}\.)?blob\..+")
_SUFFIX = "core.windows.net"
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
    named = (location.account or "").partition(".")[0].removesuffix("-secondary") or None
    given = environment if config is None else _Settings.of(config)
    if named and given.name and given.name != named:
        if config is not None:
            cause = f"AzureConfig is for the account {given.name!r}, and the URI names {named!r}"
            raise InvalidConfig(cause, hint="leave account_name out, or pass the other account's configuration")
        given = environment.without_account()
    if config is not None and not given.signed and not config.anonymous:
        same = environment.name in {None, given.name or named or environment.name}
        given = given.filled(environment if same else environment.without_account())
    name = named or given.name or ""
    if not name and (given.key or not given.endpoint):
        raise InvalidConfig(
            "the storage account is not named",
            hint="AzureConfig(account_name=…), AZURE_STORAGE_ACCOUNT, or https://ACCOUNT.blob.core.windows.net/…",
        )
    host = location.account or given.host or (f"{_checked(name)}.blob.{_SUFFIX}" if not given.endpoint else "")
    signature = _signature(location.query, InvalidURI) if location.query else None
    key = None if signature else given.key
    sas = signature or (None if key else given.sas)
    anonymous = config is not None and config.anonymous and not signature
    identity = None if key or sas or anonymous else given.identity
    return Account(name, (given.endpoint or f"https://{host}").rstrip("/"), key, sas, identity, given.verify)


@dataclass(frozen=True, slots=True)
class _Settings:
    """A configuration, its connection string taken apart."""

    name: str | None
    key: str | None = field(repr=False)
    sas: str | None = field(repr=False)
    endpoint: str | None
    host: str | None
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
        return cls(
            name or (_name_in(endpoint) if endpoint else None),
            told.get("AccountKey") or config.account_key,
            _signature(sas, InvalidConfig) if sas else None,
            endpoint,
            host,
            Identity(config.tenant_id, config.client_id, config.client_secret, config.token_file, config.authority),
            config.verify,
        )

    @property
    def signed(self) -> bool:
        return self.key is not None or self.sas is not None

    def without_account(self) -> "_Settings":
        """What holds for any account."""
        return replace(self, name=None, key=None, sas=None, endpoint=None, host=None)

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


def _name_in(endpoint: str | None) -> str | None:
    """The account that an endpoint names: by its path, as emulators have it, or by its host."""
    if endpoint is None:
        return None
    try:
        url = urlsplit(endpoint)
        host = url.hostname or ""
    except ValueError:  # its text may hold a password
        raise InvalidConfig("the endpoint cannot be read", hint="write it as https://ACCOUNT.blob.…") from None
    if url.path.strip("/"):
        return url.path.strip("/").partition("/")[0]
    named = _HOST.fullmatch(host)
    return named[1] if named else None


def _checked(name: str) -> str:
    """A name that goes into a host's."""
    if not _NAME.fullmatch(name):
        raise InvalidConfig(
            f"{name!r} is not the name of a storage account", hint="3 to 24 lower-case letters and digits"
        )
    return name


def _signature(text: str, refusal: type[InvalidConfig] | type[InvalidURI]) -> str:
    query = text.strip().removeprefix("?")
    if not any(part.startswith("sig=") for part in query.split("&")):
        what = "the URI's query" if refusal is InvalidURI else "the SAS token"
        raise refusal(f"{what} is no shared access signature", hint="it holds sv=…&sig=…; snapshots are not read")
    return query
