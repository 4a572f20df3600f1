"""A TCP forwarder that counts the bytes sent through it, and can hold them up midway."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_STEP = 1 << 16


class Passage:
    """The connections opened during one phase of a test.

    Attributes:
        sent: Bytes forwarded from clients, without those held up.
        received: Bytes forwarded to clients.
        held: Set once the limit is reached and bytes are held up.
    """

    def __init__(self, limit: int | None) -> None:
        self.sent = 0
        self.received = 0
        self.held = threading.Event()
        self._limit = limit
        self._turn = threading.Lock()
        self._decided = threading.Event()
        self._cut = False

    def release(self) -> None:
        """Forward the bytes held up and everything after them."""
        self._limit = None
        self._decided.set()

    def cut(self) -> None:
        """Break the connections whose bytes are held up."""
        self._cut = True
        self._decided.set()

    def may_pass(self, count: int) -> bool:
        """Wait until `count` bytes may be forwarded. Returns False if they never may."""
        with self._turn:
            held = self._limit is not None and self.sent + count > self._limit
            if not held:
                self.sent += count
                return True
        self.held.set()
        self._decided.wait()
        with self._turn:
            self.sent += 0 if self._cut else count
        return not self._cut

    def note_received(self, count: int) -> bool:
        """Count bytes that are forwarded to a client."""
        with self._turn:
            self.received += count
        return True


class Forwarder:
    """A forwarder in front of a server.

    Args:
        url: URL of the server.
    """

    def __init__(self, url: str) -> None:
        server = urlsplit(url)
        self._server = (server.hostname or "", server.port or 80)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._passages = [Passage(None)]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def passage(self, limit: int | None = None) -> Passage:
        """Start a passage for all connections opened from now on.

        Args:
            limit: Approximate number of bytes they may send in total. None: no limit.
        """
        self._passages.append(Passage(limit))
        return self._passages[-1]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                passage = self._passages[-1]
                self._threads += [
                    threading.Thread(target=_pump, args=(client, server, passage.may_pass)),
                    threading.Thread(target=_pump, args=(server, client, passage.note_received)),
                ]
                for thread in self._threads[-2:]:
                    thread.start()

    def __enter__(self) -> Self:
        self._threads.append(threading.Thread(target=self._accept))
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for passage in self._passages:
            passage.cut()
        _end(self._listening)
        self._threads[0].join()
        for each in self._sockets:
            _end(each)
        for thread in self._threads:
            thread.join()
        for each in (self._listening, *self._sockets):
            each.close()


def _pump(source: socket.socket, sink: socket.socket, may_pass: Callable[[int], bool]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_STEP):
            if not may_pass(len(data)):
                break
            sink.sendall(data)
    _end(source)
    _end(sink)


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
