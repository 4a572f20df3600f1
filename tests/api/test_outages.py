"""Services that are down for a while, or that ask for fewer requests: calls wait for them, and say so."""

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sealift import AsyncStorage, Event, Limits, ServiceError, StorageError, TransportError
from sealift.types import KiB, MiB
from tests.api.helpers import files_in
from tests.api.servers import HOST, Asked, FakeS3, Reply, failure, pattern
from tests.services import http_server
from tests.services.http_server import OddServer, good
from tests.services.process import free_ports

pytestmark = pytest.mark.anyio

OBJECTS = {f"p/{number:03}": pattern(1000 + number) for number in range(60)}
QUICK = Limits(backoff_initial=0.01)


def down_for(requests: int, reply: Reply) -> Callable[[Asked], Reply | None]:
    """The first so many requests get this reply."""
    numbers = itertools.count()
    return lambda asked: reply if next(numbers) < requests else None


@pytest.mark.parametrize("reply", [failure(500, "InternalError"), failure(503, "SlowDown")], ids=["500", "503"])
@pytest.mark.parametrize("verb", ["download", "read", "list_objects", "get_object_metadata"])
async def test_a_service_that_is_down_at_first(tmp_path: Path, verb: str, reply: Reply) -> None:
    events: list[Event] = []
    with FakeS3({"b": {"m": b"data"}}, instead=down_for(4, reply)) as server:
        async with AsyncStorage(QUICK, on_event=events.append) as storage:
            destination = [tmp_path / "m"] if verb == "download" else []
            await getattr(storage, verb)("s3://b/m", *destination, config=server.config)
    assert [event.kind for event in events].count("retry") == 4
    assert {event.call for event in events} == {"s3://b/m"}
    assert all(isinstance(event.error, ServiceError) for event in events)
    assert ("paused" in {event.kind for event in events}) == (reply.status == 503)


async def test_a_service_that_does_not_listen_yet(tmp_path: Path) -> None:
    port, waited, events = free_ports()["s3"], asyncio.Event(), []

    def on_event(event: Event) -> None:
        events.append(event)
        waited.set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = b"" if head.startswith(b"HEAD") else b"data"
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\nETag: "v"\r\n\r\n' + body)
        await writer.drain()
        writer.close()

    async with AsyncStorage(QUICK) as storage:
        downloading = asyncio.ensure_future(
            storage.download(f"http://{HOST}:{port}/m", tmp_path / "m", on_event=on_event)
        )
        await waited.wait()
        server = await asyncio.start_server(answer, HOST, port)
        await downloading
        server.close()
    assert await asyncio.to_thread(files_in, tmp_path) == {"m": b"data"}
    retries = [event.error for event in events if event.kind == "retry"]
    assert retries
    assert all(isinstance(error, TransportError) and error.host == f"{HOST}:{port}" for error in retries)


async def test_patience_ends() -> None:
    with (
        FakeS3({"b": {"m": b"data"}}, instead=lambda asked: failure(500, "InternalError")) as server,
        pytest.raises(ServiceError, match=r"500.*; given up after \d+ attempts in 0\.\d s"),
    ):
        await AsyncStorage(Limits(patience=0.3, backoff_initial=0.01)).read("s3://b/m", config=server.config)


class LimitedRate:
    """Refuses requests for objects beyond so many per second; allows five at once."""

    def __init__(self, per_second: float, retry_after: str | None = None) -> None:
        self.per_second = per_second
        self.headers = {} if retry_after is None else {"Retry-After": retry_after}
        self.tokens, self.filled_at = 5.0, time.monotonic()
        self.refused = 0

    def __call__(self, asked: Asked) -> Reply | None:
        if "list-type" in asked.query:
            return None
        now = time.monotonic()
        self.tokens = min(5.0, self.tokens + (now - self.filled_at) * self.per_second)
        self.filled_at = now
        if self.tokens < 1:
            self.refused += 1
            return Reply(503, failure(503, "SlowDown").body, self.headers)
        self.tokens -= 1
        return None


@pytest.mark.parametrize("retry_after", [None, "1"])
async def test_a_service_that_limits_requests(tmp_path: Path, retry_after: str | None) -> None:
    limit = LimitedRate(30, retry_after)
    events: list[Event] = []
    with FakeS3({"b": OBJECTS}, instead=limit) as server:
        await AsyncStorage().download("s3://b/p/", tmp_path / "p", config=server.config, on_event=events.append)
    assert files_in(tmp_path / "p") == {key.removeprefix("p/"): data for key, data in OBJECTS.items()}
    assert 0 < limit.refused < 20
    assert {event.error.host for event in events if isinstance(event.error, StorageError)} == {server.endpoint[7:]}


