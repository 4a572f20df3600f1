"""Azure Blob Storage and Azure Files URIs: containers, file shares and storage account hosts."""

import re
from urllib.parse import SplitResult, unquote

from ..errors import InvalidURI
from ..frozen_dataclass import dataclass
from .location import Location
from .redaction import holds_credentials, redacted

__all__ = ["AccountHost", "account_host", "parse_azure", "parse_azure_url"]

_CONTAINER = r"\$?[a-z0-9][a-z0-9-]{1,62}|\$(root|logs|web)"
# https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-endpoints
_CLOUDS = {"core.windows.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net", "core.cloudapi.de"}
_PUBLIC_CLOUD, _ZONES = "core.windows.net", "storage.azure.net"
_HOST = (
    r"(?P<name>[a-z0-9]{3,24})(?P<feature>(?:-secondary)?(?:-ipv6|-dualstack)?)\."
    r"(?:privatelink\.)?(?P<zone>z[0-9]{1,2}\.)?(?P<service>blob|dfs|file)\.(?P<suffix>.+?)\.?"
)
_SHORT_FORM = "azure://container/path"
_HADOOP_FORM = "abfss://container@ACCOUNT.dfs.core.windows.net/path"
_URL_FORM = "https://ACCOUNT.blob.core.windows.net/container/path"
# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-shares--directories--files--and-metadata
_SHARE = r"[a-z0-9](?:-?[a-z0-9]){2,62}"


@dataclass(frozen=True, slots=True)
class AccountHost:
    """The host of a storage account.

    Attributes:
        name: Account name.
        host: Host of the account's blob endpoint, or of its file endpoint.
        cloud: Azure cloud of the account, such as "core.windows.net"; account names are unique only within a cloud.
            None: a private cloud, or an unrelated host whose name only looks like that of a storage account.
        is_files: Whether this is the endpoint of file shares (Azure Files).
    """

    name: str
    host: str
    cloud: str | None
    is_files: bool = False


def account_host(host: str) -> AccountHost | None:
    """Parse the host name of a storage account.

    Data Lake (`dfs`) and private link host names are mapped to the blob endpoint of the same account: `dfs` speaks a
    different protocol, and `privatelink` names have no valid TLS certificate, since they exist only as DNS aliases of
    the regular names.
    https://learn.microsoft.com/azure/storage/common/storage-private-endpoints#dns-changes-for-private-endpoints

    Args:
        host: Host name in lower case.

    Returns:
        The account, or None if the host name does not have this form.

    Example:
        >>> account_host("models.privatelink.blob.core.windows.net").host
        'models.blob.core.windows.net'
    """
    matched = re.fullmatch(_HOST, host)
    if matched is None:
        return None
    name, feature, zone, suffix = matched["name"], matched["feature"], matched["zone"] or "", matched["suffix"]
    cloud = _PUBLIC_CLOUD if zone and suffix == _ZONES else suffix if not zone and suffix in _CLOUDS else None
    is_files = matched["service"] == "file"
    return AccountHost(name, f"{name}{feature}.{zone}{'file' if is_files else 'blob'}.{suffix}", cloud, is_files)


def parse_azure(text: str, rest: str) -> Location:
    """Parse an azure:// URI or one of its aliases, with or without an account.

    Args:
        text: The whole URI.
        rest: The part after "://".

    Raises:
        InvalidURI: The container is missing, the host is not a storage account, or the URI contains credentials.
    """
    root, _, key = rest.partition("/")
    container, at, host = root.partition("@")
    account = None
    if at:
        account = account_host(host.lower())
        if account is None or account.cloud is None or account.is_files or ":" in container:
            hint = f"{_HADOOP_FORM}, or AzureConfig for credentials"
            raise InvalidURI("the part after the @ is not a storage account host", hint=hint, uri=redacted(text))
        if not key.isascii() and any("\ud800" <= each <= "\udfff" for each in key):
            raise InvalidURI("blob names must be UTF-8", hint=_HADOOP_FORM, uri=redacted(text))
    elif holds_credentials(rest) and not re.fullmatch(_CONTAINER, container):
        raise InvalidURI("credentials do not belong in a URI", hint="pass an AzureConfig", uri=redacted(text))
    if not container:
        raise InvalidURI("the container name is missing", hint=_SHORT_FORM, uri=redacted(text))
    if not re.fullmatch(_CONTAINER, container):
        cause = "the part before the @" if at else repr(container)
        hint = _HADOOP_FORM if at else _SHORT_FORM
        raise InvalidURI(f"{cause} is not a valid container name", hint=hint, uri=redacted(text))
    if re.search(r"\?(.*&)?sig=", key, re.DOTALL):
        hint = f"{_URL_FORM}?SIGNATURE, or AzureConfig(sas_token=…)"
        raise InvalidURI(
            "a shared access signature (SAS) is only accepted in https:// URIs", hint=hint, uri=redacted(text)
        )
    return Location("azure", container, key, account=account.host if account else None)


def parse_azure_url(text: str, url: SplitResult, account: AccountHost) -> Location:
    """Parse the URL of a container or blob, or of a file share or a file in one.

    Args:
        text: The whole URL.
        url: The result of `urlsplit`.
        account: The account that the host belongs to.

    Raises:
        InvalidURI: The container or share is missing, or the URL has a port.
    """
    kind, contents, valid = ("share", "files", _SHARE) if account.is_files else ("container", "blobs", _CONTAINER)
    form = f"https://{account.host}/{kind}/path"
    if url.port not in {None, 443 if url.scheme == "https" else 80}:
        hint = "AzureConfig(endpoint_url=…) for another server"
        raise InvalidURI(f"Azure does not serve {contents} on port {url.port}", hint=hint, uri=redacted(text))
    try:
        root, key = (unquote(part, errors="strict") for part in url.path[1:].partition("/")[::2])
    except UnicodeDecodeError:
        cause = f"the names of {contents} must be percent-encoded UTF-8"
        raise InvalidURI(cause, hint=form, uri=redacted(text)) from None
    if not re.fullmatch(valid, root):
        cause = f"{root!r} is not a valid {kind} name" if root else f"the {kind} name is missing"
        raise InvalidURI(cause, hint=form, uri=redacted(text))
    return Location("azure", root, key, account=account.host, query=url.query)
