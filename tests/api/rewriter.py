"""An HTTP proxy in front of a server that rewrites the headers of requests, as load balancers and CDNs do."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

__all__ = ["Header", "rewriting"]

Header = tuple[str, str]


@contextlib.contextmanager
def rewriting(url: str, rewrite: Callable[[list[Header]], list[Header]]) -> Iterator[str]:
    """Run a proxy that rewrites headers in front of the server at a URL. Yields the proxy's URL."""
    server = urlsplit(url)
    address = server.hostname or "", server.port or 80

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(address) as upstream:
                back = threading.Thread(target=_pump, args=(upstream, self.connection))
                back.start()
                with contextlib.suppress(OSError):
                    while first := self.rfile.readline():
                        lines = iter(self.rfile.readline, b"\r\n")
                        fields = [line.decode("latin-1").partition(":") for line in lines]
                        headers = [(name, value.strip()) for name, _, value in fields]
                        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
                        head = "".join(f"{name}: {value}\r\n" for name, value in rewrite(headers))
                        upstream.sendall(first + f"{head}\r\n".encode("latin-1"))
                        upstream.sendall(self.rfile.read(length))
                with contextlib.suppress(OSError):
                    upstream.shutdown(socket.SHUT_RDWR)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}"
        finally:
            proxy.shutdown()
            thread.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
