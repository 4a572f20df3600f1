"""A proxy between sealift and a real server, over real sockets, that does harm where a fault says so.

It takes a request whole and forwards it, takes the reply whole and sends it on; so a fault can choose any byte of them.
Connections are blocking and have a thread each: what is sent, cut off or reset happens in the order of the program.
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

from .messages import Asked, Reply
from .upstream import GONE, HOST, RESET, Upstream

__all__ = ["Exchange", "Fault", "Over", "Proxy"]

PIECE = 64 << 10


class Over(Exception):
    """There is nothing more to do on this connection."""


class Exchange:
    """One request on one connection: what can be done with it."""

    def __init__(self, connection: "_Connection", asked: Asked) -> None:
        self.asked = asked
        self._connection = connection
        self._body: bytes | None = None

    def body(self) -> bytes:
        """The request's body."""
        if self._body is None:
            self._body = self.some(self.asked.length)
        return self._body

    def some(self, count: int) -> bytes:
        """So much of the request's body, for a fault that does not want the rest."""
        return self._connection.receive(self.asked, count)

    def forward(self, body: bytes | None = None) -> Reply:
        """What the server says to this request, or to another body instead."""
        return self._connection.upstream.ask(self.asked, self.body() if body is None else body)

    def forward_cut(self, count: int) -> None:
        """Let the server have so much of the body, and then reset its connection."""
        self._connection.upstream.ask_cut(self.asked, self.some(count))

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self._connection.send(self.asked, data)

    def reply(self, reply: Reply) -> None:
        """A whole reply; who asks by HEAD gets only its head."""
        self.send(reply.head if self.asked.method == "HEAD" else reply.raw)
        if reply.unframed and self.asked.method != "HEAD":
            self.end()

    def drain(self) -> None:
        """Take what else the client sends until it goes, so that no unread byte makes the end a reset."""
        self._connection.drain()
        raise Over

    def trickle(self, data: bytes, seconds: float) -> None:
        """One byte after the other, as long as anybody listens."""
        for position in range(len(data)):
            self.send(data[position : position + 1])
            if self.over(seconds):
                raise Over

    def over(self, seconds: float) -> bool:
        """Whether the client goes within this time."""
        return self._connection.over(seconds)

    def finish(self) -> None:
        """Say that nothing more will come, and take what the client still sends."""
        self._connection.half_close()
        self.drain()

    def end(self) -> None:
        """Close in an orderly way, at once."""
        self._connection.half_close()
        raise Over

    def reset(self) -> None:
        self._connection.reset()
        raise Over

    def hold(self) -> None:
        """Do nothing more until the client goes."""
        while not self.over(0.02):
            pass
        raise Over


Fault = Callable[[Exchange], bool]
"""Deals with an exchange; False: it is none of its business."""


class Proxy:
    """Stands in front of one server.

    Args:
        server: Its URL.
        fault: What goes wrong.
        place: Told with each request.
        tls: A certificate, to be asked over TLS.
        handshake: Seconds that a client waits for the server's part of a TLS handshake.
        names: In the heads of replies: text → what stands there instead.
        own_host: Tell the server its own name as Host; else what the client has signed.
        passed: Told of bodies' bytes, in either direction, before they pass; it may end the client, or raise `Over`.

    Attributes:
        troubles: Failures of the proxy itself.
    """

    def __init__(
        self,
        server: str,
        fault: Fault = lambda exchange: False,
        *,
        place: int = 0,
        tls: ssl.SSLContext | None = None,
        handshake: float = 0.0,
        names: Mapping[str, str] | None = None,
        own_host: bool = False,
        passed: Callable[[Asked, int], None] = lambda asked, count: None,
    ) -> None:
        self.server = urlsplit(server)
        self.fault = fault
        self.place = place
        self.tls = tls
        self.handshake = handshake
        self.names = dict(names or {})
        self.own_host = own_host
        self.passed = passed
        self.troubles: list[BaseException] = []
        self.closing = threading.Event()
        self._listening = socket.create_server((HOST, 0), backlog=64)
        self.port = self._listening.getsockname()[1]
        self._open: set[_Connection] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, name="fault-proxy")]

    @property
    def endpoint(self) -> str:
        return f"{'https' if self.tls else 'http'}://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.closing.set()
        socket.create_connection((HOST, self.port)).close()  # wakes up who accepts
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
            with contextlib.suppress(Over, *GONE):
                for exchange in connection.exchanges():
                    if not self.fault(exchange):
                        exchange.reply(exchange.forward())
        except Exception as trouble:
            self.troubles.append(trouble)
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


class _Connection:
    """A client's connection, and the one to the server behind it."""

    def __init__(self, proxy: Proxy, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.upstream = Upstream(proxy.server, proxy.names, own_host=proxy.own_host)
        self._proxy = proxy
        self._sock = sock
        self._read = b""

    def exchanges(self) -> Iterator[Exchange]:
        if self._proxy.tls is not None:
            self._proxy.closing.wait(self._proxy.handshake)
            self._sock = self._proxy.tls.wrap_socket(self._sock, server_side=True)
        while (asked := self._head()) is not None:
            yield Exchange(self, asked)

    def _head(self) -> Asked | None:
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
        return Asked(self._proxy.place, method, target, headers)

    def receive(self, asked: Asked, count: int) -> bytes:
        body = bytearray()
        while len(body) < count:
            data, self._read = self._read or self._sock.recv(min(PIECE, count - len(body))), b""
            if not data:
                raise Over
            data, self._read = data[: count - len(body)], data[count - len(body) :]
            self._proxy.passed(asked, len(data))
            body += data
        return bytes(body)

    def send(self, asked: Asked, data: bytes) -> None:
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            self._proxy.passed(asked, len(piece))
            self._sock.sendall(piece)

    def drain(self) -> None:
        self._sock.settimeout(0.02)
        while not self._proxy.closing.is_set():
            with contextlib.suppress(TimeoutError):
                if not self._sock.recv(PIECE):
                    return

    def over(self, seconds: float) -> bool:
        """Whether the client goes, or the proxy ends, within this time."""
        poll = select.poll()
        poll.register(self._sock, getattr(select, "POLLRDHUP", 0))
        return bool(poll.poll(seconds * 1000)) or self._proxy.closing.is_set()

    def half_close(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """What is closed now is reset."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def interrupt(self) -> None:
        """From another thread: whatever it waits for ends."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self.upstream.interrupt()

    def close(self) -> None:
        self._sock.close()
        self.upstream.close()
