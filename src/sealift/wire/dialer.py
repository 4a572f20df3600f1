"""Open connections: resolve the name, connect to one of its addresses, do the TLS handshake."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ..errors import ClosedError, TransportError
from ..types import Limits
from .address import Address
from .connection import Connection
from .connection_errors import CannotConnectError
from .dns import Resolver, RunBlocking
from .lanes import Lanes
from .message import TLS, AllowedAddresses, Origin
from .tls import create_context

if TYPE_CHECKING:
    from ..runtime.bandwidth import Bandwidths

__all__ = ["Dialer", "redirect_blocked"]


class Opening(Protocol):
    """A connection that is being opened."""

    origin: Origin
    tls: TLS

    def interrupt(self, reason: BaseException) -> None: ...
    def close(self) -> None: ...


class Dialer:
    """Opens connections, each within `Limits.idle_timeout`.

    Args:
        limits: `idle_timeout` applies.
        lanes: Threads that connect.
        run_blocking: Runs DNS lookups and reads of certificate files in a thread.
        environ: Environment variables; those that `tls.ca_paths` names are read.
        bandwidths: Limits of the bytes per second of all connections.

    Attributes:
        bandwidths: Limits of the bytes per second of all connections. None: there are none.
        round_trip: Seconds that a round trip takes on the newest connection; 0 if unknown.
    """

    def __init__(
        self,
        limits: Limits,
        lanes: Lanes,
        run_blocking: RunBlocking,
        environ: Mapping[str, str],
        bandwidths: "Bandwidths | None" = None,
    ) -> None:
        self.bandwidths = bandwidths
        self._timeout = limits.idle_timeout
        self._lanes = lanes
        self._run_blocking = run_blocking
        self._environ = environ
        self._resolver = Resolver(run_blocking)
        self._contexts: dict[TLS, ssl.SSLContext] = {}
        self._context_lock = asyncio.Lock()
        self._preparing: set[asyncio.Timeout] = set()
        self._opening: set[Opening] = set()
        self.round_trip = 0.0
        self._closed = False

    async def dial(self, origin: Origin, tls: TLS) -> Connection:
        """Open a connection.

        Raises:
            TransportError: The name does not resolve, no address accepts the connection, the certificate is not
                trusted, or a redirect points to a blocked address.
            ClosedError: The dialer was closed while connecting.
        """
        context = await self.context(tls) if origin.scheme == "https" else None
        connection = Connection(origin, tls, self.bandwidths)

        async def connect(addresses: Sequence[Address], timeout: float) -> list[str]:
            return await self._lanes.run(connection, lambda: connection.open(addresses, timeout, context))

        await self.open(connection, connect)
        connection.close_unused()
        self.round_trip = connection.round_trip
        return connection

    async def open(
        self, connection: Opening, connect: Callable[[Sequence[Address], float], Awaitable[list[str]]]
    ) -> None:
        """Open a connection by other means.

        Args:
            connection: The connection.
            connect: Connects to one of these addresses within so many seconds; as `Connection.open`.

        Raises:
            TransportError: As `dial`.
            ClosedError: As `dial`.
        """
        origin = connection.origin
        addresses = await self._addresses(origin, connection.tls)
        self._opening.add(connection)
        try:
            reasons = await connect(addresses, self._timeout)
            for address in addresses[: len(reasons)]:
                self._resolver.drop_address(origin, address)
            if len(reasons) == len(addresses):
                self._resolver.forget(origin)
                reason = reasons[-1] if reasons else "no address"
                hint = "check the endpoint, and that the service is up and reachable from this machine"
                raise CannotConnectError(f"cannot connect to {origin.address}: {reason}", hint=hint, retryable=True)
        except BaseException:
            connection.close()
            raise
        finally:
            self._opening.discard(connection)

    def close(self) -> None:
        """Cancel the connections being opened."""
        self._closed = True
        for deadline in self._preparing:
            if not deadline.expired():
                deadline.reschedule(-1)
        for connection in self._opening:
            connection.interrupt(ClosedError("closed while connecting"))

    async def context(self, tls: TLS) -> ssl.SSLContext:
        """The SSL context for these settings, cached. Built in a thread: it reads the system's certificates."""
        async with self._context_lock:
            tls = replace(tls, allowed_addresses="any")  # irrelevant to the handshake
            if tls not in self._contexts:
                self._contexts[tls] = await self._run_blocking(partial(create_context, tls, self._environ))
            return self._contexts[tls]

    async def _addresses(self, origin: Origin, tls: TLS) -> list[Address]:
        """Resolve the name."""
        deadline = asyncio.timeout(self._timeout)
        self._preparing.add(deadline)
        try:
            async with deadline:
                addresses = self._allowed(origin, await self._resolver.addresses(origin), tls.allowed_addresses)
        except TimeoutError:
            if not self._closed:
                raise TransportError(
                    f"looking up {origin.host} took longer than {self._timeout:g} s", retryable=True
                ) from None
        finally:
            self._preparing.discard(deadline)
        if self._closed:
            raise ClosedError("closed while connecting")
        return addresses

    def _allowed(self, origin: Origin, addresses: list[Address], allowed: AllowedAddresses) -> list[Address]:
        if allowed == "any":
            return addresses
        from .address_policy import blocked_reason  # noqa: PLC0415 - only after a redirect

        passed = [each for each in addresses if not blocked_reason(each.sockaddr[0], allowed)]
        if addresses and not passed:
            raise redirect_blocked(origin, blocked_reason(addresses[0].sockaddr[0], allowed))
        return passed


def redirect_blocked(origin: Origin, reason: str | None) -> TransportError:
    """The error for a redirect to an address that `blocked_reason` rejects."""
    hint = "redirects must not reach internal services; if intended, use that address as the endpoint or URL"
    return TransportError(f"a redirect to {origin.address} was blocked: {reason}", hint=hint)
