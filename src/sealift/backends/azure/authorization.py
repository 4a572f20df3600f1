"""Authorize requests with a shared access signature (SAS) in the query, or a bearer token in a header."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ...errors import InvalidConfig
from ...frozen_dataclass import dataclass
from ...instance import Instance
from .account import Account
from .token import CachedToken, identity_environment

__all__ = [
    "AccountKeyAuthorizer", "Authorization", "Authorizer", "SASAuthorizer", "Sign", "TokenAuthorizer", "authorizer_for",
    "generated", "sign_container",
]  # fmt: skip

# Signs a SAS with the key of an account, for a container or file share, with its expiry.
Sign = Callable[[Account, str, datetime], str]

# Lifetime of a generated SAS, which is renewed after half of it.
_SAS_LIFETIME = timedelta(hours=6)
# Difference from which on this machine's clock may be the reason why a signature is rejected.
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, repr=False)
class Authorization:
    """What authorizes one request.

    Attributes:
        query: SAS to append to the request's query; "": none.
        headers: Headers to add to the request.
    """

    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Authorizer(Protocol):
    """Called before each request, so that expired credentials are renewed."""

    async def __call__(self) -> Authorization:
        """Return the authorization of the next request."""


def authorizer_for(account: Account, container: str, instance: Instance, sign: Sign | None = None) -> Authorizer:
    """Create the authorizer for a container, or return the instance's existing one.

    Args:
        account: The account and its credentials.
        container: Name of the container: a SAS generated from the account key is valid for it only.
        instance: Caches signatures and tokens.
        sign: Signs the SAS. None: `sign_container`.

    Raises:
        InvalidConfig: A token would be sent unencrypted.
    """
    if account.key is None and account.identity is None:
        return SASAuthorizer(account.sas or "")
    signed = account.key is not None
    cache_key = ("azure", account, (container, sign) if signed else identity_environment(instance.environ))
    if cache_key not in instance.credentials:
        if not signed and not account.endpoint.startswith("https://"):
            raise InvalidConfig(
                "identity tokens are sent over https only", hint="use an https:// endpoint, a key or a SAS"
            )
        instance.credentials[cache_key] = (
            AccountKeyAuthorizer(account, container, instance, sign=sign)
            if signed
            else TokenAuthorizer(CachedToken(account, instance))
        )
    authorizer: Authorizer = instance.credentials[cache_key]
    return authorizer


class SASAuthorizer:
    """Authorizes with the caller's SAS, or leaves requests anonymous.

    Args:
        query: The SAS; "": none.
    """

    def __init__(self, query: str) -> None:
        self._authorization = Authorization(query)

    async def __call__(self) -> Authorization:
        return self._authorization


class AccountKeyAuthorizer:
    """Authorizes with a SAS generated from the account key, which is reused for many requests.

    Args:
        account: The account, with its key.
        container: Container that the SAS is valid for.
        instance: Provides threads.
        now: Clock.
        sign: Signs the SAS.
    """

    def __init__(
        self,
        account: Account,
        container: str,
        instance: Instance,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sign: Sign | None = None,
    ) -> None:
        self._account = account
        self._container = container
        self._instance = instance
        self._own_clock = now
        self._sign = sign or sign_container
        self._offset = timedelta()
        self._authorization = Authorization()
        self._until = datetime.min.replace(tzinfo=UTC)
        self._lock = asyncio.Lock()

    def correct_clock(self, date: datetime) -> bool:
        """Sign with the service's time if this machine's differs; return whether it does.

        Args:
            date: The time of a response.
        """
        offset = date - self._own_clock()
        if abs(offset) < _SKEW:
            return False
        if abs(offset - self._offset) >= _SKEW:  # otherwise another response has corrected it
            self._offset, self._until = offset, datetime.min.replace(tzinfo=UTC)
        return True

    def _now(self) -> datetime:
        return self._own_clock() + self._offset

    async def __call__(self) -> Authorization:
        if self._now() >= self._until:
            async with self._lock:
                if (now := self._now()) >= self._until:
                    # In a thread: importing the SDK takes 0.3 s.
                    query = await self._instance.disk.run(
                        lambda: self._sign(self._account, self._container, now + _SAS_LIFETIME)
                    )
                    self._authorization, self._until = Authorization(query), now + _SAS_LIFETIME / 2
        return self._authorization


def sign_container(account: Account, container: str, expiry: datetime) -> str:
    """Sign a SAS with the account key.

    Args:
        account: The account.
        container: Container that the SAS is valid for.
        expiry: When it expires.

    Raises:
        InvalidConfig: The key is not valid Base64.
    """
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas  # noqa: PLC0415 - 0.3 s

    permission = ContainerSasPermissions(read=True, write=True, create=True, delete=True, list=True, tag=True)
    return generated(
        generate_container_sas, account, container, account_key=account.key, permission=permission, expiry=expiry
    )


def generated(generate: Callable[..., str], account: Account, *arguments: object, **options: object) -> str:
    """Let a function of the SDK sign a SAS for an account.

    Args:
        generate: The function.
        account: The account. Its name is the first argument, and its endpoint decides whether the SAS is for TLS only.
        arguments: Further arguments of the function.
        options: Keyword arguments of the function.

    Raises:
        InvalidConfig: The key is not valid Base64.
    """
    protocol = "https" if account.endpoint.startswith("https://") else None
    try:
        query = generate(account.name, *arguments, protocol=protocol, **options)
    except Exception:  # noqa: BLE001 - several types, whose messages may repeat the key
        query = ""
    if not query:
        raise InvalidConfig("the account key is not valid Base64", hint="copy it from the Azure portal, or use az")
    return query


class TokenAuthorizer:
    """Authorizes with the token of an identity.

    Args:
        token: Returns a valid token, renewing it when needed.
    """

    def __init__(self, token: CachedToken) -> None:
        self._token = token

    async def __call__(self) -> Authorization:
        return Authorization(headers=(("authorization", f"Bearer {await self._token()}"),))