async def test_one_object_in_many_parts_from_a_service_that_limits_requests(tmp_path: Path) -> None:
    limit = LimitedRate(10)
    body = pattern(30 * 64 * KiB)
    with FakeS3({"b": {"m": body}}, instead=limit) as server:
        await AsyncStorage(Limits(part_size=64 * KiB)).download("s3://b/m", tmp_path / "m", config=server.config)
    assert files_in(tmp_path) == {"m": body}
    assert 0 < limit.refused < 20


async def test_the_caller_s_timeout_ends_it_earlier() -> None:
    with (
        FakeS3({"b": {"m": b"data"}}, instead=lambda asked: failure(500, "InternalError")) as server,
        pytest.raises(TimeoutError),
    ):
        await AsyncStorage().read("s3://b/m", config=server.config, timeout=0.5)


async def test_retry_after_beyond_the_caller_s_timeout() -> None:
    busy = Reply(503, b"", {"Retry-After": "30"})
    with (
        FakeS3({"b": {"m": b"data"}}, instead=lambda asked: busy) as server,
        pytest.raises(ServiceError, match="the service asks to wait 30 s"),
    ):
        await AsyncStorage().read("s3://b/m", config=server.config, timeout=10)


class TestContinuedReads:
    """Connections that end after 300 KiB of each body."""

    BODY = pattern(2 * MiB)

    def answer(self, asked: http_server.Asked) -> http_server.Reply:
        reply = good(asked, self.BODY)
        if asked.method == "GET":
            reply.sent = 300 * KiB
        return reply

    async def test_of_memory(self) -> None:
        with OddServer(self.answer) as server:
            async with AsyncStorage(Limits(attempts=1)) as storage:
                assert await storage.read(f"{server.url}/m") == self.BODY
                assert await storage.read(f"{server.url}/m", start=5, length=MiB) == self.BODY[5 : 5 + MiB]
                buffer = bytearray(len(self.BODY))
                assert await storage.read_into(f"{server.url}/m", buffer) == len(self.BODY)
                assert buffer == self.BODY
                chunks = [chunk async for chunk in storage.stream(f"{server.url}/m")]
                assert b"".join(chunks) == self.BODY

    async def test_without_ranges_begin_anew_at_the_same_version(self) -> None:
        breaks = iter([100 * KiB, MiB, None, None])

        def answer(asked: http_server.Asked) -> http_server.Reply:
            reply = good(asked, self.BODY)
            reply.headers = {"ETag": '"v1"'}
            if asked.method == "GET":
                reply.sent = next(breaks)
            return reply

        with OddServer(answer) as server:
            assert await AsyncStorage(QUICK).read(f"{server.url}/m") == self.BODY

    async def test_without_a_version_fail_after_their_first_byte(self) -> None:
        def answer(asked: http_server.Asked) -> http_server.Reply:
            reply = good(asked, self.BODY, None)
            if asked.method == "GET":
                reply.sent = MiB
            return reply

        with OddServer(answer) as server, pytest.raises(TransportError):
            await AsyncStorage(QUICK).read(f"{server.url}/m")


def test_the_command_line_shows_a_wait(tmp_path: Path) -> None:
    busy = Reply(503, failure(503, "SlowDown").body, {"Retry-After": "2"})
    for verb in (["cat"], ["ls"], ["stat"], ["cp", "-v"]):
        with FakeS3({"b": {"m": b"data"}}, instead=down_for(1, busy)) as server:
            environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s", "HOME": str(tmp_path), "PATH": ""}
            command = [sys.executable, "-m", "sealift", "--endpoint-url", server.endpoint, *verb, "s3://b/m"]
            if verb[0] == "cp":
                command.append(str(tmp_path / "m"))
            done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "for 2." in done.stderr or "in 2." in done.stderr
        assert "the service answered 503" in done.stderr


def test_the_command_line_gives_up(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": b"data"}}, instead=lambda asked: failure(500, "InternalError")) as server:
        for option in (["--retries", "1"], ["--patience", "0.3"]):
            environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s", "HOME": str(tmp_path), "PATH": ""}
            command = [sys.executable, "-m", "sealift", "--endpoint-url", server.endpoint, "cat", *option, "s3://b/m"]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
            assert done.returncode == 1
            assert "given up after" in done.stderr
