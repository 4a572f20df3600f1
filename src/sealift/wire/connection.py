"""One connection: a blocking socket, used by one lane at a time. The event loop interrupts and closes it.

The threads that use connections are called lanes (`lanes.py`). Rules that keep a lane and the loop apart:

- The loop ends what a lane is doing with `interrupt`: it shuts the socket down, which wakes the lane in any system
  call, below TLS, which the loop never touches.
- After a shutdown the kernel still delivers what was queued, so a lane checks `interrupted` after each system call.
- Only the loop closes sockets, when no lane uses them: the number of a closed descriptor may be that of a file already.
"""

import os
import select
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import ClosedError, TransportError
from .address import Address
from .connect import connect_first
from .connection_errors import ConnectionLostError
from .message import TLS, Origin
from .pipe import NOT_SPLICED
from .range_writer import PIECE
from .socket_state import round_trip, tcp_state, unacknowledged_bytes, unread_bytes
from .tls import handshake_error
from .tls_stream import TLSStream

if TYPE_CHECKING:
    from ..lane_contract import ByteCount
    from ..runtime.bandwidth import Bandwidth, Bandwidths

__all__ = ["Connection"]

# Seconds after which a lane that waits for its share of the bandwidth looks whether it was interrupted.
_NAP = 0.1


