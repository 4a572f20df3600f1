"""One HTTP/1.1 connection: one exchange at a time. Unsolicited data closes it."""

import asyncio
import socket
from typing import TYPE_CHECKING, cast

import h11

from ..errors import TransportError
from ..types import MiB
from .message import TLS, Origin, Response
from .response_receiver import ResponseReceiver
from .socket_state import tcp_state, unacknowledged_bytes
from .stall_watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Connection", "StaleConnectionError"]

_SLICE = MiB
"""Bytes of a request body written to the transport at once; the next slice waits until its buffer is nearly empty."""


class StaleConnectionError(TransportError):
    """A keep-alive connection was closed before any byte of the response arrived."""


class Connection(asyncio.BufferedProtocol):
    """A connection to one origin.

    `get_buffer` never returns an empty buffer (which would kill a TLS connection), and always a memoryview (asyncio's
    TLS copies a bytearray). The scratch buffer may be shared by all connections of a loop: it is written and read
    within one callback.

    Args:
        origin: The server.
        tls: Connection security that was applied.
        sock: The connected socket, used for its state only; the transport owns it.
        scratch: Buffer for data that is not received in place.
        watchdog: Detects stalled exchanges.

    Attributes:
        closed: The connection is unusable; its transport may not have closed yet.
        reusable: The last exchange left the connection ready for another one.
        reused: At least one exchange has completed.
        idle_since: Loop time at which the last exchange ended.
        on_lost: Called when the transport has closed.
    """

    def __init__(self, origin: Origin, tls: TLS, sock: socket.socket, scratch: memoryview, watchdog: Watchdog) -> None:
        self.origin = origin
        self.tls = tls
        self.name = origin.address
        self.closed = False
        self.reusable = False
        self.reused = False
        self.idle_since = 0.0
        self.on_lost: Callable[[Connection], None] | None = None
        self._sock = sock
        self._scratch = scratch
        self._watchdog = watchdog
        self._transport: asyncio.Transport | None = None
        self._tcp_transport: asyncio.Transport | None = None  # differs from _transport under TLS
        self._receiver: ResponseReceiver | None = None
        self._buffer = scratch
        self._received = 0
        self._sent = 0
        self._writing_paused = False
        self._write_resumed: asyncio.Future[None] | None = None

    # Used by `Wire`.

    async def exchange(self, receiver: ResponseReceiver, head: bytes, body: memoryview | None = None) -> Response:
        """Send a request and wait for the response.

        Once this returns or raises, the receiver's buffer is no longer written to, except by a `StreamingReceiver`.

        Raises:
            StaleConnectionError: The server had closed the idle connection.
            TransportError: The exchange failed; the connection is closed.
        """
        transport = self._transport
        if self.closed or transport is None or transport.is_closing():
            raise self._error(receiver, f"{self.name} closed the connection")
        self._receiver = receiver
        self.reusable = False
        self._watchdog.watch(self)
        try:
            self._sent += len(head)
            transport.write(head)
            if body:
                await self._send_body(receiver, body, transport)
            return await receiver.future
        except BaseException:
            if receiver.future.done() and not receiver.future.cancelled():
                receiver.future.exception()  # mark as retrieved, or asyncio logs it when the task was cancelled
            self.abort()
            raise

    def is_still_idle(self) -> bool:
        """Whether no data and no EOF has arrived on this idle connection, not even in the kernel's buffer.

        An EOF would cost the next request a round trip; data would be mistaken for its response. Under TLS, pending
        data can be legitimate (session tickets), so it is left to the transport.
        """
        secure = self._tcp_transport is not self._transport
        state = tcp_state(self._sock)
        if state is not None:
            established, count = state
            return established and (secure or count == self._received)
        try:
            return bool(self._sock.recv(1, socket.MSG_PEEK)) and secure
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False

    def pause_reading(self) -> None:
        """Stop reading from the socket, so that TCP flow control stops the sender."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Resume reading from the socket."""
        if self._transport is not None and not self.closed:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close immediately and release the receiver's buffer. Idempotent."""
        receiver = self._receiver
        if receiver is not None:
            self._detach()
            receiver.cancel()
        self._wake_sender()
        if not self.closed:
            self.closed = True
            if self._transport is not None:
                self._transport.abort()

    def fail(self, error: Exception) -> None:
        """End the exchange with an error."""
        receiver = self._receiver
        if receiver is not None:
            self._detach()
            receiver.fail(error)
        self.abort()

    async def _send_body(self, receiver: ResponseReceiver, body: memoryview, transport: asyncio.Transport) -> None:
        """Write the body under flow control; stop if the server rejects the request early."""
        loop = asyncio.get_running_loop()
        for start in range(0, len(body), _SLICE):
            if self._writing_paused:
                self._write_resumed = loop.create_future()
                try:
                    await self._write_resumed
                finally:
                    self._write_resumed = None
            elif start:
                await asyncio.sleep(0)  # yield to other tasks even if the socket never blocks
            if transport.is_closing() or receiver.rejected or receiver.future.done():
                return
            piece = body[start : start + _SLICE]
            self._sent += len(piece)
            for data in receiver.framing.send_with_data_passthrough(h11.Data(data=piece)) or ():  # type: ignore[arg-type]
                transport.write(data)
        receiver.framing.send(h11.EndOfMessage())

    def _detach(self) -> None:
        """Detach the receiver: later data is no longer written to its buffer."""
        self._receiver = None
        self._buffer = self._scratch
        self._watchdog.unwatch(self)

    def _finish(self, receiver: ResponseReceiver) -> None:
        self._detach()
        # h11 tracks Connection: close, HTTP/1.0, and whether the whole request was sent.
        self.reusable = receiver.framing.our_state is h11.DONE and not receiver.must_close and not self._unsent()
        self.reused = True
        receiver.complete()
        self._wake_sender()

    def _wake_sender(self) -> None:
        if self._write_resumed is not None and not self._write_resumed.done():
            self._write_resumed.set_result(None)

    def _error(self, receiver: ResponseReceiver, cause: str) -> TransportError:
        return (StaleConnectionError if self.reused and receiver.no_bytes_received else TransportError)(
            cause, retryable=True
        )

    # The `Watched` protocol, for the watchdog.

    @property
    def waiting(self) -> bool:
        return self._receiver is not None and self._receiver.waiting

    @property
    def transferring(self) -> bool:
        return self._receiver is not None and (self._receiver.transferring or self._unsent() > 0)

    @property
    def bytes_transferred(self) -> int:
        return self._received + self._sent - self._unsent() - unacknowledged_bytes(self._sock)

    def _unsent(self) -> int:
        if self._transport is None or self._tcp_transport is None:
            return 0
        size = self._transport.get_write_buffer_size()
        return size if self._tcp_transport is self._transport else size + self._tcp_transport.get_write_buffer_size()

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self._tcp_transport = cast("asyncio.Transport", transport)  # uvloop's does not subclass it

    def secure_transport_made(self, transport: asyncio.Transport) -> None:
        """The TLS transport on top of the TCP one is ready."""
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        receiver = self._receiver
        if receiver is None:
            self.abort()  # unsolicited data
            return
        self._received += nbytes
        try:
            target = receiver.receive(nbytes)
        except TransportError as error:
            self.fail(error)
            return
        if target is None:
            self._finish(receiver)
            return
        self._buffer = target
        if receiver.rejected:
            self._wake_sender()

    def eof_received(self) -> None:
        receiver = self._receiver
        if receiver is not None:
            try:
                receiver.receive_eof()
            except TransportError as error:
                self.fail(self._error(receiver, error.cause))
            else:
                self._finish(receiver)
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        receiver = self._receiver
        if receiver is not None:
            why = "was reset" if isinstance(exc, ConnectionError) else "was lost"
            self.fail(self._error(receiver, f"the connection to {self.name} {why}"))
        self._wake_sender()
        if self.on_lost is not None:
            self.on_lost(self)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._wake_sender()
