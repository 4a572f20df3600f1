"""URLs with a shared access signature (SAS) for one blob, signed with the account key or a user delegation key.

Source: https://learn.microsoft.com/rest/api/storageservices/create-service-sas, create-user-delegation-sas and
get-user-delegation-key in the same place
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

from ...errors import AccessDenied, InvalidConfig, ServiceError, UnsupportedOperation
from ...uri import Location
from .authorization import TokenAuthorizer, generated
from .container import Container

__all__ = ["presign"]

# The maximum of a user delegation key: a week.
_MOST_SECONDS = 604_800
# What the service returns of a user delegation key, and the attributes of the SDK's class.
_KEY_FIELDS = {
    "SignedOid": "signed_oid", "SignedTid": "signed_tid", "SignedStart": "signed_start",
    "SignedExpiry": "signed_expiry", "SignedService": "signed_service", "SignedVersion": "signed_version",
    "Value": "value",
}  # fmt: skip


async def presign(container: Container, key: str, method: str, seconds: int) -> str:
    """Sign a URL; see `Backend.presign`.

    Raises:
        UnsupportedOperation: The credentials are neither an account key nor an identity.
        InvalidConfig: The account key is not valid, or an identity's URL would be valid for more than a week.
        AccessDenied: The identity may not request a user delegation key.
    """
    url, now = container.plain_url(key), datetime.now(UTC)
    expiry = now + timedelta(seconds=seconds)
    delegation: dict[str, str] | None = None
    if container.account.key is None:
        if not isinstance(container.authorizer, TokenAuthorizer):
            raise UnsupportedOperation(
                "only an account key or an identity can sign a URL",
                hint="pass AzureConfig(account_name=…, account_key=…)",
            )
        if seconds > _MOST_SECONDS:
            raise InvalidConfig(
                f"expires_in={seconds} is more than Azure allows for an identity",
                hint=f"at most {_MOST_SECONDS} s, a week",
            )
        delegation = await _delegation_key(container, now, expiry)
    return f"{url}?{await container.instance.disk.run(lambda: _sign(container, key, method, expiry, delegation))}"


def _sign(container: Container, key: str, method: str, expiry: datetime, delegation: dict[str, str] | None) -> str:
    from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas  # noqa: PLC0415 - 0.3 s

    account = container.account
    signer: Any = None
    if delegation is not None:
        signer = UserDelegationKey()  # type: ignore[no-untyped-call]
        for name, attribute in _KEY_FIELDS.items():
            setattr(signer, attribute, delegation[name])
    reads = method == "GET"
    permission: Any = BlobSasPermissions(read=reads, create=not reads, write=not reads)
    return generated(
        generate_blob_sas,
        account,
        container.location.root,
        key,
        account_key=account.key,
        user_delegation_key=signer,
        permission=permission,
        expiry=expiry,
    )


async def _delegation_key(container: Container, now: datetime, expiry: datetime) -> dict[str, str]:
    service = Container(Location("azure", ""), container.account, container.authorizer, container.instance)
    start, end = (f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in (now - timedelta(minutes=5), expiry))
    body = f'<?xml version="1.0"?><KeyInfo><Start>{start}</Start><Expiry>{end}</Expiry></KeyInfo>'.encode()
    query = {"restype": "service", "comp": "userdelegationkey"}
    reply = await service.send("POST", None, query=query, body=memoryview(body))
    if reply.status in {401, 403}:
        hint = "it needs the role Storage Blob Delegator, or pass an account key"
        raise AccessDenied("the identity may not sign URLs", hint=hint, status=reply.status)
    if reply.status != 200:
        raise service.error(reply, None)
    try:
        root = ET.fromstring(reply.body.removeprefix(b"\xef\xbb\xbf").strip())  # noqa: S314 - as in `replies`
    except ET.ParseError:
        root = ET.Element("")
    fields = {child.tag: child.text or "" for child in root}
    if not fields.keys() >= _KEY_FIELDS.keys():
        raise ServiceError("the service returned no user delegation key", status=reply.status)
    return fields
