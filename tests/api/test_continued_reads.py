"""Reads that break continue at the byte where they broke, at the same version, without losing what has arrived."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sealift import AsyncStorage, Event, Limits, ObjectChanged, S3Config, TransportError
from sealift.types import KiB, MiB
from tests.api.helpers import all_in, files_in
from tests.api.servers import pattern

pytestmark = pytest.mark.anyio

BODY = pattern(20 * MiB)
PIECE = 256 * KiB
LIMITS = Limits(attempts=1)


class Breaking:
    """An object store with one object, whose connections end after some bytes of each body."""

    def __init__(self, breaks_after: Callable[[int], int | None], body: bytes = BODY) -> None:
        self.breaks_after = breaks_after
        self.body = body
        self.tag = '"one"'
        self.ranges: list[tuple[int, int]] = []
        self.sent = 0
        self.connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections[task] = writer
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._respond((await reader.readuntil(b"\r\n\r\n")).decode(), writer):
                pass
        writer.close()

    async def _respond(self, request: str, writer: asyncio.StreamWriter) -> bool:
        found = re.search(r"range: bytes=(\d+)-(\d+)", request, re.IGNORECASE)
        start, end = (int(found[1]), int(found[2]) + 1) if found else (0, len(self.body))
        status = (
            f"206 Partial Content\r\nContent-Range: bytes {start}-{end - 1}/{len(self.body)}" if found else "200 OK"
        )
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {end - start}\r\nETag: {self.tag}\r\n\r\n".encode())
        if request.startswith("HEAD"):
            return True
        self.ranges.append((start, end))
        breaks = self.breaks_after(len(self.ranges))
        data = self.body[start : end if breaks is None else min(end, start + breaks)]
        self.sent += len(data)
        writer.write(data)
        await writer.drain()
        return breaks is None


@contextlib.asynccontextmanager
async def serving(store: Breaking) -> AsyncIterator[S3Config]:
    server = await asyncio.start_server(store, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield S3Config("AKIAFAKE", "secret", endpoint_url=f"http://127.0.0.1:{port}")
    finally:
        server.close()
        for writer in store.connections.values():  # those that a client keeps for its next call
            writer.close()
        await asyncio.gather(*store.connections)


async def download(config: S3Config, dest: Path, limits: Limits = LIMITS) -> list[Event]:
    events: list[Event] = []
    async with AsyncStorage(limits) as storage:
        await storage.download("s3://b/m", dest, config=config, on_event=events.append)
    return events


async def test_connections_that_all_end_after_a_few_bytes_cost_no_attempt(tmp_path: Path) -> None:
    store = Breaking(lambda number: MiB)
    async with serving(store) as config:
        events = await download(config, tmp_path / "m")
    assert files_in(tmp_path) == {"m": BODY}
    assert store.sent == len(BODY)
    assert sum(event.size for event in events if event.kind == "progress") == len(BODY)


async def test_what_has_arrived_is_kept_by_a_retry(tmp_path: Path) -> None:
    """Less than a piece arrives each time, which costs attempts, but is not fetched again."""
    store = Breaking(lambda number: 1000 if number % 2 else None)
    async with serving(store) as config:
        await download(config, tmp_path / "m", Limits(attempts=5))
    assert files_in(tmp_path) == {"m": BODY}
    assert store.sent == len(BODY)


async def test_too_little_each_time_is_an_error(tmp_path: Path) -> None:
    store = Breaking(lambda number: 1000)
    async with serving(store) as config:
        with pytest.raises(TransportError, match="closed the connection after"):
            await download(config, tmp_path / "m", Limits(attempts=2))
    assert not (tmp_path / "m").exists()


async def test_a_version_that_changes_in_between_is_an_error(tmp_path: Path) -> None:
    def change(number: int) -> int:
        store.tag, store.body = '"two"', bytes(len(BODY))
        return MiB

    store = Breaking(change)
    async with serving(store) as config:
        with pytest.raises(ObjectChanged):
            await download(config, tmp_path / "m", Limits(per_host=1))
    assert all_in(tmp_path) == set()


async def test_another_range_than_the_requested_one_is_not_written(tmp_path: Path) -> None:
    store = Breaking(lambda number: MiB)

    async def lies(request: str, writer: asyncio.StreamWriter) -> bool:
        return await respond(re.sub(r"bytes=[1-9]\d*-", "bytes=0-", request), writer)

    respond = store._respond
    store._respond = lies  # type: ignore[method-assign]
    async with serving(store) as config:
        with pytest.raises(TransportError):
            await download(config, tmp_path / "m", Limits(attempts=2))
    assert not (tmp_path / "m").exists()
