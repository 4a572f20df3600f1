"""One connection: a blocking socket, used by one lane at a time. The event loop interrupts and closes it.

The threads that use connections are called lanes (`lanes.py`). Rules that keep a lane and the loop apart:

- The loop ends what a lane is doing with `interrupt`: it shuts the socket down, which wakes the lane in any system
  call. It calls `socket.socket.shutdown`, never that of `SSLSocket`, which drops the TLS object first: the lane would
  then receive and send without encryption.
- After a shutdown the kernel still delivers what was queued, so a lane checks `interrupted` after each system call.
- Only the loop closes sockets, when no lane uses them: the number of a closed descriptor may be that of a file already.
"""

import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress

from ..errors import TransportError
from ..types.sizes import KiB
from .address import Address
from .message import TLS, Origin
from .socket_state import received_bytes, tcp_state, unacknowledged_bytes
from .tls import handshake_error

__all__ = ["Connection", "ConnectionLostError", "StaleConnectionError"]

# Bytes of a request body that are sent at once; in between, the lane looks for an early response.
_SLICE = 256 * KiB


class ConnectionLostError(Exception):
    """The peer has closed the connection while a request was sent; it may have responded before."""


class StaleConnectionError(TransportError):
    """A keep-alive connection was closed before any byte of the response arrived."""


