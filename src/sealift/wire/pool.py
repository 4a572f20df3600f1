"""Which connection a request gets: bounded per host and overall, first come first served."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..errors import ClosedError, TransportError
from ..types import Limits
from .connection import Connection
from .message import TLS, Origin

__all__ = ["Pool"]

_IDLE_SECONDS = 20.0
"""Seconds. Servers close earlier or later; this is below what most of them allow."""


@dataclass(slots=True, eq=False)
class _Waiter:
    """A request without a connection. What it is granted: an idle connection, or room to open one (None)."""

    tls: TLS
    number: int
    granted: asyncio.Future[Connection | None]


@dataclass(slots=True)
class _Host:
    """One origin's share."""

    open: int = 0  # idle, busy, and being opened or closed
    idle: list[Connection] = field(default_factory=list)  # the longest idle first
    waiting: deque[_Waiter] = field(default_factory=deque)


class Pool:
    """The connections of one wire.

    Decisions are made synchronously, between awaits, so that no lock is needed. At any time every waiter is blocked for
    a reason; whatever could end that reason calls `_serve_waiters`.

    Args:
        limits: Its `connections` and `per_host`.
        dial: Opens a connection.
    """

    def __init__(self, limits: Limits, dial: Callable[[Origin, TLS], Awaitable[Connection]]) -> None:
        self._limits = limits
        self._dial = dial
        self._hosts: dict[Origin, _Host] = {}
        self._connections: set[Connection] = set()
        self._open = 0
        self._waiters = 0
        self._arrivals = 0
        self._closed = False
        self._all_closed: asyncio.Future[None] | None = None

    async def acquire(self, origin: Origin, tls: TLS) -> Connection:
        """A connection for one exchange; give it back with `release`, whatever happens.

        Raises:
            TransportError: It cannot be opened.
            ClosedError: The pool is closed.
        """
        if self._closed:
            raise _closed()
        host = self._hosts.get(origin)
        if host is None:
            host = self._hosts[origin] = _Host()
        connection = self._take_idle(host, tls)
        if connection is None and not self._make_room(host):
            connection = await self._wait(host, tls)
        return connection or await self._open_connection(origin, tls, host)

    def release(self, connection: Connection) -> None:
        """Take back a connection: another exchange may use it if the last one ended well, else it is closed."""
        if connection.closed or not connection.reusable or self._closed:
            connection.abort()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._hosts[connection.origin].idle.append(connection)
        if self._waiters:
            self._serve_waiters()

    def sweep(self) -> bool:
        """Close what has been idle for too long; whether anything idle is left."""
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        left = False
        for host in self._hosts.values():
            while host.idle and host.idle[0].idle_since < oldest:
                host.idle.pop(0).abort()
            left = left or bool(host.idle)
        return left

    async def aclose(self) -> None:
        """Close all connections, busy ones too, and wait until they are closed. Nothing is opened afterwards."""
        self._closed = True
        for host in self._hosts.values():
            for waiter in host.waiting:
                if not waiter.granted.done():
                    waiter.granted.set_exception(_closed())
                    waiter.granted.exception()  # if its task is cancelled now, nobody else asks for it
        for connection in list(self._connections):
            connection.fail(_closed())
        while self._open:
            self._all_closed = self._all_closed or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._all_closed)

    def _take_idle(self, host: _Host, tls: TLS) -> Connection | None:
        """The connection that was used last, whose congestion window is the widest."""
        for index in range(len(host.idle) - 1, -1, -1):
            connection = host.idle[index]
            if connection.tls != tls:
                continue
            del host.idle[index]
            if not connection.closed and connection.is_still_idle():
                return connection
            connection.abort()
        return None

    def _make_room(self, host: _Host) -> bool:
        """Whether one more connection to this host may be opened now; its slot is taken then.

        Where an idle connection is in the way it is closed, and its slot comes back when it has gone.
        """
        if host.open >= self._limits.per_host:
            if host.idle:
                host.idle.pop(0).abort()
            return False
        if self._open >= self._limits.connections:
            idle = [other.idle for other in self._hosts.values() if other.idle]
            if idle:
                min(idle, key=lambda connections: connections[0].idle_since).pop(0).abort()
            return False
        host.open += 1
        self._open += 1
        return True

    async def _wait(self, host: _Host, tls: TLS) -> Connection | None:
        self._arrivals += 1
        waiter = _Waiter(tls, self._arrivals, asyncio.get_running_loop().create_future())
        host.waiting.append(waiter)
        self._waiters += 1
        try:
            return await waiter.granted
        except BaseException:
            self._cancel_wait(waiter, host)
            raise

    def _cancel_wait(self, waiter: _Waiter, host: _Host) -> None:
        """The waiter was cancelled: either it waits no more, or what it was granted goes to the next."""
        if waiter in host.waiting:
            host.waiting.remove(waiter)
            self._waiters -= 1
        elif waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
            connection = waiter.granted.result()
            if connection is None:
                self._release_slot(host)
            else:
                self.release(connection)

    async def _open_connection(self, origin: Origin, tls: TLS, host: _Host) -> Connection:
        """Open a connection in the slot that has been taken for it."""
        try:
            connection = await self._dial(origin, tls)
            if self._closed:
                connection.abort()
                raise _closed()
            if connection.closed:
                raise TransportError(f"{origin.address} closed the connection at once", retryable=True)
        except BaseException:
            self._release_slot(host)
            raise
        self._connections.add(connection)
        connection.on_lost = self._lost
        return connection

    def _lost(self, connection: Connection) -> None:
        host = self._hosts[connection.origin]
        self._connections.discard(connection)
        if connection in host.idle:
            host.idle.remove(connection)
        self._release_slot(host)

    def _release_slot(self, host: _Host) -> None:
        host.open -= 1
        self._open -= 1
        if self._all_closed is not None and not self._open:
            self._all_closed.set_result(None)
            self._all_closed = None
        if self._waiters:
            self._serve_waiters()

    def _serve_waiters(self) -> None:
        """Give the waiters, the oldest first, what there is."""
        granted = True
        while granted:
            hosts = sorted((host for host in self._hosts.values() if host.waiting), key=_oldest_number)
            granted = any(self._grant(host) for host in hosts)

    def _grant(self, host: _Host) -> bool:
        """Whether this host's oldest waiter could be served."""
        waiter = host.waiting[0]
        connection: Connection | None = None
        if not waiter.granted.done():  # else it was cancelled, and its task has not run yet
            connection = self._take_idle(host, waiter.tls)
            if connection is None and not self._make_room(host):
                return False
            waiter.granted.set_result(connection)
        host.waiting.popleft()
        self._waiters -= 1
        return True


def _oldest_number(host: _Host) -> int:
    return host.waiting[0].number


def _closed() -> ClosedError:
    return ClosedError("the connections of this instance have been closed")
