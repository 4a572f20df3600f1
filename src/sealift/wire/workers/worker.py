"""A worker process as the event loop sees it: orders out, reports in, and its end."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from ..dialer import Dialer
from ..lanes import Lanes
from ..message import TLS, Origin
from ..stall_watchdog import Watchdog
from .process import WorkerProcess
from .protocol import BEAT, HELLO, PROTOCOL, ProtocolError, encode_order, split_reports
from .remote_connection import RemoteConnection

__all__ = ["Worker"]

_RECEIVE = 1 << 18
_REAP_AGAIN = 0.05
_REAP_TIMES = 40


class Worker:
    """A worker process, used by one event loop.

    The watchdog watches it while it has orders: one that sends nothing, not even its regular sign of life, is killed.

    Args:
        process: The process; it belongs to this object.
        dialer: Resolves names, and checks addresses.
        lanes: Threads that record progress.
        watchdog: Ends workers that do not run.
        on_end: Called when the process has ended.

    Attributes:
        name: For messages.
        alive: Whether the process has started to serve and has not ended.
        retired: It was asked to end.
        assigned: How many orders are meant for it, including those that wait for a connection.
        run_blocking: Runs a function on a thread.
        idle_since: Loop time at which its last order ended.
        patience: Seconds that it may take to end an order.
        storing: As in `Watched`.
        transferring: As in `Watched`.
        idle_timeout: As in `Watched`.
    """

    name = "a worker process"
    patience = 5.0
    storing = transferring = False
    idle_timeout = 0.0

    def __init__(
        self,
        process: WorkerProcess,
        dialer: Dialer,
        lanes: Lanes,
        watchdog: Watchdog,
        on_end: Callable[["Worker"], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._dialer = dialer
        self.run_blocking = lanes.run_blocking
        self._watchdog = watchdog
        self._on_end = on_end
        self.alive = False
        self.retired = False
        self.assigned = 0
        self.idle_since = self._loop.time()
        self._busy = 0
        self._reports = 0
        self._numbers = count(1)
        self._connections: dict[int, RemoteConnection] = {}
        self._received = bytearray()
        self._outgoing: deque[tuple[memoryview, int | None]] = deque()
        self._hello: asyncio.Future[bool] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._reaped: asyncio.Future[None] = self._loop.create_future()
        self._writing = False
        self._loop.add_reader(process.control, self._readable)
        if process.ended_fd is not None:
            self._loop.add_reader(process.ended_fd, self._exited)

    # For the watchdog.

    @property
    def waiting(self) -> bool:
        return self._busy > 0

    @property
    def bytes_transferred(self) -> int:
        """How many reports have arrived."""
        return self._reports

    def fail(self, error: Exception) -> None:  # noqa: ARG002 - part of the protocol
        self.kill()

    # For tasks.

    async def started(self, timeout: float) -> bool:
        """Wait until the process serves; return False if it does not within `timeout` seconds, and end it."""
        await asyncio.wait([self._hello], timeout=timeout)
        if not self.alive:
            self.kill()
        return self.alive

    async def dial(self, origin: Origin, tls: TLS) -> RemoteConnection:
        """Open a connection in the worker; as `Dialer.dial`."""
        connection = RemoteConnection(self, next(self._numbers), origin, tls)
        self._connections[connection.number] = connection
        await self._dialer.open(connection, connection.open)
        return connection

    @contextmanager
    def assign(self) -> Iterator[None]:
        """Count an order that is meant for this worker."""
        self.assigned += 1
        try:
            yield
        finally:
            self.assigned -= 1
            self.idle_since = self._loop.time()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Expect signs of life."""
        self._busy += 1
        self._watchdog.watch(self)
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._watchdog.unwatch(self)

    def send(self, name: str, number: int, *order: Any, descriptor: int | None = None) -> None:
        """Send an order. A descriptor must stay open until the order has ended."""
        if not self.alive:
            self._connections[number].lost()
            return
        self._outgoing.append((memoryview(encode_order(name, number, *order)), descriptor))
        if len(self._outgoing) == 1:
            self._flush()

    def forget(self, connection: RemoteConnection) -> None:
        """Close a connection that no order uses."""
        if self._connections.pop(connection.number, None) is not None and self.alive:
            self.send("close", connection.number)

    def retire(self) -> None:
        """Let the process end; it has no orders."""
        self.retired = True
        self.alive = False
        self._process.hang_up()

    def kill(self) -> None:
        """End the process; its orders fail once it has ended."""
        if not self._ended.done():
            self._process.kill()

    async def aclose(self) -> None:
        """End the process, and wait until it has ended."""
        if self._process.ours:
            self.retire()
            await asyncio.wait([self._ended], timeout=self.patience)
            self.kill()
            await asyncio.wait([self._ended], timeout=self.patience)  # longer only if the kernel does not let it go
            self._end()
            await asyncio.wait([self._reaped])
        else:
            self._process.close()

    def abandon(self) -> None:
        """Let the process end, without the event loop."""
        self.retire()
        self._process.close()

    # Called by the loop.

    def _flush(self) -> None:
        while self._outgoing:
            data, descriptor = self._outgoing[0]
            try:
                if descriptor is None:
                    sent = self._process.control.send(data)
                else:
                    sent = socket.send_fds(self._process.control, [data], [descriptor])
            except BlockingIOError:
                break
            except OSError:  # it has ended, or cannot be reached any more
                self._outgoing.clear()
                self.kill()
                break
            if sent == len(data):
                self._outgoing.popleft()
            else:
                self._outgoing[0] = (data[sent:], None)
        if bool(self._outgoing) != self._writing:
            self._writing = not self._writing
            if self._writing:
                self._loop.add_writer(self._process.control, self._flush)
            else:
                self._loop.remove_writer(self._process.control)

    def _readable(self) -> None:
        if self._receive() is not False:
            return
        # End of file: the worker is about to end, or lost without this socket.
        if self._process.ended_fd is None:
            self._end()
        else:
            self._loop.remove_reader(self._process.control)
            self._process.kill()

    def _receive(self) -> bool | None:
        """Process the reports that have arrived; False: the end of file, None: no data."""
        try:
            data = self._process.control.recv(_RECEIVE)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        self._received += data
        try:
            for kind, number, payload in split_reports(self._received):
                self._process_report(kind, number, payload)
        except ProtocolError:
            self.kill()
            return False
        return bool(data)

    def _process_report(self, kind: int, number: int, payload: bytes) -> None:
        self._reports += 1
        if kind == HELLO:
            self.alive = int.from_bytes(payload, "little") == PROTOCOL and not self.retired
            self._say_hello(serving=self.alive)
        elif kind != BEAT:
            connection = self._connections.get(number)
            if connection is None:
                raise ProtocolError
            connection.reported(kind, payload)

    def _exited(self) -> None:
        """The process has ended. What it sent before still arrives; an end of file may not, if others hold its end."""
        while self._receive():
            pass
        self._end()

    def _end(self) -> None:
        if self._ended.done():
            return
        self._ended.set_result(None)
        self.alive = False
        self._loop.remove_reader(self._process.control)
        self._loop.remove_writer(self._process.control)
        if self._process.ended_fd is not None:
            self._loop.remove_reader(self._process.ended_fd)
        self._outgoing.clear()
        self._say_hello(serving=False)
        for connection in self._connections.values():
            connection.lost()
        self._on_end(self)
        self._reap(_REAP_TIMES)

    def _reap(self, times: int) -> None:
        if self._process.reap() or not times:
            self._process.close()
            self._reaped.set_result(None)
        else:
            self._loop.call_later(_REAP_AGAIN, self._reap, times - 1)

    def _say_hello(self, *, serving: bool) -> None:
        if not self._hello.done():
            self._hello.set_result(serving)
