"""Open connections: resolve the name, try its addresses in turn, do the TLS handshake."""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ..errors import ClosedError, TransportError
from ..types import KiB, Limits
from .address_policy import blocked_reason
from .connection import Connection
from .dns import Resolver, RunBlocking
from .message import TLS, AllowedAddresses, Origin
from .stall_watchdog import Watchdog
from .tls import create_context, handshake_error

__all__ = ["Dialer", "redirect_blocked"]


class Dialer:
    """Opens connections, each within `Limits.idle_timeout`.

    Args:
        limits: `idle_timeout` applies.
        run_blocking: Runs DNS lookups and reads of certificate files in a thread.
        watchdog: Detects stalls on the new connections.
        environ: Environment variables; `SSL_CERT_FILE` and `SSL_CERT_DIR` are read.
    """

    def __init__(
        self, limits: Limits, run_blocking: RunBlocking, watchdog: Watchdog, environ: Mapping[str, str]
    ) -> None:
        self.scratch = memoryview(bytearray(64 * KiB))
        self._timeout = limits.idle_timeout
        self._run_blocking = run_blocking
        self._watchdog = watchdog
        self._environ = environ
        self._resolver = Resolver(run_blocking)
        self._contexts: dict[TLS, ssl.SSLContext] = {}
        self._context_lock = asyncio.Lock()
        self._deadlines: set[asyncio.Timeout] = set()
        self._closed = False

    async def dial(self, origin: Origin, tls: TLS) -> Connection:
        """Open a connection.

        Raises:
            TransportError: The name does not resolve, no address accepts the connection, the certificate is not
                trusted, or a redirect points to a blocked address.
            ClosedError: The dialer was closed while connecting.
        """
        ssl_context = await self.context(tls) if origin.scheme == "https" else None
        if self._closed:
            raise ClosedError("closed while connecting")
        doing = "connecting to"
        deadline = asyncio.timeout(self._timeout)
        self._deadlines.add(deadline)
        try:
            async with deadline:
                sock = await self._connect(origin, tls.allowed_addresses)
                connection = Connection(origin, tls, sock, self.scratch, self._watchdog)
                transport = await _attach_transport(sock, connection)
                if ssl_context is not None:
                    doing = "the TLS handshake with"
                    await self._secure(connection, transport, ssl_context)
                return connection
        except TimeoutError:
            if self._closed:
                raise ClosedError("closed while connecting") from None
            raise TransportError(
                f"{doing} {origin.address} took longer than {self._timeout:g} s", retryable=True
            ) from None
        finally:
            self._deadlines.discard(deadline)

    def close(self) -> None:
        """Cancel the connections being opened."""
        self._closed = True
        for deadline in self._deadlines:
            deadline.reschedule(-1)

    async def context(self, tls: TLS) -> ssl.SSLContext:
        """The SSL context for these settings, cached. Built in a thread: it reads the system's certificates."""
        async with self._context_lock:
            tls = replace(tls, allowed_addresses="any")  # irrelevant to the handshake
            if tls not in self._contexts:
                self._contexts[tls] = await self._run_blocking(partial(create_context, tls, self._environ))
            return self._contexts[tls]

    async def _connect(self, origin: Origin, allowed: AllowedAddresses) -> socket.socket:
        resolved = await self._resolver.addresses(origin)
        addresses = (
            resolved
            if allowed == "any"
            else [each for each in resolved if not blocked_reason(each.sockaddr[0], allowed)]
        )
        if resolved and not addresses:
            raise redirect_blocked(origin, blocked_reason(resolved[0].sockaddr[0], allowed))
        reason = "no address"
        for address in addresses:
            try:
                sock = socket.socket(address.family, socket.SOCK_STREAM)
            except OSError as error:
                reason = _describe(error)
                continue
            try:
                sock.setblocking(False)
                # Head and body are two writes; Nagle's algorithm would delay the second. asyncio disables it only for
                # sockets that it has created itself.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with asyncio.timeout(self._timeout / len(addresses)):
                    await _connect_socket(sock, address.sockaddr)
                return sock
            except OSError as error:  # includes TimeoutError
                sock.close()
                reason = _describe(error)
                self._resolver.drop_address(origin, address)
            except BaseException:
                sock.close()
                raise
        self._resolver.forget(origin)
        hint = "check the endpoint, and that the service is up and reachable from this machine"
        raise TransportError(f"cannot connect to {origin.address}: {reason}", hint=hint, retryable=True)

    async def _secure(self, connection: Connection, transport: asyncio.Transport, ssl_context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(
                transport,
                connection,
                ssl_context,
                server_hostname=connection.origin.host,
                ssl_handshake_timeout=self._timeout,
            )
        except OSError as error:  # includes ssl.SSLError and the errors of a connection closed early
            transport.abort()
            raise handshake_error(error, connection.origin) from None
        except BaseException:
            transport.abort()
            raise
        if secured is None:
            raise handshake_error(ConnectionResetError(), connection.origin)
        connection.secure_transport_made(secured)


async def _attach_transport(sock: socket.socket, connection: Connection) -> asyncio.Transport:
    """Create the transport for a connected socket, which it then owns.

    Cancellation does not interrupt `create_connection`: uvloop before 0.23 would close the descriptor, and the socket
    object would close it again, when a disk thread may already have reused the number for a file.
    """
    loop = asyncio.get_running_loop()
    attaching = asyncio.ensure_future(loop.create_connection(lambda: connection, sock=sock))
    try:
        transport, _ = await asyncio.shield(attaching)
    except asyncio.CancelledError:
        attaching.add_done_callback(_abort_transport)
        raise
    return transport


def _abort_transport(attaching: "asyncio.Future[tuple[asyncio.Transport, Any]]") -> None:
    if not attaching.cancelled() and attaching.exception() is None:
        attaching.result()[0].abort()


async def _connect_socket(sock: socket.socket, address: Any) -> None:
    """Like `loop.sock_connect`, but without libuv's thread pool on uvloop.

    uvloop runs `getaddrinfo` there even for an IP address; a forked child, which lacks these threads, would crash on
    exit.
    """
    error = sock.connect_ex(address)
    if error == errno.EINPROGRESS:
        loop = asyncio.get_running_loop()
        writable = loop.create_future()
        loop.add_writer(sock, _wake, writable)
        try:
            await writable
        finally:
            loop.remove_writer(sock)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def redirect_blocked(origin: Origin, reason: str | None) -> TransportError:
    """The error for a redirect to an address that `blocked_reason` rejects."""
    hint = "redirects must not reach internal services; if intended, use that address as the endpoint or URL"
    return TransportError(f"a redirect to {origin.address} was blocked: {reason}", hint=hint)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _describe(error: OSError) -> str:
    if isinstance(error, TimeoutError) or error.errno is None:
        return "no response"
    return os.strerror(error.errno).lower()
