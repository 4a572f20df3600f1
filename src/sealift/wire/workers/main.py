"""The main thread of a worker process: receives orders, watches the parent, and judges stalls."""

import os
import select
import signal
import socket
import ssl
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from ...errors import TransportError
from ...runtime.start_thread import NoThreadError
from ..stalls import Stalls
from ..tls import create_context
from .lane import Lane, TLSFields, connection_for
from .protocol import BEAT, HELLO, PROTOCOL, encode_report, split_orders

if TYPE_CHECKING:
    from ...runtime.bandwidth import Bandwidths

__all__ = ["serve"]

_NICENESS = 10
# Without a pidfd, the parent's end is noticed after at most this many seconds, if its socket stays open.
_PARENT_CHECK = 1.0


def serve(control: socket.socket, settings: dict[str, Any]) -> NoReturn:
    """Carry out orders until the parent has ended or closes the control socket.

    Args:
        control: The control socket.
        settings: `parent`, the parent's process id; `idle_timeout` and `min_throughput`, as in `Limits`; and, if
            `Limits.bandwidth` is set, `bandwidth` and `bandwidth_file`, for `Bandwidths`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):  # a sandbox may forbid it
        os.nice(_NICENESS)
    parent = _watch_parent(settings["parent"])
    stalls, bandwidths = Stalls(settings["idle_timeout"], settings["min_throughput"]), None
    if "bandwidth" in settings:
        from ...runtime.bandwidth import Bandwidths  # noqa: PLC0415 - few programs set a limit

        bandwidths = Bandwidths.of(settings["bandwidth"], settings["bandwidth_file"])
    Worker(control, stalls, bandwidths).run(parent, settings["parent"])


class Worker:
    """This process's side of the control socket.

    Args:
        control: The control socket. The main thread never waits for it: a parent that is stopped, or a child of the
            parent that has inherited its end, would keep this process alive.
        stalls: The rules by which an exchange has stalled.
        bandwidths: Limits of the bytes per second. None: there are none.
    """

    def __init__(self, control: socket.socket, stalls: Stalls, bandwidths: "Bandwidths | None" = None) -> None:
        self._control = control
        self._stalls = stalls
        self._bandwidths = bandwidths
        self._lanes: dict[int, Lane] = {}
        self._sending = threading.Lock()
        self._buffer = bytearray()
        self._descriptors: deque[int] = deque()
        self._contexts: dict[TLSFields, ssl.SSLContext] = {}
        self._loading = threading.Lock()

    def run(self, parent: int | None, parent_id: int) -> NoReturn:
        """Serve until the parent has ended.

        Args:
            parent: A pidfd of the parent; None: there are none here.
            parent_id: Its process id.
        """
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        if parent is not None:
            poll.register(parent, select.POLLIN)
        interval = min(self._stalls.interval, _PARENT_CHECK)
        self._report(HELLO, 0, PROTOCOL.to_bytes(2, "little"))
        tick = time.monotonic() + interval
        while True:
            for descriptor, _ in poll.poll(max(0.0, tick - time.monotonic()) * 1000):
                if descriptor == parent or not self._receive():
                    _end()
            if time.monotonic() >= tick:
                if parent is None and os.getppid() != parent_id:
                    _end()
                self._stalls.tick()
                self._beat()
                tick = time.monotonic() + interval

    def _receive(self) -> bool:
        """Receive orders; return False at the end of the control socket."""
        try:
            data, descriptors, flags, _ = socket.recv_fds(self._control, 1 << 16, 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if flags & socket.MSG_CTRUNC:  # too many open files: the order would get the file of another one
            return False
        self._descriptors.extend(descriptors)
        self._buffer += data
        for name, number, *order in split_orders(self._buffer):
            self._carry_out(name, number, order)
        return bool(data)

    def _carry_out(self, name: str, number: int, order: list[Any]) -> None:
        if name == "open":
            origin, tls, addresses, timeout = order
            connection = connection_for(origin, tls, self._bandwidths)
            try:
                lane = Lane(connection, partial(self._context, origin[0], tls), partial(self._send, number))
            except NoThreadError:
                _end()  # the parent's own threads, or other workers, do the work
            self._lanes[number] = lane
            self._stalls.watch(connection)
            lane.open(addresses, timeout)
        elif name == "fetch":
            self._lanes[number].fetch(tuple(order), self._descriptors.popleft())
        elif name == "interrupt":
            self._lanes[number].connection.interrupt(TransportError("interrupted"))
        elif name == "close":
            lane = self._lanes.pop(number)
            self._stalls.unwatch(lane.connection)
            lane.close()

    def _context(self, scheme: str, tls: TLSFields) -> ssl.SSLContext | None:
        """The TLS settings of a connection; called by its lane."""
        if scheme != "https":
            return None
        with self._loading:
            if tls not in self._contexts:
                # This process has no environment but what the parent chose, so OpenSSL finds the same certificates.
                self._contexts[tls] = create_context(connection_for(("https", "", 0), tls).tls, os.environ)
            return self._contexts[tls]

    def _send(self, number: int, kind: int, payload: bytes = b"") -> None:
        """Send a lane's report."""
        self._report(kind, number, payload)

    def _report(self, kind: int, number: int, payload: bytes = b"") -> None:
        with self._sending:
            try:
                self._control.sendall(encode_report(kind, number, payload))
            except OSError:
                _end()  # the parent has closed its end

    def _beat(self) -> None:
        """Show the parent that this process runs, unless a lane does that now."""
        if self._sending.acquire(blocking=False):
            try:
                # All of so short a report is sent, or nothing.
                with suppress(BlockingIOError):
                    self._control.send(encode_report(BEAT, 0), socket.MSG_DONTWAIT)
            except OSError:
                _end()
            finally:
                self._sending.release()


def _watch_parent(parent: int) -> int | None:
    """A pidfd of the parent; None: the system has none."""
    descriptor: int | None = None
    if sys.platform == "linux":
        with suppress(OSError):  # an old kernel, a sandbox, or the parent has ended
            descriptor = os.pidfd_open(parent)
    if os.getppid() != parent:
        _end()
    return descriptor


def _end() -> NoReturn:
    os._exit(0)  # without waiting for lanes
