"""An asyncio server that downloads an object while it serves: `async_server.py CLIENT PROGRAM URI DEST WORK_MS`.

The server runs WORK_MS of Python work every 5 ms. How late its timers of 1 ms are is the delay that a request would
see: first while nothing is downloaded, then during the download. The download also runs once without that work, to
compare its time, and before that once more, so that neither counts the imports of the client. Writes `report.json`.

The process has one CPU after its start. The harness moves the processes that it starts, and the server, to another.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

EVERY_S, IDLE_S = 0.005, 4.0
Download = Callable[[str, Path], Awaitable[object]]


@asynccontextmanager
async def sealift(_: str) -> AsyncIterator[Download]:
    import dataclasses

    from sealift import AsyncStorage, Limits

    has_processes = "processes" in {field.name for field in dataclasses.fields(Limits)}
    async with AsyncStorage(Limits(**({"processes": 1} if has_processes else {}))) as storage:
        yield storage.download


@asynccontextmanager
async def obstore(_: str) -> AsyncIterator[Download]:
    from urllib.parse import urlsplit

    import obstore
    from obstore.store import S3Store

    async def download(uri: str, dest: Path) -> None:
        parts = urlsplit(uri)
        store = S3Store(parts.netloc, virtual_hosted_style_request=False, client_options={"allow_http": True})
        with dest.open("wb") as out:
            async for chunk in await obstore.get_async(store, parts.path.lstrip("/")):
                out.write(chunk)

    yield download


@asynccontextmanager
async def boto3(_: str) -> AsyncIterator[Download]:
    from urllib.parse import urlsplit

    import boto3

    client = boto3.client("s3")

    async def download(uri: str, dest: Path) -> None:
        parts = urlsplit(uri)
        await asyncio.to_thread(client.download_file, parts.netloc, parts.path.lstrip("/"), str(dest))

    yield download


@asynccontextmanager
async def program(path: str) -> AsyncIterator[Download]:
    """A program for the command line, in a process of its own."""
    words = ["--log", "error", "cp"] if Path(path).name == "s5cmd" else ["copyto"]

    async def download(uri: str, dest: Path) -> None:
        process = await asyncio.create_subprocess_exec(path, *words, uri, str(dest))
        if status := await process.wait():
            raise RuntimeError(f"{path} exited with status {status}")

    yield download


CLIENTS = {"sealift": sealift, "obstore": obstore, "boto3": boto3, "s5cmd": program, "rclone": program}


async def work(work_s: float) -> None:
    """The Python work of a server: WORK_MS of every 5 ms."""
    due = time.perf_counter()
    while True:
        end = time.perf_counter() + work_s
        while time.perf_counter() < end:
            pass
        due = max(due + EVERY_S, time.perf_counter())
        # At least one turn of the event loop, however late the work is.
        await asyncio.sleep(max(due - time.perf_counter(), 0))


async def measure_delays(delays: list[float]) -> None:
    while True:
        start = time.perf_counter()
        await asyncio.sleep(0.001)
        delays.append(time.perf_counter() - start - 0.001)


@asynccontextmanager
async def serving(work_s: float) -> AsyncIterator[list[float]]:
    """Serve until the end of the block; yields the delays in seconds, one for each timer so far."""
    delays: list[float] = []
    tasks = [asyncio.create_task(work(work_s)), asyncio.create_task(measure_delays(delays))]
    try:
        yield delays
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def summary(name: str, delays: list[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum in milliseconds."""
    shares = statistics.quantiles(delays, n=100, method="inclusive")
    return {
        f"{name}_p50_ms": shares[49] * 1e3,
        f"{name}_p99_ms": shares[98] * 1e3,
        f"{name}_max_ms": max(delays) * 1e3,
    }


async def main(client: str, path: str, uri: str, dest: Path, work_s: float) -> None:
    async def timed(download: Download) -> float:
        dest.unlink(missing_ok=True)
        start = time.perf_counter()
        await download(uri, dest)
        return time.perf_counter() - start

    async with CLIENTS[client](path) as download:
        # Only after the client has seen how many CPUs this machine has.
        cpu = min(os.sched_getaffinity(0))
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), {cpu})
        await timed(download)
        alone = await timed(download)
        async with serving(work_s) as idle:
            await asyncio.sleep(IDLE_S)
        async with serving(work_s) as busy:
            served = await timed(download)
    report = {"download_s": served, "alone_s": alone, **summary("idle", idle), **summary("busy", busy)}
    Path("report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    words = sys.argv[1:]
    run = asyncio.run
    if os.environ.get("SEALIFT_LOOP") != "asyncio":
        import uvloop

        run = uvloop.run
    run(main(words[0], words[1], words[2], Path(words[3]), float(words[4]) / 1e3))
