"""TLS on a socket that stays visible, decrypting from memory.

`SSLSocket` makes two system calls for each record of 16 KiB, and takes the socket over, so that a thread that shuts it
down may drop the encryption. Here the socket is read in large pieces, which takes a fifth less CPU time
(`python -m bench b`).
"""

import socket
import ssl
import threading
import time
from contextlib import suppress

from ..types import KiB

__all__ = ["TLSStream"]


class _Buffer(threading.local):
    """Memory for encrypted data, one for each thread."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(256 * KiB))


_encrypted = _Buffer()


class TLSStream:
    """The client's end of a TLS connection, with the methods of a socket that `Connection` needs.

    Its blocking mode and timeout are those of the socket. A connection that ends without TLS's closing message is
    truncated: an `ssl.SSLEOFError`.

    Args:
        sock: The connected socket.
        context: TLS settings.
        host: Name of the server.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._unsent = memoryview(b"")

    @property
    def unsent(self) -> bool:
        """Whether `send` has encrypted data that is not sent yet."""
        return bool(self._unsent)

    @property
    def unread(self) -> bool:
        """Whether data has arrived that `recv_into` has not returned; it may be a session ticket."""
        return bool(self._tls.pending() or self._incoming.pending)

    def do_handshake(self, deadline: float) -> None:
        """Do the handshake, on a blocking socket.

        Args:
            deadline: Monotonic time at which it must be done.

        Raises:
            TimeoutError: It took longer.
            OSError: It failed; includes `ssl.SSLError`.
        """
        while True:
            self._sock.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._receive()
            except ssl.SSLError:
                with suppress(OSError):
                    self._flush()  # the alert
                raise
        self._flush()
        self._sock.settimeout(None)

    def recv_into(self, view: memoryview) -> int:
        """Receive at least one byte, and decrypt what has arrived, as far as it fits; 0: the peer has closed."""
        filled = 0
        while filled < len(view):
            try:
                # With a buffer, it returns a number of bytes, whatever the stub says.
                count = int(self._tls.read(len(view) - filled, view[filled:]))
            except ssl.SSLWantReadError:
                if filled:
                    break
                self._flush()  # what the protocol wants to answer
                self._receive()
            except ssl.SSLError:
                if not filled:
                    raise
                break  # the next call raises it again
            else:
                if not count:
                    break
                filled += count
        return filled

    def sendall(self, data: bytes) -> None:
        """Encrypt and send data, on a blocking socket."""
        self._tls.write(data)
        self._flush()

    def send(self, data: memoryview) -> int:
        """Encrypt data, and send as much of it as the socket takes.

        Returns:
            How much was taken over. The rest of what was encrypted is sent by the next calls (`unsent`).

        Raises:
            BlockingIOError: The socket takes nothing yet.
        """
        count = 0
        if not self._unsent and data:
            count = self._tls.write(data)
            self._unsent = memoryview(self._outgoing.read())
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            if not count:
                raise
        return count

    def _receive(self) -> None:
        count = self._sock.recv_into(_encrypted.view)
        if count:
            self._incoming.write(_encrypted.view[:count])
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._sock.sendall(self._outgoing.read())