class Connection:
    """A connection to one origin.

    Args:
        origin: The server.
        tls: Connection security.

    Attributes:
        closed: The socket is closed.
        interrupted: Why the loop has ended what the lane was doing; None: it has not.
        reusable: The last exchange left the connection ready for another one.
        reused: At least one exchange has completed.
        idle_since: Loop time at which the last exchange ended.
        waiting: A caller waits for the lane, so that a pause counts as a stall.
        transferring: A body is being transferred, so that the minimum throughput applies.
    """

    def __init__(self, origin: Origin, tls: TLS) -> None:
        self.origin = origin
        self.tls = tls
        self.name = origin.address
        self.closed = False
        self.interrupted: BaseException | None = None
        self.reusable = False
        self.reused = False
        self.idle_since = 0.0
        self.waiting = False
        self.transferring = False
        self._sock: socket.socket | None = None
        self._failed: list[socket.socket] = []
        self._received = 0
        self._received_by_kernel: int | None = None
        self._sent = 0

    # Called by the loop.

    def interrupt(self, reason: BaseException) -> None:
        """End what the lane is doing; the lane raises `reason`. The connection cannot be used afterwards."""
        if self.interrupted is None:
            self.interrupted = reason
        self.reusable = False
        if self._sock is not None and not self.closed:
            with suppress(OSError):  # it is not connected yet, or no longer
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket; no lane may be using it. Idempotent."""
        self.closed = True
        for sock in (*self._failed, self._sock):
            if sock is not None:
                sock.close()

    def fail(self, error: Exception) -> None:
        """End a stalled exchange; called by the watchdog."""
        self.interrupt(error)

    @property
    def bytes_transferred(self) -> int:
        """Bytes received, and bytes sent that the peer has acknowledged."""
        sock = self._sock
        return self._received + self._sent - (unacknowledged_bytes(sock) if sock is not None else 0)

    def is_still_idle(self) -> bool:
        """Whether no data and no EOF has arrived on this idle connection, not even in the kernel's buffer.

        An EOF would cost the next request a round trip; data would be mistaken for its response. Under TLS, waiting
        data can be legitimate (session tickets): a read that would block decides.
        """
        sock = self._sock
        if sock is None or self.interrupted is not None:
            return False
        state = tcp_state(sock)
        if state is not None:
            established, received = state
            if not established:
                return False
            if received == self._received_by_kernel:
                return True
            if not isinstance(sock, ssl.SSLSocket):
                return False
        sock.setblocking(False)
        try:
            sock.recv(1)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError):
            self._received_by_kernel = received_bytes(sock)
            sock.setblocking(True)
            return True
        except OSError:
            return False
        return False  # unsolicited data, or an EOF

    # Called by the lane.

    def open(self, addresses: Iterable[Address], timeout: float, context: ssl.SSLContext | None) -> list[str]:
        """Connect to the first address that accepts, and do the TLS handshake.

        Args:
            addresses: The addresses to try, in order.
            timeout: Seconds that all of it may take.
            context: TLS settings; None: no TLS.

        Returns:
            Why each address before that one failed. If there are as many reasons as addresses, none accepted.

        Raises:
            TransportError: The TLS handshake failed, or it took too long.
        """
        addresses = list(addresses)
        deadline = time.monotonic() + timeout
        reasons: list[str] = []
        for address in addresses:
            try:
                sock = self._connect(address, timeout / len(addresses))
            except OSError as error:
                self._check()
                reasons.append(_describe(error))
                continue
            if context is not None:
                self._secure(sock, context, deadline, timeout)
            break
        return reasons

    def _connect(self, address: Address, timeout: float) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        self._failed.append(sock)
        sock.setblocking(False)
        error = sock.connect_ex(address.sockaddr)
        self._sock = sock
        if error == errno.EINPROGRESS:
            self._check()  # from here on, `interrupt` finds a socket that it can shut down
            poll = select.poll()
            poll.register(sock, select.POLLOUT)
            if not poll.poll(timeout * 1000):
                raise TimeoutError
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        self._check()
        # Head and body may be two writes; Nagle's algorithm would delay the second.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(True)
        self._failed.remove(sock)
        return sock

    def _secure(self, sock: socket.socket, context: ssl.SSLContext, deadline: float, timeout: float) -> None:
        try:
            # A connection that ends without TLS's closing message is truncated, not finished.
            secured = context.wrap_socket(
                sock, server_hostname=self.origin.host, do_handshake_on_connect=False, suppress_ragged_eofs=False
            )
            self._sock = secured
            self._check()
            secured.settimeout(max(deadline - time.monotonic(), 0.001))
            secured.do_handshake()
            secured.settimeout(None)
        except TimeoutError:
            self._check()
            raise TransportError(
                f"the TLS handshake with {self.name} took longer than {timeout:g} s", retryable=True
            ) from None
        except OSError as error:  # includes ssl.SSLError and the errors of a connection closed early
            self._check()
            raise handshake_error(error, self.origin) from None
        self._check()

    def receive_into(self, view: memoryview) -> int:
        """Receive at least one byte; 0: the peer has closed the connection.

        Raises:
            TransportError: The connection was lost.
        """
        assert self._sock is not None  # noqa: S101 - for mypy
        try:
            count = self._sock.recv_into(view)
        except OSError as error:
            self._check()
            raise TransportError(self._lost(error), retryable=True) from None
        if self.interrupted is not None:
            self._check()
        self._received += count
        return count

    def send(self, data: bytes) -> None:
        """Send a head, and perhaps a small body with it.

        Raises:
            ConnectionLostError: The peer has closed the connection, perhaps after it has responded.
        """
        assert self._sock is not None  # noqa: S101 - for mypy
        try:
            self._sock.sendall(data)
        except OSError as error:
            self._check()
            raise ConnectionLostError(self._lost(error)) from None
        self._check()
        self._sent += len(data)

    def send_body(self, body: memoryview, early: memoryview) -> tuple[int, int | None]:
        """Send a body, or as much of it as the peer takes before it responds.

        Args:
            body: The rest of the body.
            early: Buffer for data that arrives meanwhile.

        Returns:
            How many bytes were sent; and how many arrived, 0 for an EOF, or None if the whole body was sent.

        Raises:
            ConnectionLostError: As for `send`.
        """
        sock = self._sock
        assert sock is not None  # noqa: S101 - for mypy
        self.transferring = True
        sock.setblocking(False)
        sent = 0
        try:
            poll = select.poll()
            poll.register(sock, select.POLLIN | select.POLLOUT)
            while sent < len(body):
                events = poll.poll()[0][1]
                self._check()
                if events & ~select.POLLOUT:
                    with suppress(BlockingIOError, ssl.SSLWantReadError):
                        count = sock.recv_into(early)
                        self._check()
                        self._received += count
                        return sent, count
                if events & select.POLLOUT:
                    with suppress(BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                        count = sock.send(body[sent : sent + _SLICE])
                        sent += count
                        self._sent += count
            return sent, None
        except OSError as error:
            self._check()
            raise ConnectionLostError(self._lost(error)) from None
        finally:
            sock.setblocking(True)
            self.transferring = False

    def finish(self, *, reusable: bool) -> None:
        """Record the end of an exchange."""
        sock = self._sock
        assert sock is not None  # noqa: S101 - for mypy
        self.transferring = False
        self.reused = True
        if reusable and isinstance(sock, ssl.SSLSocket):
            reusable = not sock.pending()
            self._received_by_kernel = received_bytes(sock)
        else:
            self._received_by_kernel = self._received
        self.reusable = reusable and self.interrupted is None

    def _check(self) -> None:
        if self.interrupted is not None:
            raise self.interrupted

    def _lost(self, error: OSError) -> str:
        return f"the connection to {self.name} {'was reset' if isinstance(error, ConnectionError) else 'was lost'}"


def _describe(error: OSError) -> str:
    if isinstance(error, TimeoutError) or error.errno is None:
        return "no response"
    return os.strerror(error.errno).lower()
