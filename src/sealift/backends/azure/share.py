"""Send authorized requests to one file share (Azure Files).

https://learn.microsoft.com/rest/api/storageservices/file-service-rest-api
"""

from collections.abc import Mapping
from datetime import datetime

from ...errors import ModelMissingError, StorageError
from ...wire import Request, Response
from . import replies, share_replies
from .account import Account
from .authorization import Authorization, TokenAuthorizer, generated
from .container import Container, Headers

__all__ = ["Share", "sign_share"]

# A name that ends in a dot is taken as it is.
_OWN_HEADERS = (("x-ms-allow-trailing-dot", "true"),)
# Identities have access by their role, not by the permissions of each file:
# https://learn.microsoft.com/azure/storage/files/authorize-oauth-rest
_INTENT = (("x-ms-file-request-intent", "backup"),)


class Share(Container):
    """Sends requests for a file share and its files. The arguments are those of `Container`."""

    # The first in which identity tokens and trailing dots are accepted.
    api_version = "2022-11-02"

    def authorized(
        self,
        authorization: Authorization,
        method: str,
        key: str | None,
        headers: Headers = (),
        query: Mapping[str, str] | None = None,
    ) -> Request:
        intent = _INTENT if isinstance(self.authorizer, TokenAuthorizer) else ()
        return super().authorized(authorization, method, key, [*headers, *_OWN_HEADERS, *intent], query)

    async def head(self, key: str, version_id: str | None = None) -> Response:
        if not key or key.endswith("/"):
            raise ModelMissingError(key, cause=f"{key!r} is a directory, not a file")
        reply = await super().head(key, version_id)
        if replies.header(reply, "x-ms-type").lower() == "directory":
            raise ModelMissingError(key, cause=f"{key!r} is a directory, not a file")
        return reply

    def error(self, reply: Response, key: str | None) -> StorageError:
        return share_replies.error(reply, share=self.location.root, key=key)


def sign_share(account: Account, share: str, expiry: datetime) -> str:  # noqa: ARG001 - as `sign_container`
    """Sign a SAS with the account key, to read the file shares of the account; see `authorization.sign_container`.

    The SDK of the Blob service signs for accounts, and not for single shares.
    """
    from azure.storage.blob import (  # noqa: PLC0415 - 0.3 s
        AccountSasPermissions,
        ResourceTypes,
        Services,
        generate_account_sas,
    )

    return generated(
        generate_account_sas,
        account,
        account.key or "",
        resource_types=ResourceTypes(container=True, object=True),
        permission=AccountSasPermissions(read=True, list=True),
        expiry=expiry,
        services=Services(fileshare=True),
    )
