"""TCP state from the kernel that the event loop does not expose."""

import array
import socket
import struct
import sys

if sys.platform == "linux":
    import fcntl
    import termios

__all__ = ["TCPState", "received_bytes", "tcp_state", "unacknowledged_bytes"]

TCPState = tuple[bool, int]
"""Whether the connection is established, and the number of bytes received, read or not."""

_RECEIVED = struct.Struct("=B127xQ")
"""tcpi_state and tcpi_bytes_received of struct tcp_info in linux/tcp.h (since Linux 4.2)."""
_ESTABLISHED = 1


def tcp_state(sock: socket.socket) -> TCPState | None:
    """State of a connection, without reading from it; None if the kernel does not report it.

    Unlike `recv` with MSG_PEEK, this does not release the GIL: it takes 1.2 µs, whereas reacquiring the GIL from a busy
    thread was measured to take 500 µs.
    """
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.size)
    except OSError:
        return False, 0
    if len(info) < _RECEIVED.size:
        return None
    state, received = _RECEIVED.unpack(info)
    return (state == _ESTABLISHED, received) if received else None


def received_bytes(sock: socket.socket) -> int | None:
    """Bytes that the kernel has received on a connection, read or not; None if it does not report it."""
    state = tcp_state(sock)
    return None if state is None else state[1]


def unacknowledged_bytes(sock: socket.socket) -> int:
    """Bytes in the send buffer that the peer has not acknowledged; 0 if the kernel does not report it.

    On a slow uplink they can take longer than `Limits.idle_timeout` to drain; each acknowledgement is progress.
    """
    if sys.platform != "linux" or sock.fileno() < 0:
        return 0
    size = array.array("i", [0])
    try:
        fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, size)  # SIOCOUTQ of tcp(7)
    except OSError:
        return 0
    return size[0]
