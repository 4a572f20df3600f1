"""A service that allows so many requests per second, and answers 503 SlowDown to the rest.

    python -m bench.throttled [--latency SECONDS] [--retry-after SECONDS] [--quick] [--write FILE]

The service runs in a process of its own: a token bucket that holds what it allows in one second. "Ideal" is the time in
which it would have accepted the requests if none had been refused, with a full bucket at the start. Listings are not
counted. The smaller workloads show what finding the rate costs.
"""

import argparse
import asyncio
import multiprocessing
import re
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from sealift import AsyncStorage, Limits, S3Config

# Requests per second, objects, bytes of each, part size (None: one part).
_WORKLOADS = [
    (300, 1500, 10 << 10, None),
    (300, 20_000, 10 << 10, None),
    (10, 100, 10 << 10, None),
    (10, 400, 10 << 10, None),
    (20, 1, 100 << 20, 1 << 20),
]
_BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_TITLE = """# A service that limits requests

Downloads of many small objects, and of one object in 100 parts, from a service that answers 503 to what is more than it
allows, written by `python -m bench.throttled`. The ideal time is that without a refusal.
"""
_TAG = '"0123456789abcdef0123456789abcdef-1"'


@dataclass
class Service:
    """Objects named p/0, p/1, … in any bucket.

    Args:
        per_second: Requests per second that it allows.
        objects: How many objects there are.
        size: Bytes of each.
        latency: Seconds until a reply.
        retry_after: Seconds in the Retry-After of a refusal; None: none.
    """

    per_second: float
    objects: int
    size: int
    latency: float
    retry_after: int | None
    accepted: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        self._body = bytes(self.size)
        self._tokens, self._filled_at = self.per_second, time.monotonic()

    def _allowed(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self.per_second, self._tokens + (now - self._filled_at) * self.per_second)
        self._filled_at = now
        if self._tokens < 1:
            self.refused += 1
            return False
        self._tokens -= 1
        self.accepted += 1
        return True

    def _answer(self, head: str) -> tuple[str, bytes]:
        target = head.split(" ", 2)[1]
        if "list-type=2" in target:
            return "200 OK", self._page(target)
        if not self._allowed():
            wait = "" if self.retry_after is None else f"\r\nRetry-After: {self.retry_after}"
            return f"503 Slow Down{wait}", _BUSY
        found = re.search(r"range: bytes=(\d+)-(\d+)", head, re.IGNORECASE)
        if found is None:
            return f"200 OK\r\nETag: {_TAG}", self._body
        start, end = int(found[1]), int(found[2]) + 1
        return (
            f"206 Partial Content\r\nETag: {_TAG}\r\nContent-Range: bytes {start}-{end - 1}/{self.size}",
            self._body[start:end],
        )

    def _page(self, target: str) -> bytes:
        found = re.search(r"continuation-token=(\d+)", target)
        first = int(found[1]) if found else 0
        last = min(first + 1000, self.objects)
        entries = "".join(
            f"<Contents><Key>p/{number}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{_TAG}</ETag><Size>{self.size}</Size></Contents>"
            for number in range(first, last)
        )
        more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < self.objects else ""
        truncated = "true" if more else "false"
        return f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{more}{entries}</ListBucketResult>".encode()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                status, body = self._answer(head)
                if self.latency:
                    await asyncio.sleep(self.latency)
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
                writer.write(b"" if head.startswith("HEAD") else body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()


def _serve(service: Service, pipe: Connection) -> None:
    async def run() -> None:
        server = await asyncio.start_server(service, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        pipe.send((service.accepted, service.refused))

    asyncio.run(run())


async def _download(port: int, part_size: int | None) -> float:
    config = S3Config("AKIAFAKE", "secret", endpoint_url=f"http://127.0.0.1:{port}")
    with tempfile.TemporaryDirectory() as directory:
        started = time.monotonic()
        async with AsyncStorage(Limits(part_size=part_size)) as storage:
            await storage.download("s3://b/p/", f"{directory}/p", config=config, verify=False)
        return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--retry-after", type=int, metavar="SECONDS")
    parser.add_argument("--quick", action="store_true", help="only the first workload")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table to this file, too")
    arguments = parser.parse_args()
    lines = ["| allowed/s | requests | seconds | of the ideal time | refused |", "|---|---|---|---|---|"]
    print(*lines, sep="\n")
    for per_second, objects, size, part_size in _WORKLOADS[: 1 if arguments.quick else None]:
        service = Service(per_second, objects, size, arguments.latency, arguments.retry_after)
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(service, there))
        process.start()
        seconds = asyncio.run(_download(here.recv(), part_size))
        here.send(None)
        accepted, refused = here.recv()
        process.join()
        ideal = max((accepted - per_second) / per_second, 0.01)
        share = refused / (accepted + refused)
        lines.append(
            f"| {per_second} | {accepted:,} | {seconds:.1f} | {seconds / ideal:.2f} | {refused} ({share:.1%}) |"
        )
        print(lines[-1], flush=True)
    if arguments.write:
        arguments.write.write_text("\n".join([_TITLE, *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
