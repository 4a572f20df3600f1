"""A server of ranges, parts of files as sinks, and a `Wire` with worker processes."""

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from sealift.backends.local.file_sink import FileSink
from sealift.integrity.crc import extend_crc
from sealift.runtime.detached import run_detached
from sealift.types import KiB, Limits, Part
from sealift.wire import TLS, Expectation, Request, Response, Wire
from sealift.wire.workers.worker import Worker
from sealift.wire.workers.workers import Workers
from tests.wire.servers import Handler, Peer, Server, pattern

BODY = pattern(3_000_000)
PLAIN = TLS()


def ranges(body: bytes = BODY, etag: str = '"1"') -> Handler:
    """Answer requests for ranges of a body."""

    async def handler(peer: Peer) -> None:
        while True:
            await answer(peer, body, etag)

    return handler


async def answer(peer: Peer, body: bytes = BODY, etag: str = '"1"') -> None:
    head = await peer.request()
    first, last = map(int, head.headers["range"].removeprefix("bytes=").split("-"))
    content_range = f"Content-Range: bytes {first}-{last}/{len(body)}"
    await peer.respond(body[first : last + 1], content_range, f"ETag: {etag}", status="206 Partial Content")


class File:
    """A file whose parts are received."""

    def __init__(self, path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> None:
        self.path = path
        self.descriptor = os.open(path, flags, 0o600)

    def part(self, start: int = 0, size: int = len(BODY)) -> FileSink:
        piece = memoryview(bytearray(256 * KiB))
        return FileSink(str(self.path), self.descriptor, Part(0, start, size), piece, "crc32c", None)

    def holds(self, start: int = 0, size: int = len(BODY), body: bytes = BODY) -> bool:
        return self.path.read_bytes()[start : start + size] == body[start : start + size]


@contextlib.contextmanager
def file(path: Path) -> Iterator[File]:
    opened = File(path)
    try:
        yield opened
    finally:
        os.close(opened.descriptor)


async def fetch(wire: Wire, server: Server, sink: FileSink, tls: TLS = PLAIN, etag: str = '"1"') -> Response:
    """Receive what a sink misses, of `BODY`."""
    start = sink.position
    headers = [("Range", f"bytes={start}-{start + len(sink) - 1}"), ("Authorization", "Bearer s3cret")]
    request = Request("GET", server.origin, "/m?X-Amz-Signature=s3cret", headers, tls)
    return await wire.fetch(request, sink, Expectation(start, len(BODY), (("etag", (etag,)),)))


def crc(body: bytes) -> dict[str, int]:
    return {"crc32c": extend_crc("crc32c", body)}


def workers_of(wire: Wire) -> list[Worker]:
    return list(wire._workers._workers)


def pids(wire: Wire) -> list[int]:
    return [worker._process.pid for worker in workers_of(wire)]


def gone(pid: int) -> bool:
    """Whether a process has ended, and is no zombie."""
    return not Path(f"/proc/{pid}").exists()


@contextlib.asynccontextmanager
async def wire_with_workers(
    *, executable: str | None = None, start_timeout: float = 60.0, silence: float = 60.0, **limits: float | None
) -> AsyncIterator[Wire]:
    limits = {"processes": 1, **limits}
    wire = Wire(Limits(**limits), run_blocking=run_detached)  # type: ignore[arg-type]
    wire._workers = Workers(
        wire._limits,
        wire._dialer,
        wire._lanes,
        run_detached,
        os.environ,
        executable=executable,
        start_timeout=start_timeout,
        silence=silence,
    )
    wire._dialer._timeout = Limits().idle_timeout
    try:
        yield wire
    finally:
        await wire.aclose()
