"""The server behind the proxy, as one client's connection sees it."""

import contextlib
import http.client
import socket
import struct
from collections.abc import Mapping
from urllib.parse import SplitResult

from .messages import Asked, Reply

__all__ = ["GONE", "HOST", "RESET", "Upstream"]

HOST = "127.0.0.1"
GONE = (OSError, http.client.HTTPException)
# What SO_LINGER makes of a close: https://man7.org/linux/man-pages/man7/socket.7.html
RESET = struct.pack("ii", 1, 0)
# Seconds after which the server counts as dead; a test's own timeout comes much later.
_PATIENCE = 30.0


class Upstream:
    """One connection to the server behind the proxy.

    Args:
        server: Its URL.
        names: As in `Proxy`.
        own_host: As in `Proxy`.
    """

    def __init__(self, server: SplitResult, names: Mapping[str, str], *, own_host: bool) -> None:
        self._server = server
        self._names = names
        self._own_host = own_host
        self._http: http.client.HTTPConnection | None = None

    def ask(self, asked: Asked, body: bytes) -> Reply:
        if self._http is not None and self._http.sock is not None:
            with contextlib.suppress(*GONE):  # the server may have closed it meanwhile
                return self._ask(asked, body)
            self.close()
        return self._ask(asked, body)

    def ask_cut(self, asked: Asked, body: bytes) -> None:
        connection = self._begin(asked)
        connection.send(body)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close()

    def _ask(self, asked: Asked, body: bytes) -> Reply:
        connection = self._begin(asked)
        if body:
            connection.send(body)
        with contextlib.closing(connection.getresponse()) as response:
            data = response.read()
            told = tuple((name, self._named(value)) for name, value in response.getheaders())
            chunked = bool(response.chunked) and asked.method != "HEAD"
            return Reply(response.status, told, data, response.reason, chunked)

    def _begin(self, asked: Asked) -> http.client.HTTPConnection:
        server = self._server
        if self._http is None:
            self._http = http.client.HTTPConnection(server.hostname or HOST, server.port, timeout=_PATIENCE)
        if self._own_host:
            asked = asked.having("host", server.netloc)
        self._http.putrequest(asked.method, asked.target, skip_host=True, skip_accept_encoding=True)
        for name, value in asked.headers:
            self._http.putheader(name, value)
        self._http.endheaders()
        return self._http

    def _named(self, value: str) -> str:
        for text, instead in self._names.items():
            value = value.replace(text, instead)
        return value

    def interrupt(self) -> None:
        connection = self._http
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None
