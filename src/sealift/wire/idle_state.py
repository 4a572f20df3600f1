"""Find out whether anything has arrived on an idle connection."""

import socket

from .socket_state import tcp_state, unread_bytes
from .tls_stream import Stream, TLSStream

__all__ = ["IdleState"]


class IdleState:
    """What the kernel had received when the last response had arrived.

    Args:
        sock: The connected socket.
        stream: The socket, or TLS on it.
    """

    __slots__ = ("_received", "_sock", "_stream")

    def __init__(self, sock: socket.socket, stream: Stream) -> None:
        self._sock = sock
        self._stream = stream
        self._received: int | None = None

    def record(self, received: int) -> None:
        """Record the end of a response.

        Args:
            received: Bytes of all responses.
        """
        self._received = received
        if isinstance(self._stream, TLSStream):
            state = tcp_state(self._sock)
            # What waits may be a session ticket, or unsolicited data: a read decides before the next request.
            unread = self._stream.unread or unread_bytes(self._sock)
            self._received = None if unread or state is None else state.received

    def is_still_idle(self) -> bool:
        """Whether no data and no EOF has arrived, not even in the kernel's buffer.

        An EOF would cost the next request a round trip; data would be mistaken for its response. Under TLS, waiting
        data can be legitimate (session tickets): a read that would block decides.
        """
        state = tcp_state(self._sock)
        if state is not None:
            if not state.established:
                return False
            if state.received == self._received:
                return True
            if self._stream is self._sock:
                return False
        if not self._would_block():
            return False
        self._received = state and state.received  # before the read: there may be more now
        return True

    def _would_block(self) -> bool:
        """Whether a read would wait for data, instead of returning some, an EOF or an error."""
        try:
            self._sock.setblocking(False)
            self._stream.recv_into(memoryview(bytearray(1)))
        except BlockingIOError:
            self._sock.setblocking(True)
            return True
        except OSError:
            return False
        return False
