"""Azure: containers, and the hosts of storage accounts."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote

from ..errors import InvalidURI
from .location import Location
from .refusal import holds_credentials, shown

__all__ = ["AccountHost", "account_host", "parse_azure", "parse_azure_url"]

_CONTAINER = re.compile(r"\$?[a-z0-9][a-z0-9-]{1,62}|\$(root|logs|web)")
# https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-endpoints
_CLOUDS = {"core.windows.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net", "core.cloudapi.de"}
_PUBLIC_CLOUD, _ZONES = "core.windows.net", "storage.azure.net"
_HOST = re.compile(
    r"(?P<name>[a-z0-9]{3,24})(?P<feature>(?:-secondary)?(?:-ipv6|-dualstack)?)\."
    r"(?:privatelink\.)?(?P<zone>z[0-9]{1,2}\.)?(?:blob|dfs)\.(?P<suffix>.+?)\.?"
)
_SHORT_FORM = "azure://container/path"
_HADOOP_FORM = "abfss://container@ACCOUNT.dfs.core.windows.net/path"
_URL_FORM = "https://ACCOUNT.blob.core.windows.net/container/path"


@dataclass(frozen=True, slots=True)
class AccountHost:
    """The host of a storage account.

    Attributes:
        name: The account.
        host: The host that serves its blobs.
        cloud: Azure's cloud that it belongs to, since each has its own accounts, such as "core.windows.net"; None: a
            host of somebody else, whose name alone proves nothing.
    """

    name: str
    host: str
    cloud: str | None


def account_host(host: str) -> AccountHost | None:
    """Find out which account a host belongs to.

    The Data Lake endpoint (`dfs`) and the private link name stand for the blob endpoint of the same account: `dfs`
    serves another protocol, and no certificate of Azure is valid for a `privatelink` name, which exists only as the
    DNS alias behind the ordinary one.
    https://learn.microsoft.com/azure/storage/common/storage-private-endpoints#dns-changes-for-private-endpoints

    Args:
        host: A host name, in lower case.

    Returns:
        The account; None: not the form of such a host.

    Example:
        >>> account_host("models.privatelink.blob.core.windows.net").host
        'models.blob.core.windows.net'
    """
    found = _HOST.fullmatch(host)
    if found is None:
        return None
    name, feature, zone, suffix = found["name"], found["feature"], found["zone"] or "", found["suffix"]
    cloud = _PUBLIC_CLOUD if zone and suffix == _ZONES else suffix if not zone and suffix in _CLOUDS else None
    return AccountHost(name, f"{name}{feature}.{zone}blob.{suffix}", cloud)


def parse_azure(text: str, rest: str) -> Location:
    """Parse what follows azure:// or one of its aliases, with the account or without.

    Args:
        text: The whole URI.
        rest: The part after "://".

    Raises:
        InvalidURI: It names no container, another host than an account's, or holds credentials.
    """
    root, _, key = rest.partition("/")
    container, at, host = root.partition("@")
    account = None
    if at:
        account = account_host(host.lower())
        if account is None or account.cloud is None or ":" in container:
            hint = f"{_HADOOP_FORM}, or AzureConfig for credentials"
            raise InvalidURI("the part after the @ is not an account's host", hint=hint, uri=shown(text))
        if not key.isascii() and any("\ud800" <= each <= "\udfff" for each in key):
            raise InvalidURI("the names of blobs are UTF-8", hint=_HADOOP_FORM, uri=shown(text))
    elif holds_credentials(rest) and not _CONTAINER.fullmatch(container):
        raise InvalidURI("credentials do not belong in a URI", hint="pass an AzureConfig", uri=shown(text))
    if not container:
        raise InvalidURI("the container's name is missing", hint=_SHORT_FORM, uri=shown(text))
    if not _CONTAINER.fullmatch(container):
        cause = "the part before the @" if at else repr(container)
        hint = _HADOOP_FORM if at else _SHORT_FORM
        raise InvalidURI(f"{cause} is not the name of a container", hint=hint, uri=shown(text))
    if re.search(r"\?(.*&)?sig=", key, re.DOTALL):
        hint = f"{_URL_FORM}?SIGNATURE, or AzureConfig(sas_token=…)"
        raise InvalidURI("a shared access signature is read from https:// URIs only", hint=hint, uri=shown(text))
    return Location("azure", container, key, account=account.host if account else None)


def parse_azure_url(text: str, url: SplitResult, account: AccountHost) -> Location:
    """Parse the URL of a container or blob.

    Args:
        text: The whole URL.
        url: Its parts.
        account: The account of its host.

    Raises:
        InvalidURI: It names no container, or has a port.
    """
    form = f"https://{account.host}/container/path"
    if url.port not in {None, 443 if url.scheme == "https" else 80}:
        hint = "AzureConfig(endpoint_url=…) for another server"
        raise InvalidURI(f"Azure does not serve blobs at port {url.port}", hint=hint, uri=shown(text))
    try:
        container, key = (unquote(part, errors="strict") for part in url.path[1:].partition("/")[::2])
    except UnicodeDecodeError:
        raise InvalidURI("the names of blobs are percent-encoded UTF-8", hint=form, uri=shown(text)) from None
    if not _CONTAINER.fullmatch(container):
        cause = f"{container!r} is not the name of a container" if container else "the container's name is missing"
        raise InvalidURI(cause, hint=form, uri=shown(text))
    return Location("azure", container, key, account=account.host, query=url.query)
