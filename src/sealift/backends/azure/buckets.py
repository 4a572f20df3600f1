"""List the containers of an account: https://learn.microsoft.com/rest/api/storageservices/list-containers2"""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

from ...config import AzureConfig, StorageConfig
from ...errors import InvalidConfig, ServiceError
from ...instance import Instance
from ...runtime.paging import ContinuationTokens
from ...uri import Location
from .account import Account, account_of
from .authorization import Authorizer, SASAuthorizer, authorizer_for
from .container import Container

__all__ = ["list_buckets"]

_LIFETIME = timedelta(hours=1)


async def list_buckets(config: StorageConfig | None, instance: Instance) -> list[str]:
    """List the names of all containers of the account.

    Raises:
        StorageError: The service refused the request.
    """
    if config is not None and not isinstance(config, AzureConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for azure://", hint="pass an AzureConfig")
    root = Location("azure", "")
    account = account_of(root, config, instance.environ)
    service = Container(root, account, await _authorizer(account, instance), instance)
    names: list[str] = []
    tokens, marker = ContinuationTokens("the list of containers"), ""
    while True:
        page, marker = await instance.retry(lambda: _page(service, marker))  # noqa: B023 - awaited here
        names += page
        if not marker:
            return names
        tokens.check(marker)


async def _authorizer(account: Account, instance: Instance) -> Authorizer:
    """An authorizer for the account: the SAS that is generated for objects is valid for one container."""
    if account.key is None:
        return authorizer_for(account, "", instance)
    expiry = datetime.now(UTC) + _LIFETIME
    return SASAuthorizer(await instance.disk.run(lambda: _sign(account, expiry)))


def _sign(account: Account, expiry: datetime) -> str:
    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas  # noqa: PLC0415 - 0.3 s

    try:
        query: str = generate_account_sas(
            account.name,
            account.key or "",
            resource_types=ResourceTypes(service=True),
            permission=AccountSasPermissions(list=True),
            expiry=expiry,
        )
    except Exception:  # noqa: BLE001 - several types, whose messages may repeat the key
        query = ""
    if not query:
        raise InvalidConfig("the account key is not valid Base64", hint="copy it from the Azure portal, or use az")
    return query


async def _page(service: Container, marker: str) -> tuple[list[str], str]:
    reply = await service.send("GET", None, query={"comp": "list"} | ({"marker": marker} if marker else {}))
    if reply.status != 200:
        raise service.error(reply, None)
    try:
        root = ET.fromstring(reply.body)  # noqa: S314 - as in `replies`
    except ET.ParseError as problem:
        raise ServiceError(f"the list of containers is not XML: {problem}", retryable=True) from None
    names = [element.text for element in root.iterfind("Containers/Container/Name") if element.text]
    return names, root.findtext("NextMarker") or ""
