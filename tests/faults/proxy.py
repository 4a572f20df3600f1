"""A proxy between sealift and a real server, over real sockets, that injects faults.

It receives each request completely before it forwards it, and each reply completely before it sends it, so that a fault
can hit any byte. Connections are blocking and have one thread each, so bytes, cuts and resets happen in program order.
"""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from .messages import Reply, Request
from .upstream import GONE, HOST, RESET, Upstream

__all__ = ["ConnectionDone", "Exchange", "Fault", "Proxy"]

PIECE = 64 << 10


class ConnectionDone(Exception):
    """The proxy has finished with this connection."""


class Exchange:
    """One request on one connection, and the operations that a fault can use."""

    def __init__(self, connection: "_Connection", request: Request) -> None:
        self.request = request
        self._connection = connection
        self._body: bytes | None = None

    def body(self) -> bytes:
        """The body of the request."""
        if self._body is None:
            self._body = self.receive(self.request.length)
        return self._body

    def receive(self, count: int) -> bytes:
        """Receive the next `count` bytes of the request's body, for a fault that does not need the rest."""
        return self._connection.receive(self.request, count)

    def forward(self, body: bytes | None = None) -> Reply:
        """Send this request, or one with another body, to the server and return its reply."""
        return self._connection.upstream.send(self.request, self.body() if body is None else body)

    def forward_cut(self, count: int) -> None:
        """Send `count` bytes of the body to the server, then reset that connection."""
        self._connection.upstream.send_cut(self.request, self.receive(count))

    def send(self, data: bytes) -> None:
        """Send raw bytes to the client."""
        self._connection.send(self.request, data)

    def reply(self, reply: Reply) -> None:
        """Send a complete reply to the client; for HEAD only the head."""
        self.send(reply.head if self.request.method == "HEAD" else reply.raw)
        if reply.unframed and self.request.method != "HEAD":
            self.end()

    def drain(self) -> None:
        """Read until the client closes, so that unread bytes do not turn the close into a reset."""
        self._connection.drain()
        raise ConnectionDone

    def trickle(self, data: bytes, seconds: float) -> None:
        """Send single bytes until the client closes."""
        for position in range(len(data)):
            self.send(data[position : position + 1])
            if self.closed_within(seconds):
                raise ConnectionDone

    def closed_within(self, seconds: float) -> bool:
        """Whether the client closes within this time."""
        return self._connection.closed_within(seconds)

    def finish(self) -> None:
        """Close the sending side, and read until the client closes."""
        self._connection.half_close()
        self.drain()

    def end(self) -> None:
        """Close the connection at once, without a reset."""
        self._connection.half_close()
        raise ConnectionDone

    def reset(self) -> None:
        self._connection.reset()
        raise ConnectionDone

    def hold(self) -> None:
        """Do nothing until the client closes."""
        while not self.closed_within(0.02):
            pass
        raise ConnectionDone


Fault = Callable[[Exchange], bool]
"""Handles an exchange and returns True, or returns False to have it forwarded."""


class Proxy:
    """A proxy in front of one server.

    Args:
        server: URL of the server.
        fault: Handles exchanges; see `Fault`.
        index: Stored in each `Request`.
        tls: Accept TLS with this certificate; None: plain HTTP.
        handshake: Seconds before the proxy answers a TLS handshake.
        names: Text to replace in the headers of replies → replacement.
        server_host: Send the server's own name as Host; False: the one that the client signed.
        on_bytes: Called with the number of body bytes, in either direction, before they are forwarded. It may kill the
            client or raise `ConnectionDone`.

    Attributes:
        failures: Exceptions of the proxy itself.
    """

    def __init__(
        self,
        server: str,
        fault: Fault = lambda exchange: False,
        *,
        index: int = 0,
        tls: ssl.SSLContext | None = None,
        handshake: float = 0.0,
        names: Mapping[str, str] | None = None,
        server_host: bool = False,
        on_bytes: Callable[[Request, int], None] = lambda request, count: None,
    ) -> None:
        self.server = urlsplit(server)
        self.fault = fault
        self.index = index
        self.tls = tls
        self.handshake = handshake
        self.names = dict(names or {})
        self.server_host = server_host
        self.on_bytes = on_bytes
        self.failures: list[BaseException] = []
        self.closing = threading.Event()
        self._listening = socket.create_server((HOST, 0), backlog=64)
        self.port = self._listening.getsockname()[1]
        self._open: set[_Connection] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, name="fault-proxy")]

    @property
    def endpoint(self) -> str:
        return f"{'https' if self.tls else 'http'}://{HOST}:{self.port}"

    def wait_closed(self) -> None:
        """Wait until all connections are closed: those of a killed process, once nothing more is forwarded."""
        while self._open and not self.closing.wait(0.002):
            pass

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.closing.set()
        socket.create_connection((HOST, self.port)).close()  # wakes up the accepting thread
        self._threads[0].join()
        self._listening.close()
        with self._lock:
            for connection in self._open:
                connection.interrupt()
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listening.accept()
            if self.closing.is_set():
                sock.close()
                return
            thread = threading.Thread(target=self._serve, args=(sock,), name="fault-proxy-connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        connection = _Connection(self, sock)
        with self._lock:
            self._open.add(connection)
        try:
            with contextlib.suppress(ConnectionDone, *GONE):
                for exchange in connection.exchanges():
                    if not self.fault(exchange):
                        exchange.reply(exchange.forward())
        except Exception as failure:
            self.failures.append(failure)
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


class _Connection:
    """The connection of a client, and the one to the server."""

    def __init__(self, proxy: Proxy, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.upstream = Upstream(proxy.server, proxy.names, server_host=proxy.server_host)
        self._proxy = proxy
        self._sock = sock
        self._read = b""

    def exchanges(self) -> Iterator[Exchange]:
        if self._proxy.tls is not None:
            self._proxy.closing.wait(self._proxy.handshake)
            self._sock = self._proxy.tls.wrap_socket(self._sock, server_side=True)
        while (request := self._head()) is not None:
            yield Exchange(self, request)

    def _head(self) -> Request | None:
        while b"\r\n\r\n" not in self._read:
            data = self._sock.recv(PIECE)
            if not data:
                return None
            self._read += data
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        fields = (line.partition(":") for line in lines)
        headers = tuple((name, value.strip()) for name, _, value in fields)
        return Request(self._proxy.index, method, target, headers)

    def receive(self, request: Request, count: int) -> bytes:
        body = bytearray()
        while len(body) < count:
            data, self._read = self._read or self._sock.recv(min(PIECE, count - len(body))), b""
            if not data:
                raise ConnectionDone
            data, self._read = data[: count - len(body)], data[count - len(body) :]
            self._proxy.on_bytes(request, len(data))
            body += data
        return bytes(body)

    def send(self, request: Request, data: bytes) -> None:
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            self._proxy.on_bytes(request, len(piece))
            self._sock.sendall(piece)

    def drain(self) -> None:
        self._sock.settimeout(0.02)
        while not self._proxy.closing.is_set():
            with contextlib.suppress(TimeoutError):
                if not self._sock.recv(PIECE):
                    return

    def closed_within(self, seconds: float) -> bool:
        """Whether the client closes, or the proxy ends, within this time."""
        poll = select.poll()
        poll.register(self._sock, getattr(select, "POLLRDHUP", 0))
        return bool(poll.poll(seconds * 1000)) or self._proxy.closing.is_set()

    def half_close(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Make the next close send a reset."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def interrupt(self) -> None:
        """Called from another thread: end every blocking call."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self.upstream.interrupt()

    def close(self) -> None:
        self._sock.close()
        self.upstream.close()