class Connection:
    """A connection to one origin.

    Args:
        origin: The server.
        tls: Connection security.
        bandwidths: Limits of the bytes per second. None: there are none.

    Attributes:
        interrupted: Why the loop has ended what the lane was doing; None: it has not.
        reusable: The last exchange left the connection ready for another one.
        reused: At least one exchange has completed.
        idle_since: Loop time at which the last exchange ended.
        waiting: A caller waits for the lane, so that a pause counts as a stall.
        storing: The lane writes what it has received, or waits for its share of the bandwidth, so that a pause is none
            of the peer's.
        transferring: A body is being transferred, so that the minimum throughput applies.
        idle_timeout: As in `Watched`.
    """

    def __init__(self, origin: Origin, tls: TLS, bandwidths: "Bandwidths | None" = None) -> None:
        self.origin = origin
        self.tls = tls
        self.name = origin.address
        self.interrupted: BaseException | None = None
        self.reusable = False
        self.reused = False
        self.idle_since = 0.0
        self.waiting = False
        self.storing = False
        self.transferring = False
        self.idle_timeout = 0.0
        self._sock: socket.socket | None = None  # set by the lane, also while it is connecting
        self._stream: socket.socket | TLSStream | None = None  # the socket, or TLS on it
        self._tried: list[socket.socket] = []  # while connecting, and those not used; to be closed by the loop
        self._received = 0
        self._received_by_kernel: int | None = None
        self._sent = 0
        self._bandwidths = bandwidths

    # Called by the loop.

    def interrupt(self, reason: BaseException) -> None:
        """End what the lane is doing; the lane raises `reason`. The connection cannot be used afterwards."""
        if self.interrupted is None:
            self.interrupted = reason
        self.reusable = False
        for sock in filter(None, (*self._tried, self._sock)):
            with suppress(OSError):  # it is not connected yet, or no longer
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket; no lane may be using it. Idempotent."""
        self.interrupted = ClosedError("the connection is closed")  # the traceback of another may refer to buffers
        for sock in filter(None, (*self._tried, self._sock)):
            sock.close()

    def close_unused(self) -> None:
        """Close the sockets of the addresses that are not used, once the connection is open."""
        while self._tried:
            self._tried.pop().close()

    fail = interrupt  # called by the watchdog

    @property
    def bytes_transferred(self) -> int:
        """Bytes received, and bytes sent that the peer has acknowledged."""
        return self._received + self._sent - (0 if self._sock is None else unacknowledged_bytes(self._sock))

    @property
    def round_trip(self) -> float:
        """Seconds that a round trip takes, as the kernel has measured; 0 if unknown."""
        return 0.0 if self._sock is None else round_trip(self._sock)

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
            if not state.established:
                return False
            if state.received == self._received_by_kernel:
                return True
            if self._stream is sock:
                return False
        if not self._would_block(sock):
            return False
        self._received_by_kernel = state and state.received  # before the read: there may be more now
        return True

    # Called by the lane.

    def open(self, addresses: Sequence[Address], timeout: float, context: ssl.SSLContext | None) -> list[str]:
        """Connect to the first address that accepts, and do the TLS handshake.

        Args:
            addresses: The addresses to try, in order.
            timeout: Seconds that all of it may take.
            context: TLS settings; None: no TLS.

        Returns:
            Why each address before that one was not used. If there are as many reasons as addresses, none accepted.

        Raises:
            TransportError: The TLS handshake failed, or it took too long.
        """
        deadline = time.monotonic() + timeout
        sock, reasons = connect_first(addresses, timeout, self._begun)
        if sock is None:
            self._check()
            return reasons
        self._sock = sock
        self._check()  # from here on, `interrupt` finds the socket
        self._tried.remove(sock)
        # Head and body may be two writes; Nagle's algorithm would delay the second.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(True)
        self._stream = sock if context is None else self._secured(sock, context, deadline, timeout)
        return reasons

    def _begun(self, sock: socket.socket) -> None:
        if sock not in self._tried:
            self._tried.append(sock)
        self._check()  # from here on, `interrupt` finds the socket

    def _secured(self, sock: socket.socket, context: ssl.SSLContext, deadline: float, timeout: float) -> TLSStream:
        stream = TLSStream(sock, context, self.origin.host)
        try:
            stream.do_handshake(deadline)
        except TimeoutError:
            self._check()
            raise TransportError(
                f"the TLS handshake with {self.name} took longer than {timeout:g} s", retryable=True
            ) from None
        except OSError as error:  # includes ssl.SSLError and the errors of a connection closed early
            self._check()
            raise handshake_error(error, self.origin) from None
        self._check()
        return stream

    @property
    def is_plain(self) -> bool:
        """Whether there is no TLS, so that `splice_into` works."""
        return self._stream is self._sock

    def receive_into(self, view: memoryview) -> int:
        """Receive at least one byte; 0: the peer has closed the connection.

        Raises:
            TransportError: The connection was lost.
        """
        assert self._stream is not None  # noqa: S101 - for mypy
        limit = None if self._bandwidths is None else self._bandwidths.received
        try:
            count = self._stream.recv_into(view if limit is None else view[: limit.piece])
        except OSError as error:
            self._check()
            raise TransportError(self._lost(error), retryable=True) from None
        self._count_received(count, limit)
        return count

    def splice_into(self, pipe: int, limit: int) -> int | None:
        """Receive at least one byte into a pipe, without a copy; 0: the peer has closed the connection.

        Args:
            pipe: The descriptor of the pipe.
            limit: Bytes to receive at most.

        Returns:
            How many; None: none, because the pipe is full, or this system cannot do it.

        Raises:
            TransportError: The connection was lost.
        """
        assert self._sock is not None  # noqa: S101 - for mypy
        bandwidth = None if self._bandwidths is None else self._bandwidths.received
        try:
            count = os.splice(self._sock.fileno(), pipe, limit if bandwidth is None else min(limit, bandwidth.piece))
        except OSError as error:
            self._check()
            if error.errno in NOT_SPLICED:
                return None
            raise TransportError(self._lost(error), retryable=True) from None
        self._count_received(count, bandwidth)
        return count

    def _count_received(self, count: int, limit: "Bandwidth | None") -> None:
        self._check()
        self._received += count
        if limit is not None:
            self._wait(limit, count)

    def send(self, data: bytes) -> None:
        """Send a head, and perhaps a small body with it.

        Raises:
            ConnectionLostError: The peer has closed the connection, perhaps after it has responded.
        """
        assert self._stream is not None  # noqa: S101 - for mypy
        try:
            self._stream.sendall(data)
        except OSError as error:
            self._check()
            raise ConnectionLostError(self._lost(error)) from None
        self._check()
        self._sent += len(data)
        if self._bandwidths is not None:
            self._wait(self._bandwidths.sent, len(data))

    def send_body(
        self, body: memoryview, early: memoryview | None, counter: "ByteCount | None"
    ) -> tuple[int, int | None]:
        """Send a body, or as much of it as the peer takes before it responds.

        Args:
            body: The rest of the body.
            early: Buffer for data that arrives meanwhile; None: leave it to be received later.
            counter: Counts the bytes. None: nobody asks.

        Returns:
            How many bytes were sent; and how many arrived, 0 for an EOF, or None if the whole body was sent.

        Raises:
            ConnectionLostError: As for `send`.
        """
        sock, stream = self._sock, self._stream
        assert sock is not None and stream is not None  # noqa: S101, PT018 - for mypy
        limit = None if self._bandwidths is None else self._bandwidths.sent
        piece = PIECE if limit is None else limit.piece
        self.transferring = True
        sent = 0
        try:
            sock.setblocking(False)
            poll = select.poll()
            poll.register(sock, select.POLLOUT if early is None else select.POLLIN | select.POLLOUT)
            while sent < len(body) or (isinstance(stream, TLSStream) and stream.unsent):
                events = poll.poll()[0][1]
                self._check()
                if early and events & ~select.POLLOUT:
                    with suppress(BlockingIOError):
                        count = stream.recv_into(early)
                        self._check()
                        self._received += count
                        return sent, count
                if events & ~select.POLLIN:
                    with suppress(BlockingIOError):
                        count = stream.send(body[sent : sent + piece])  # in between, look for an early response
                        sent += count
                        if counter is not None:
                            counter.count += count
                        self._sent += count
                        if limit is not None:
                            self._wait(limit, count)
            return sent, None
        except OSError as error:
            self._check()
            raise ConnectionLostError(self._lost(error)) from None
        finally:
            with suppress(OSError):  # closed: the exception says so
                sock.setblocking(True)
            self.transferring = False

    def finish(self, *, reusable: bool) -> None:
        """Record the end of an exchange."""
        assert self._sock is not None  # noqa: S101 - for mypy
        self.transferring = False
        self.reused = True
        self._received_by_kernel = self._received
        if reusable and isinstance(self._stream, TLSStream):
            state = tcp_state(self._sock)
            # What waits may be a session ticket, or unsolicited data: a read decides before the next request.
            unread = self._stream.unread or unread_bytes(self._sock)
            self._received_by_kernel = None if unread or state is None else state.received
        self.reusable = reusable and self.interrupted is None

    def _wait(self, limit: "Bandwidth", count: int) -> None:
        """Wait until the bandwidth allows more, after bytes were moved."""
        seconds = limit.spend(count)
        if seconds <= 0:
            return
        end = time.monotonic() + seconds
        self.storing = True
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _NAP))
            self._check()
        self.storing = False

    def _would_block(self, sock: socket.socket) -> bool:
        """Whether a read would wait for data, instead of returning some, an EOF or an error."""
        assert self._stream is not None  # noqa: S101 - for mypy
        try:
            sock.setblocking(False)
            self._stream.recv_into(memoryview(bytearray(1)))
        except BlockingIOError:
            sock.setblocking(True)
            return True
        except OSError:
            return False
        return False

    def _check(self) -> None:
        if self.interrupted is not None:
            raise self.interrupted

    def _lost(self, error: OSError) -> str:
        return f"the connection to {self.name} was {'reset' if isinstance(error, ConnectionError) else 'lost'}"
