"""Connect to the first of several addresses that accepts. Blocking; runs on a lane."""

import errno
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from .address import Address
from .connection_errors import refusal

__all__ = ["connect_first"]

# Seconds until the next address is tried as well: https://www.rfc-editor.org/rfc/rfc8305#section-5
_NEXT_ADDRESS = 0.25


def connect_first(
    addresses: Sequence[Address], timeout: float, begun: Callable[[socket.socket], None]
) -> tuple[socket.socket | None, list[str]]:
    """Connect to the addresses in turn: to the next one after 250 ms, or as soon as all before it have failed.

    Args:
        addresses: The addresses, in order.
        timeout: Seconds that all of it may take.
        begun: Called with each socket once it can be shut down, and after each wait; may raise. The caller closes them.

    Returns:
        The socket that was connected first, and why each address before its own was not used. None: no address
        accepted, for these reasons.
    """
    deadline = time.monotonic() + timeout
    reasons = [refusal(TimeoutError())] * len(addresses)
    pending: dict[int, tuple[int, socket.socket]] = {}  # descriptor → index of the address, socket
    poll = select.poll()
    started = 0
    next_start = time.monotonic()
    try:
        while pending or started < len(addresses):
            now = time.monotonic()
            if now >= deadline:
                break
            if started < len(addresses) and (not pending or now >= next_start):
                try:
                    sock = _begin(addresses[started], begun)
                except OSError as refused:
                    reasons[started] = refusal(refused)
                else:
                    pending[sock.fileno()] = started, sock
                    poll.register(sock, select.POLLOUT)
                started, next_start = started + 1, now + _NEXT_ADDRESS
                continue
            until = deadline if started == len(addresses) else min(deadline, next_start)
            for descriptor, _ in poll.poll(max(0.0, until - now) * 1000):
                index, sock = pending[descriptor]
                begun(sock)
                poll.unregister(descriptor)
                del pending[descriptor]
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not error:
                    return sock, reasons[:index]
                reasons[index] = refusal(OSError(error, os.strerror(error)))
        return None, reasons
    finally:
        for _, sock in pending.values():
            with suppress(OSError):  # it is not connected yet
                sock.shutdown(socket.SHUT_RDWR)  # ends the attempt


def _begin(address: Address, begun: Callable[[socket.socket], None]) -> socket.socket:
    """Begin to connect.

    Raises:
        OSError: It has failed at once, for example because there is no route.
    """
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    sock.setblocking(False)
    error = sock.connect_ex(address.sockaddr)
    begun(sock)
    if error not in {0, errno.EINPROGRESS}:
        raise OSError(error, os.strerror(error))
    return sock
