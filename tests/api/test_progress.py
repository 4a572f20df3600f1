"""Events: progress while bytes move, the call that they belong to, and its total."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from sealift import AsyncStorage, Event, Limits, S3Config
from sealift.types import MiB
from tests.api.servers import FakeS3, pattern

pytestmark = pytest.mark.anyio

LARGE = pattern(24 * MiB)


def sums(events: list[Event], kind: str) -> int:
    return sum(event.size for event in events if event.kind == kind)


async def test_progress_within_a_part(tmp_path: Path) -> None:
    """Bytes that have arrived are told although no part is complete."""
    with FakeS3({"b": {"m": LARGE}}, stall={"m": 3 * MiB}) as server:
        events: list[Event] = []
        limits = Limits(part_size=24 * MiB - 1, per_host=1)
        call = asyncio.ensure_future(
            AsyncStorage(limits).download("s3://b/m", tmp_path / "m", config=server.config, on_event=events.append)
        )
        while sums(events, "progress") < 3 * MiB:
            await asyncio.sleep(0.005)
        assert sums(events, "progress") == 3 * MiB
        server.release()
        await call
    assert sums(events, "progress") == len(LARGE)


async def test_the_call_and_its_total(tmp_path: Path) -> None:
    objects = {"one/a": b"a" * 10, "one/b": b"b" * 20, "two/c": LARGE}
    with FakeS3({"b": objects}) as server:
        events: list[Event] = []
        async with AsyncStorage() as storage:
            await storage.download_many(
                [("s3://b/one", tmp_path / "one"), ("s3://b/two", tmp_path / "two")],
                config=server.config,
                on_event=events.append,
            )
    for call, total in {"s3://b/one": 30, "s3://b/two": len(LARGE)}.items():
        own = [event for event in events if event.call == call]
        assert sums(own, "progress") == sums(own, "listed") == total
        totals = [event.total for event in own]
        assert totals[0] is None
        assert totals[-1] == total
        assert all(later == earlier or earlier is None for earlier, later in pairwise(totals))
    assert {event.call for event in events} == {"s3://b/one", "s3://b/two"}


async def test_the_total_includes_what_an_earlier_call_has_completed(tmp_path: Path) -> None:
    with FakeS3({"b": {"p/a": LARGE, "p/z": LARGE}}, stall={"p/z": 0}) as server:
        config: S3Config = server.config
        seen: list[Event] = []
        call = asyncio.ensure_future(
            AsyncStorage(Limits(per_host=1)).download("s3://b/p", tmp_path / "p", config=config, on_event=seen.append)
        )
        while not any(event.kind == "object" for event in seen):
            await asyncio.sleep(0.005)
        call.cancel()
        await asyncio.wait([call])
        server.release()
        events: list[Event] = []
        await AsyncStorage().download("s3://b/p", tmp_path / "p", config=config, on_event=events.append)
    assert sums(events, "resumed") >= len(LARGE)
    assert sums(events, "progress") == events[-1].total == 2 * len(LARGE)


async def test_calls_without_a_secret_in_their_events(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    events: list[Event] = []
    await AsyncStorage().copy(str(tmp_path / "f"), str(tmp_path / "g"), on_event=events.append)
    assert {event.call for event in events} == {f"file://{tmp_path}/f"}


async def test_progress_of_an_upload_within_a_part(tmp_path: Path) -> None:
    """A server that reads slowly: bytes are told before the part is stored."""
    reading = asyncio.Event()
    received = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        while head := await reader.read(65536):
            if head.startswith((b"HEAD", b"GET")):
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            elif b"?uploads" in head:
                body = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            else:
                received += len(head)
                await reading.wait()
                writer.close()
                return

    (tmp_path / "f").write_bytes(LARGE)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    events: list[Event] = []
    call = asyncio.ensure_future(
        AsyncStorage(Limits(part_size=20 * MiB, per_host=1, attempts=1)).upload(
            tmp_path / "f",
            "s3://b/m",
            config=S3Config("AKIAFAKE", "secret", endpoint_url=endpoint),
            on_event=events.append,
        )
    )
    while not sums(events, "progress"):
        await asyncio.sleep(0.005)
    assert 0 < sums(events, "progress") < 20 * MiB
    call.cancel()
    await asyncio.wait([call])
    reading.set()
    server.close()


async def test_an_error_of_a_listener_ends_the_call_within_a_part(tmp_path: Path) -> None:
    def listen(event: Event) -> None:
        if event.kind == "progress":
            raise ZeroDivisionError

    with FakeS3({"b": {"m": LARGE}}, stall={"m": 3 * MiB}) as server:
        limits = Limits(part_size=24 * MiB - 1, per_host=1)
        with pytest.raises(ZeroDivisionError):
            await AsyncStorage(limits).download("s3://b/m", tmp_path / "m", config=server.config, on_event=listen)
