"""One connection: carries one exchange at a time, and trusts nothing that nobody asked for."""

import asyncio
import socket
from typing import TYPE_CHECKING, cast

import h11

from ..errors import TransportError
from ..types import MiB
from .message import TLS, Origin, Response
from .reply import Reply
from .socket_state import arrivals, unacknowledged
from .stalls import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Connection", "StaleError"]

_SLICE = MiB
"""Bytes of a body handed to the transport at once; the next slice waits until nearly all of this one has left it."""


class StaleError(TransportError):
    """A kept-alive connection turned out to be closed before any byte of the reply: nothing has been answered."""


class Connection(asyncio.BufferedProtocol):
    """A connection to one origin.

    `get_buffer` never returns anything empty (that would kill a TLS connection) and always a memoryview (asyncio's TLS
    copies a bytearray). The scratch may be shared by all connections of a loop: it is written to and read within one
    callback.

    Args:
        origin: The server.
        tls: How it was verified.
        sock: The connected socket, only looked at; the transport owns it.
        scratch: Where bytes land that do not go in place.
        watchdog: Watches over exchanges.

    Attributes:
        closed: It cannot be used any more; the transport may still be about to close.
        reusable: The last exchange ended in such a way that another may follow.
        reused: An exchange has succeeded on it before.
        idle_since: Loop time of its last exchange's end.
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
        self._lowest: asyncio.Transport | None = None  # under TLS
        self._reply: Reply | None = None
        self._target = scratch
        self._received = 0
        self._sent = 0
        self._writing_paused = False
        self._resumed: asyncio.Future[None] | None = None

    # The exchange, as the wire's calls see it.

    async def exchange(self, reply: Reply, head: bytes, body: memoryview | None = None) -> Response:
        """Send a request and wait for the answer to it.

        However this ends, the reply's buffer is not written to any more, unless it is a streamed one.

        Raises:
            StaleError: See there.
            TransportError: The exchange failed; the connection is closed.
        """
        transport = self._transport
        if self.closed or transport is None or transport.is_closing():
            raise self._lost(reply, f"{self.name} closed the connection")
        self._reply = reply
        self.reusable = False
        self._watchdog.watch(self)
        try:
            self._sent += len(head)
            transport.write(head)
            if body:
                await self._send_body(reply, body, transport)
            return await reply.answer
        except BaseException:
            if reply.answer.done() and not reply.answer.cancelled():
                reply.answer.exception()  # a cancelled task does not ask for it, and asyncio would complain
            self.abort()
            raise

    def is_quiet(self) -> bool:
        """Whether nothing has arrived on this idle connection, not even in the kernel.

        Neither its end, which would cost the next request a round trip, nor a byte, which would be taken for its reply.
        Under TLS bytes may rightly wait (session tickets) and are the transport's to judge.
        """
        secure = self._lowest is not self._transport
        seen = arrivals(self._sock)
        if seen is not None:
            established, count = seen
            return established and (secure or count == self._received)
        try:
            return bool(self._sock.recv(1, socket.MSG_PEEK)) and secure
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False

    def pause_reading(self) -> None:
        """Let the peer wait."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None and not self.closed:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once, and forget whose buffer it was; does nothing the second time."""
        reply = self._reply
        if reply is not None:
            self._detach()
            reply.drop()
        self._wake()
        if not self.closed:
            self.closed = True
            if self._transport is not None:
                self._transport.abort()

    def fail(self, error: Exception) -> None:
        """End the exchange with an error."""
        reply = self._reply
        if reply is not None:
            self._detach()
            reply.fail(error)
        self.abort()

    async def _send_body(self, reply: Reply, body: memoryview, transport: asyncio.Transport) -> None:
        """Hand the body to the transport as fast as it takes it, unless an early reply makes that pointless."""
        loop = asyncio.get_running_loop()
        for start in range(0, len(body), _SLICE):
            if self._writing_paused:
                self._resumed = loop.create_future()
                try:
                    await self._resumed
                finally:
                    self._resumed = None
            elif start:
                await asyncio.sleep(0)  # a socket that takes everything must not keep the loop from the others
            if transport.is_closing() or reply.refused or reply.answer.done():
                return
            piece = body[start : start + _SLICE]
            self._sent += len(piece)
            for data in reply.framing.send_with_data_passthrough(h11.Data(data=piece)) or ():  # type: ignore[arg-type]
                transport.write(data)
        reply.framing.send(h11.EndOfMessage())

    def _detach(self) -> None:
        """From here on nothing that arrives is written to the reply's buffer."""
        self._reply = None
        self._target = self._scratch
        self._watchdog.unwatch(self)

    def _finish(self, reply: Reply) -> None:
        self._detach()
        # h11 counts here: Connection: close, HTTP/1.0, and whether the request was sent to its end.
        self.reusable = reply.framing.our_state is h11.DONE and not reply.doubtful and not self._unsent()
        self.reused = True
        reply.complete()
        self._wake()

    def _wake(self) -> None:
        if self._resumed is not None and not self._resumed.done():
            self._resumed.set_result(None)

    def _lost(self, reply: Reply, cause: str) -> TransportError:
        return (StaleError if self.reused and reply.untouched else TransportError)(cause, retryable=True)

    # What the watchdog looks at.

    @property
    def wanting(self) -> bool:
        return self._reply is not None and self._reply.wanting

    @property
    def moving(self) -> bool:
        return self._reply is not None and (self._reply.moving or self._unsent() > 0)

    @property
    def moved(self) -> int:
        return self._received + self._sent - self._unsent() - unacknowledged(self._sock)

    def _unsent(self) -> int:
        if self._transport is None or self._lowest is None:
            return 0
        size = self._transport.get_write_buffer_size()
        return size if self._lowest is self._transport else size + self._lowest.get_write_buffer_size()

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self._lowest = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def secured(self, transport: asyncio.Transport) -> None:
        """TLS has been put upon the transport."""
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        return self._target

    def buffer_updated(self, nbytes: int) -> None:
        reply = self._reply
        if reply is None:
            self.abort()  # nobody asked for this
            return
        self._received += nbytes
        try:
            target = reply.take(nbytes)
        except TransportError as error:
            self.fail(error)
            return
        if target is None:
            self._finish(reply)
            return
        self._target = target
        if reply.refused:
            self._wake()

    def eof_received(self) -> None:
        reply = self._reply
        if reply is not None:
            try:
                reply.ended()
            except TransportError as error:
                self.fail(self._lost(reply, error.cause))
            else:
                self._finish(reply)
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        reply = self._reply
        if reply is not None:
            why = "was reset" if isinstance(exc, ConnectionError) else "was lost"
            self.fail(self._lost(reply, f"the connection to {self.name} {why}"))
        self._wake()
        if self.on_lost is not None:
            self.on_lost(self)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._wake()
