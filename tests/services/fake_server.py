"""A server on a thread for fakes: a function answers each request."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["HOST", "Asked", "Reply", "serving"]

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as received; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The decoded path."""
        return unquote(urlsplit(self.target).path, errors="surrogateescape")

    @property
    def query(self) -> dict[str, str]:
        """The decoded parameters."""
        parsed = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[0] for name, values in parsed.items()}


@dataclass(slots=True)
class Reply:
    """A response."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def serving(answer: Callable[[Asked], Reply], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve during the block; yields the URL of the server.

    Args:
        answer: Called in a thread for each request.
        tls: Accept TLS with this certificate; None: plain HTTP.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = answer(Asked(self.command, self.path, headers, body))
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)
                self.wfile.flush()
            except ConnectionError:  # the client has closed the connection early
                self.close_connection = True

        do_HEAD = do_POST = do_PUT = do_GET

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                super().handle()

        def finish(self) -> None:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                super().finish()

        def log_message(self, *args: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        server.daemon_threads = True
        if tls is not None:
            # The handshake takes place in the thread of the connection.
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="fake-server")
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://{HOST}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
