"""Open connections: resolve the name, connect to one of its addresses, or to a proxy, do the TLS handshake."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ..config import Proxies
from ..errors import ClosedError, TransportError
from ..types import Limits
from .address import Address
from .connection import Connection
from .connection_errors import CannotConnectError
from .dns import Resolver, RunBlocking
from .lanes import Lanes
from .message import TLS, AllowedAddresses, Origin
from .proxy_choice import proxy_for
from .tls import create_context

if TYPE_CHECKING:
    from ..runtime.bandwidth import Bandwidths
    from .proxy import Proxy

__all__ = ["Dialer"]

_CHECK_SERVICE = "check the endpoint, and that the service is up and reachable from this machine"
_CHECK_PROXY = "check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or add the host to NO_PROXY"


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
        proxies: HTTP proxies and the hosts exempt from them.

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
        proxies: Proxies = Proxies(),  # noqa: B008
    ) -> None:
        self.bandwidths = bandwidths
        self._timeout = limits.idle_timeout
        self._lanes = lanes
        self._run_blocking = run_blocking
        self._environ = environ
        self._proxies = proxies
        self._any_proxy = proxies.http is not None or proxies.https is not None
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
                trusted, a redirect points to a blocked address, or the proxy has refused to connect.
            InvalidConfig: The URL of the proxy is not valid.
            ClosedError: The dialer was closed while connecting.
        """
        proxy = self._proxy(origin, tls)
        context = await self.context(tls) if origin.scheme == "https" else None
        secure_proxy = proxy is not None and proxy.origin.scheme == "https"
        proxy_context = await self.context(TLS()) if secure_proxy else None
        connection = Connection(origin, tls, self.bandwidths, proxy)

        async def connect(addresses: Sequence[Address], timeout: float) -> list[str]:
            return await self._lanes.run(
                connection, lambda: connection.open(addresses, timeout, context, proxy_context)
            )

        await self.open(connection, connect, proxy)
        connection.close_unused()
        self.round_trip = connection.round_trip
        return connection

    def is_direct(self, origin: Origin) -> bool:
        """Whether no proxy applies to an origin."""
        return self._proxy_url(origin) is None

    async def open(
        self,
        connection: Opening,
        connect: Callable[[Sequence[Address], float], Awaitable[list[str]]],
        proxy: "Proxy | None" = None,
    ) -> None:
        """Open a connection by other means.

        Args:
            connection: The connection.
            connect: Connects to one of these addresses within so many seconds; as `Connection.open`.
            proxy: The proxy that the addresses are to be of. None: those of the server.

        Raises:
            TransportError: As `dial`.
            ClosedError: As `dial`.
        """
        origin = connection.origin if proxy is None else proxy.origin
        addresses = await self._addresses(origin, connection.tls.allowed_addresses if proxy is None else "any")
        self._opening.add(connection)
        try:
            reasons = await connect(addresses, self._timeout)
            for address in addresses[: len(reasons)]:
                self._resolver.drop_address(origin, address)
            if len(reasons) == len(addresses):
                self._resolver.forget(origin)
                reason = reasons[-1] if reasons else "no address"
                peer = origin.address if proxy is None else f"{proxy.name}, for {connection.origin.address}"
                hint = _CHECK_SERVICE if proxy is None else _CHECK_PROXY
                raise CannotConnectError(f"cannot connect to {peer}: {reason}", hint=hint, retryable=True)
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

    def _proxy(self, origin: Origin, tls: TLS) -> "Proxy | None":
        """The proxy that applies to an origin, if any. It resolves names, so only literal addresses can be checked."""
        if (url := self._proxy_url(origin)) is None:
            return None
        from .proxy import Proxy  # noqa: PLC0415 - most connections are direct

        if tls.allowed_addresses != "any":
            from .address_policy import blocked_reason  # noqa: PLC0415 - only after a redirect

            if (reason := blocked_reason(origin.host, tls.allowed_addresses)) is not None:
                raise _redirect_blocked(origin, reason)
        return Proxy.of(url)

    def _proxy_url(self, origin: Origin) -> str | None:
        return proxy_for(origin, self._proxies) if self._any_proxy else None

    async def _addresses(self, origin: Origin, allowed: AllowedAddresses) -> list[Address]:
        """Resolve the name."""
        deadline = asyncio.timeout(self._timeout)
        self._preparing.add(deadline)
        try:
            async with deadline:
                addresses = self._allowed(origin, await self._resolver.addresses(origin), allowed)
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
            raise _redirect_blocked(origin, blocked_reason(addresses[0].sockaddr[0], allowed))
        return passed


def _redirect_blocked(origin: Origin, reason: str | None) -> TransportError:
    """The error for a redirect to an address that `blocked_reason` rejects."""
    hint = "redirects must not reach internal services; if intended, use that address as the endpoint or URL"
    return TransportError(f"a redirect to {origin.address} was blocked: {reason}", hint=hint)
