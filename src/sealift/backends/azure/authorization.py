"""What a request carries so that the service lets it pass: a signature in its query, or a token in its header."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ...errors import InvalidConfig
from ...instance import Instance
from .account import Account
from .token import Token, surroundings

__all__ = ["Access", "Bearer", "Pass", "access_to"]

# Of a signature that is made here; it is made anew when half of this is over.
_LIFE = timedelta(hours=6)


@dataclass(frozen=True, slots=True, repr=False)
class Pass:
    """What one request carries.

    Attributes:
        query: To be appended to its query; "" for nothing.
        headers: To be sent along.
    """

    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Access(Protocol):
    """Asked before each request, so that what has expired is renewed."""

    async def __call__(self) -> Pass:
        """What the next request carries."""


def access_to(account: Account, container: str, instance: Instance) -> Access:
    """How to be let into a container.

    Args:
        account: Where it is, and with what.
        container: Its name: a signature made from the account's key is for this one only.
        instance: Of the instance; they keep what has been signed and given.

    Raises:
        InvalidConfig: A token would be sent in the clear.
    """
    if account.key is None and account.identity is None:
        return Given(account.sas or "")
    signed = account.key is not None
    kept = ("azure", account, container if signed else surroundings(instance.environ))
    if kept not in instance.credentials:
        if not signed and not account.endpoint.startswith("https://"):
            raise InvalidConfig("the tokens of an identity are sent over https only", hint="https://, a key or a SAS")
        access = Signed(account, container, instance) if signed else Bearer(Token(account, instance))
        instance.credentials[kept] = access
    found: Access = instance.credentials[kept]
    return found


class Given:
    """A signature that the caller has, or none.

    Args:
        query: See `Pass`.
    """

    def __init__(self, query: str) -> None:
        self._pass = Pass(query)

    async def __call__(self) -> Pass:
        return self._pass


class Signed:
    """Signatures made from the account's key: ranges need no further one.

    Args:
        account: With its key.
        container: What they are for.
        instance: Of the instance.
        now: The time.
    """

    def __init__(
        self,
        account: Account,
        container: str,
        instance: Instance,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._account = account
        self._container = container
        self._instance = instance
        self._now = now
        self._pass = Pass()
        self._until = datetime.min.replace(tzinfo=UTC)
        self._signing = asyncio.Lock()

    async def __call__(self) -> Pass:
        if self._now() >= self._until:
            async with self._signing:
                if (now := self._now()) >= self._until:
                    # In a thread: the SDK's import takes 0.3 s.
                    query = await self._instance.disk.run(lambda: _sign(self._account, self._container, now + _LIFE))
                    self._pass, self._until = Pass(query), now + _LIFE / 2
        return self._pass


def _sign(account: Account, container: str, expiry: datetime) -> str:
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas  # noqa: PLC0415 - 0.3 s

    try:
        query: str = generate_container_sas(
            account.name,
            container,
            account_key=account.key,
            permission=ContainerSasPermissions(read=True, write=True, create=True, delete=True, list=True, tag=True),
            expiry=expiry,
            protocol="https" if account.endpoint.startswith("https://") else None,
        )
    except Exception:  # noqa: BLE001 - of several kinds, and their texts may repeat the key
        query = ""
    if not query:
        raise InvalidConfig("the account key is not one: it must be Base64", hint="copy it from the portal, or az")
    return query


class Bearer:
    """The token of an identity.

    Args:
        token: Renews itself.
    """

    def __init__(self, token: Token) -> None:
        self._token = token

    async def __call__(self) -> Pass:
        return Pass(headers=(("authorization", f"Bearer {await self._token()}"),))
