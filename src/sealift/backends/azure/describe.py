"""The configuration that is used for a container, without secrets."""

from urllib.parse import parse_qs

from ...config import AzureConfig
from ...config.setting import Setting
from ...instance import Instance
from ...uri import Location
from .account import Account, account_of

__all__ = ["describe"]


async def describe(location: Location, config: AzureConfig | None, instance: Instance) -> dict[str, Setting]:
    """Describe the account and the credentials of a container.

    Args:
        location: The container.
        config: The caller's configuration. None: the environment's.
        instance: Provides the environment.

    Raises:
        StorageError: As `account_of`.
    """
    account = account_of(location, config, instance.environ)
    return {
        "account": Setting(account.name),
        "endpoint": Setting(account.endpoint),
        "credentials": Setting(_credentials(account)),
    }


def _credentials(account: Account) -> str:
    if account.key is not None:
        return "account key"
    if account.sas is not None:
        expiry = parse_qs(account.sas).get("se")
        return f"shared access signature, expires {expiry[0]}" if expiry else "shared access signature"
    if account.identity is None:
        return "none: requests are anonymous"
    client = account.identity.client_id
    return f"Microsoft Entra ID, client {client}" if client else "Microsoft Entra ID, the first identity that is found"
