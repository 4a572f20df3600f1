"""HTTP servers in threads of this process: two real ones, and one that a test controls.

`files` is aiohttp's file server: ranges, strong ETags, conditions. `plain_files` is that of the standard library: no
ranges, no ETags, HTTP/1.0. `OddServer` sends replies that no server should send; `tests/api/test_http.py` also reads
its framing with `http.client`.
"""

import asyncio
import contextlib
import functools
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import unquote

from aiohttp import web

from tests.services.closing import abort, close

HOST = "127.0.0.1"
_GONE = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as received; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(slots=True)
class Reply:
    """A reply.

    Attributes:
        framing: How the end of the body is marked; "none": no header about a body, as for HEAD.
        sent: Close the connection after so many bytes of the body; None: send all, and keep it open.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    framing: Literal["length", "chunked", "close", "none"] = "length"
    sent: int | None = None


def good(asked: Asked, data: bytes, tag: str | None = '"v1"', **headers: str) -> Reply:
    """The reply of a server with ranges and conditions; "_" in a keyword stands for "-"."""
    fields = {"Accept-Ranges": "bytes", "Last-Modified": "Tue, 01 Sep 2020 10:20:30 GMT"}
    fields |= {"ETag": tag} if tag else {}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    if tag and asked.headers.get("if-match", tag) != tag:
        return Reply(412)
    if "range" not in asked.headers or asked.method == "HEAD":
        return Reply(200, data, fields)
    first, last = map(int, asked.headers["range"].removeprefix("bytes=").split("-"))
    part = data[first : last + 1]
    if not part:
        return Reply(416)
    fields["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
    return Reply(206, part, fields)


class OddServer:
    """Answers each request with the result of a function.

    Args:
        answer: Called in the thread of the server.
        tls: Accept TLS with this certificate; None: plain HTTP.

    Attributes:
        asked: All requests, in order.
    """

    def __init__(self, answer: Callable[[Asked], Reply], *, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.port = 0
        self._answer = answer
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="odd-http-server")

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{HOST}:{self.port}"

    def methods(self) -> Sequence[str]:
        """The values of this header in all requests, in order."""
        return [asked.method for asked in self.asked]

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._listen())

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, HOST, 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        await close(server, self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                method, target, _ = first.split(" ")
                fields = (line.partition(":") for line in lines if line)
                asked = Asked(method, target, {name.lower(): value.strip() for name, _, value in fields})
                self.asked.append(asked)
                reply = self._answer(asked)
                writer.write(_encoded(reply, method))
                await writer.drain()
                if reply.sent is not None or reply.framing == "close":
                    writer.close()
                    await writer.wait_closed()
                    return
        except (*_GONE, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            abort(writer)


def _encoded(reply: Reply, method: str) -> bytes:
    body, framing = reply.body, reply.framing
    headers = dict(reply.headers)
    if framing == "length":
        headers.setdefault("Content-Length", str(len(body)))
    elif framing == "chunked":
        headers["Transfer-Encoding"] = "chunked"
        pieces = [body[start : start + 50_000] for start in range(0, len(body), 50_000)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    elif framing == "close":
        headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {reply.status} Status", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (b"" if method == "HEAD" else body[: reply.sent])


@contextlib.contextmanager
def files(directory: Path) -> Iterator[str]:
    """Serve a directory; yields the URL of its root."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        path = directory / unquote(request.raw_path.partition("?")[0]).lstrip("/")
        return web.FileResponse(path) if path.is_file() else web.Response(status=404)

    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    port = 0

    async def listen() -> None:
        nonlocal port
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        port = runner.addresses[0][1]
        started.set()
        await stop.wait()
        await runner.cleanup()
        await loop.shutdown_default_executor()

    thread = threading.Thread(target=lambda: loop.run_until_complete(listen()), name="http-server")
    thread.start()
    try:
        started.wait()
        yield f"http://{HOST}:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@contextlib.contextmanager
def plain_files(directory: Path) -> Iterator[str]:
    """Serve a directory without ranges; yields the URL of its root."""
    with http.server.ThreadingHTTPServer((HOST, 0), functools.partial(_Quiet, directory=str(directory))) as server:
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="plain-http-server")
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
