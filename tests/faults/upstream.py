"""The proxy's connection to the server, one for each client connection."""

import contextlib
import http.client
import socket
import struct
from collections.abc import Mapping
from urllib.parse import SplitResult

from .messages import Reply, Request

__all__ = ["GONE", "HOST", "RESET", "Upstream"]

HOST = "127.0.0.1"
GONE = (OSError, http.client.HTTPException)
# SO_LINGER with a timeout of 0 makes close() send a reset: https://man7.org/linux/man-pages/man7/socket.7.html
RESET = struct.pack("ii", 1, 0)
# Seconds after which the server counts as dead; the timeout of a test is much longer.
_PATIENCE = 30.0


class Upstream:
    """One connection to the server behind the proxy.

    Args:
        server: URL of the server.
        names: As in `Proxy`.
        server_host: As in `Proxy`.
    """

    def __init__(self, server: SplitResult, names: Mapping[str, str], *, server_host: bool) -> None:
        self._server = server
        self._names = names
        self._server_host = server_host
        self._http: http.client.HTTPConnection | None = None

    def send(self, request: Request, body: bytes) -> Reply:
        if self._http is not None and self._http.sock is not None:
            with contextlib.suppress(*GONE):  # the server may have closed it in the meantime
                return self._send(request, body)
            self.close()
        return self._send(request, body)

    def send_cut(self, request: Request, body: bytes) -> None:
        connection = self._begin(request)
        connection.send(body)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close()

    def _send(self, request: Request, body: bytes) -> Reply:
        connection = self._begin(request)
        if body:
            connection.send(body)
        with contextlib.closing(connection.getresponse()) as response:
            data = response.read()
            headers = tuple((name, self._rewritten(value)) for name, value in response.getheaders())
            chunked = bool(response.chunked) and request.method != "HEAD"
            return Reply(response.status, headers, data, response.reason, chunked)

    def _begin(self, request: Request) -> http.client.HTTPConnection:
        server = self._server
        if self._http is None:
            self._http = http.client.HTTPConnection(server.hostname or HOST, server.port, timeout=_PATIENCE)
        if self._server_host:
            request = request.having("host", server.netloc)
        self._http.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers:
            self._http.putheader(name, value)
        self._http.endheaders()
        return self._http

    def _rewritten(self, value: str) -> str:
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
