"""An S3 server whose responses stall, so that a test can act during a transfer."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from .program import TIMEOUT

SIZE = 64 << 20
ETAG = '"0123456789abcdef"'


class StallingS3:
    """A bucket where every key is an object of `SIZE` bytes, and every prefix contains one object, `big.bin`.

    Attributes:
        body_requested: Set when the body of an object was requested; its first bytes are sent by then.
    """

    def __init__(self) -> None:
        self.body_requested = threading.Event()
        self._released = threading.Event()
        self._goes_on = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._head(200, SIZE)

            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                if "list-type" in query:
                    self._list(query["prefix"][0])
                    return
                start, end = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
                self._head(206, end - start + 1, f"bytes {start}-{end}/{SIZE}")
                self.wfile.write(bytes(1000))
                service.body_requested.set()
                service._released.wait(TIMEOUT)
                if service._goes_on:
                    self.wfile.write(bytes(end - start + 1 - 1000))
                self.close_connection = not service._goes_on

            def _list(self, prefix: str) -> None:
                entry = f"<Key>{prefix}big.bin</Key><Size>{SIZE}</Size><ETag>{ETAG}</ETag>"
                body = f"<ListBucketResult><Contents>{entry}</Contents></ListBucketResult>".encode()
                self._head(200, len(body))
                self.wfile.write(body)

            def _head(self, status: int, length: int, content_range: str | None = None) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.send_header("ETag", ETAG)
                if content_range:
                    self.send_header("Content-Range", content_range)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def release(self) -> None:
        """Send the rest of all bodies, all of whose bytes are zero."""
        self._goes_on = True
        self._released.set()

    @property
    def options(self) -> tuple[str, ...]:
        """The options to use this server."""
        return ("--no-sign-request", "--endpoint-url", f"http://127.0.0.1:{self._server.server_port}")

    @property
    def source_options(self) -> tuple[str, ...]:
        """The options to copy from this server to another service."""
        return tuple(option.replace("--", "--source-") for option in self.options)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
