"""Connection pool: limits per host and in total, served first come, first served, at the pace of each host."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

from ..errors import ClosedError, TransportError
from ..runtime.host_pace import DOUBLING, HostPace, Hosts
from ..types import Limits
from .connection import Connection
from .message import TLS, Origin
from .pool_host import Dial, Host, Pooled, Waiter

__all__ = ["Pool", "Pooled"]

_IDLE_SECONDS = 20.0
"""How long idle connections are kept: below the keep-alive timeout of most servers."""

C = TypeVar("C", bound=Pooled)


class Pool:
    """The connections of one `Wire`.

    State changes synchronously, between awaits, so no lock is needed. Invariant: no waiter can be served; every change
    that could free a slot or a connection calls `_serve_waiters`.

    Args:
        limits: `connections` and `per_host` apply.
        dial: Opens a connection.
        hosts: The pace of each host.
    """

    def __init__(self, limits: Limits, dial: Callable[[Origin, TLS], Awaitable[Connection]], hosts: Hosts) -> None:
        self._limits = limits
        self._dial = dial
        self._paces = hosts
        self._hosts: dict[Origin, Host] = {}
        self._connections: dict[Pooled, Dial] = {}
        self._open = 0
        self._waiters = 0
        self._next_number = 0
        self._closed = False
        self._all_closed: asyncio.Future[None] | None = None

    @overload
    async def acquire(self, origin: Origin, tls: TLS) -> Connection: ...
    @overload
    async def acquire(self, origin: Origin, tls: TLS, dial: Callable[[Origin, TLS], Awaitable[C]]) -> C: ...
    async def acquire(self, origin: Origin, tls: TLS, dial: Dial | None = None) -> Pooled:
        """Get a connection for one exchange; the caller must `release` it.

        Args:
            origin: The server.
            tls: Connection security.
            dial: Opens a connection; only one that it has opened is reused. None: the pool's own.

        Raises:
            TransportError: The connection cannot be opened.
            ClosedError: The pool is closed.
        """
        host, dial = self._host(origin), dial or self._dial
        while True:
            if host.pace.limited:
                await host.pace.resumed()
            if self._closed:
                raise _closed()
            connection = self._take_idle(host, dial, tls)
            if connection is None and not self._reserve_slot(host):
                connection = await self._wait(host, dial, tls)
            elif self._waiters:
                self._serve_waiters()  # closed connections that were found on the way have freed slots
            if not host.pace.limited or await self._take_turn(connection, host):
                connection = connection or await self._open_connection(origin, tls, host, dial)
                host.used += 1
                return connection

    async def _take_turn(self, connection: Pooled | None, host: Host) -> bool:
        """Wait until the host may be asked. If it is paused, return the connection, and False."""
        granted = False
        try:
            granted = await host.pace.turn()
        finally:
            if not granted:
                self._return(connection, host)
        return granted

    def pace(self, origin: Origin) -> HostPace:
        """The pace of a host."""
        return self._host(origin).pace

    def _host(self, origin: Origin) -> Host:
        host = self._hosts.get(origin)
        if host is None:
            host = self._hosts[origin] = Host(self._paces.of(origin.address))
        return host

    async def acquire_now(self, origin: Origin, tls: TLS) -> Connection | None:
        """Get a connection as `acquire` does, but not if that would mean to wait for another request to end."""
        host = self._host(origin)
        room = self._open < self._limits.connections or any(other.idle for other in self._hosts.values())
        if self._waiters or host.pace.limited or host.busy >= host.pace.level or not (host.idle or room):
            return None
        return await self.acquire(origin, tls)

    def release(self, connection: Pooled) -> None:
        """Return a connection to the pool if it is reusable; otherwise close it."""
        self._hosts[connection.origin].used -= 1
        self._put_back(connection)

    def _put_back(self, connection: Pooled) -> None:
        host = self._hosts[connection.origin]
        if not connection.reusable or self._closed or host.open > host.pace.level:
            self._close(connection)
        else:
            connection.idle_since = asyncio.get_running_loop().time()
            host.idle.append(connection)
        if self._waiters:
            self._serve_waiters()

    def sweep(self) -> bool:
        """Close connections that the server has closed, or that have been idle for too long.

        Returns:
            Whether any idle ones remain.
        """
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        any_left = False
        for host in self._hosts.values():
            idle, host.idle = host.idle, []
            for connection in idle:
                if connection.idle_since >= oldest and connection.is_still_idle():
                    host.idle.append(connection)
                else:
                    self._close(connection)
            any_left = any_left or bool(host.idle)
        if self._waiters:
            self._serve_waiters()
        return any_left

    def close(self) -> None:
        """Close all idle connections, and interrupt busy ones. No new ones are opened."""
        self._closed = True
        for host in self._hosts.values():
            for waiter in host.waiting:
                if not waiter.granted.done():
                    waiter.granted.set_exception(_closed())
                    waiter.granted.exception()  # mark as retrieved: its task may be cancelled now
        self.close_idle()
        for connection in self._connections:
            connection.interrupt(_closed())

    def close_idle(self) -> None:
        """Close all idle connections."""
        for host in self._hosts.values():
            while host.idle:
                self._close(host.idle.pop())

    async def wait_closed(self) -> None:
        """Wait until all connections are closed."""
        while self._open:
            self._all_closed = self._all_closed or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._all_closed)

    def _take_idle(self, host: Host, dial: Dial, tls: TLS) -> Pooled | None:
        """Take the most recently used idle connection, whose congestion window is the largest."""
        if host.busy >= host.pace.level:
            return None
        for index in range(len(host.idle) - 1, -1, -1):
            connection = host.idle[index]
            if connection.tls != tls or self._connections[connection] != dial:
                continue
            del host.idle[index]
            if connection.is_still_idle():
                return connection
            self._close(connection)
        return None

    def _reserve_slot(self, host: Host) -> bool:
        """Reserve a slot for a new connection to this host; return whether one was free.

        If none is, the longest idle connection that counts against the limit is closed.
        """
        if host.busy >= host.pace.level:
            return False
        if host.open >= self._limits.per_host:
            if not host.idle:
                return False
            self._close(host.idle.pop(0))
        if self._open >= self._limits.connections:
            idle = [other.idle for other in self._hosts.values() if other.idle]
            if not idle:
                return False
            self._close(min(idle, key=lambda connections: connections[0].idle_since).pop(0))
        host.open += 1
        self._open += 1
        return True

    async def _wait(self, host: Host, dial: Dial, tls: TLS) -> Pooled | None:
        self._next_number += 1
        waiter = Waiter(dial, tls, self._next_number, asyncio.get_running_loop().create_future())
        host.waiting.append(waiter)
        self._waiters += 1
        self._watch_waiting(host)
        try:
            return await waiter.granted
        except BaseException:
            self._cancel_wait(waiter, host)
            raise

    def _watch_waiting(self, host: Host) -> None:
        if host.timer is None and host.pace.level < self._limits.per_host:
            host.timer = asyncio.get_running_loop().call_later(DOUBLING, self._waited, host)

    def _waited(self, host: Host) -> None:
        host.timer = None
        if host.waiting and not self._closed:
            if host.busy < host.pace.level or host.pace.waited():  # the level has grown since a request has ended
                self._serve_waiters()
            if host.waiting:
                self._watch_waiting(host)

    def _cancel_wait(self, waiter: Waiter, host: Host) -> None:
        """Remove a cancelled waiter; pass on what it was already granted."""
        if waiter in host.waiting:
            host.waiting.remove(waiter)
            self._waiters -= 1
        elif waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
            self._return(waiter.granted.result(), host)

    def _return(self, connection: Pooled | None, host: Host) -> None:
        """Return what a request was granted and has not used: a connection, or a slot to open one."""
        if connection is None:
            self._release_slot(host)
        else:
            self._put_back(connection)

    async def _open_connection(self, origin: Origin, tls: TLS, host: Host, dial: Dial) -> Pooled:
        """Open a connection in the slot reserved for it."""
        try:
            connection = await dial(origin, tls)
            if self._closed:
                connection.close()
                raise _closed()
        except BaseException as error:
            if isinstance(error, TransportError):
                # A host that others are connected to does not accept more connections.
                error.throttled = error.retryable and host.busy > 1 and host.pace.last_success > -math.inf
            self._release_slot(host)
            raise
        host.pace.connected(connection.round_trip)
        self._connections[connection] = dial
        return connection

    def _close(self, connection: Pooled) -> None:
        """Close a connection that no lane uses, and free its slot; the caller serves the waiters. Idempotent."""
        connection.close()
        if self._connections.pop(connection, None) is not None:
            self._free_slot(self._hosts[connection.origin])

    def _free_slot(self, host: Host) -> None:
        host.open -= 1
        self._open -= 1
        if self._all_closed is not None and not self._open:
            self._all_closed.set_result(None)
            self._all_closed = None

    def _release_slot(self, host: Host) -> None:
        self._free_slot(host)
        if self._waiters:
            self._serve_waiters()

    def _serve_waiters(self) -> None:
        """Serve as many waiters as possible, oldest first."""
        granted = True
        while granted:
            hosts = sorted((host for host in self._hosts.values() if host.waiting), key=_oldest_number)
            granted = any(self._grant(host) for host in hosts)

    def _grant(self, host: Host) -> bool:
        """Serve the host's oldest waiter; return whether that was possible."""
        waiter = host.waiting[0]
        connection: Pooled | None = None
        if not waiter.granted.done():  # otherwise it was cancelled, but its task has not run yet
            connection = self._take_idle(host, waiter.dial, waiter.tls)
            if connection is None and not self._reserve_slot(host):
                return False
            waiter.granted.set_result(connection)
        host.waiting.popleft()
        self._waiters -= 1
        return True


def _oldest_number(host: Host) -> int:
    return host.waiting[0].number


def _closed() -> ClosedError:
    return ClosedError("the storage instance is closed")
