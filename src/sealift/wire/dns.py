"""DNS lookups: in a thread, cached for a minute, with connections rotated over all addresses."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import ip_address
from itertools import chain, zip_longest
from typing import Protocol, TypeVar

from ..errors import TransportError
from .address import Address
from .message import Origin

__all__ = ["Address", "Resolver", "RunBlocking"]

T = TypeVar("T")

_CACHE_SECONDS = 60.0
"""How long addresses are cached."""


class RunBlocking(Protocol):
    """Runs a function in a thread and returns its result."""

    def __call__(self, fn: Callable[[], T], /) -> Awaitable[T]: ...


class _Entry:
    __slots__ = ("addresses", "expires", "resolving", "rotation")

    def __init__(self) -> None:
        self.addresses: list[Address] = []
        self.expires = 0.0
        self.rotation = 0
        self.resolving = asyncio.Lock()


class Resolver:
    """Resolves host names; each call returns the addresses rotated by one.

    Args:
        run_blocking: Runs `getaddrinfo` in a thread.
    """

    def __init__(self, run_blocking: RunBlocking) -> None:
        self._run_blocking = run_blocking
        self._entries: dict[tuple[str, int], _Entry] = {}

    async def addresses(self, origin: Origin) -> list[Address]:
        """All addresses of the origin's host, in the order to try them.

        Raises:
            TransportError: The name does not resolve; retryable only if the resolver reports a temporary failure.
        """
        if origin.is_address and "%" not in origin.host:
            family = socket.AF_INET if ip_address(origin.host).version == 4 else socket.AF_INET6
            return [Address(family, (origin.host, origin.port))]
        entry = self._entries.setdefault((origin.host, origin.port), _Entry())
        if entry.expires <= time.monotonic():
            async with entry.resolving:
                if entry.expires <= time.monotonic():
                    entry.addresses = await self._resolve(origin)
                    entry.expires = time.monotonic() + _CACHE_SECONDS
        entry.rotation += 1
        first = entry.rotation % len(entry.addresses)
        return entry.addresses[first:] + entry.addresses[:first]

    def drop_address(self, origin: Origin, address: Address) -> None:
        """Drop an address that does not accept connections, unless it is the only one left."""
        entry = self._entries.get((origin.host, origin.port))
        if entry is not None and len(entry.addresses) > 1 and address in entry.addresses:
            entry.addresses.remove(address)

    def forget(self, origin: Origin) -> None:
        """Discard the cached addresses, because none of them accepts connections."""
        self._entries.pop((origin.host, origin.port), None)

    async def _resolve(self, origin: Origin) -> list[Address]:
        try:
            results = await self._run_blocking(
                partial(socket.getaddrinfo, origin.host, origin.port, type=socket.SOCK_STREAM)
            )
        except (socket.gaierror, UnicodeError) as error:
            temporary = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            raise TransportError(
                f"the name {origin.host} does not resolve",
                hint="the DNS resolver is temporarily unavailable" if temporary else "check the host name",
                retryable=temporary,
            ) from None
        except OSError as error:
            raise TransportError(
                f"the name {origin.host} cannot be looked up: {error.strerror}", retryable=True
            ) from None
        families: dict[int, list[Address]] = {}
        for family, _, _, _, sockaddr in results:
            address = Address(family, sockaddr)
            if address not in families.setdefault(family, []):
                families[family].append(address)
        # https://www.rfc-editor.org/rfc/rfc8305#section-4: interleave the families, starting with the resolver's first.
        mixed = chain.from_iterable(zip_longest(*families.values()))
        return [address for address in mixed if address is not None]
