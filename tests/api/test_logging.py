"""The log: calls at INFO, requests at DEBUG, retries at WARNING, and nothing unless somebody listens."""

import asyncio
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift import AsyncStorage, Event, Limits, ModelMissingError, S3Config
from sealift.types import MiB
from tests.api.servers import SECRET, Asked, FakeS3, Reply, failure, pattern
from tests.api.writable import WritableS3
from tests.services.http_server import OddServer, good
from tests.services.http_server import Reply as Answer

pytestmark = pytest.mark.anyio

DATA = pattern(300_000)


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """What is logged at all levels."""
    records: list[logging.LogRecord] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, handler = logging.getLogger("sealift"), Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def lines(records: list[logging.LogRecord], name: str) -> list[str]:
    return [record.getMessage() for record in records if record.name == f"sealift.{name}"]


async def test_a_call_is_one_line(logged: list[logging.LogRecord], tmp_path: Path) -> None:
    with FakeS3({"b": {"p/a": DATA, "p/b": b"small"}}) as server:
        await AsyncStorage().download("s3://b/p", tmp_path / "p", config=server.config)
    (line,) = lines(logged, "calls")
    assert re.fullmatch(
        r"download s3://b/p: done in \d+\.\d{3} s, 2 objects, 300005 bytes, \d+\.\d MB/s, verified: md5 \(2\)", line
    )
    assert {record.levelname for record in logged if record.name == "sealift.calls"} == {"INFO"}


async def test_each_verb_is_logged(logged: list[logging.LogRecord], tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(DATA)
    async with AsyncStorage() as storage:
        with WritableS3("b") as server:
            config = server.config
            await storage.upload(tmp_path / "f", "s3://b/f", config=config)
            await storage.copy("s3://b/f", f"{tmp_path}/g", config=config)
            await storage.sync("s3://b/", f"{tmp_path}/h", config=config)
            assert await storage.read("s3://b/f", config=config) == DATA
            await storage.read_into("s3://b/f", bytearray(10), config=config)
            assert b"".join([chunk async for chunk in storage.stream("s3://b/f", config=config)]) == DATA
            await storage.list_objects("s3://b/", config=config)
            assert len([obj async for obj in storage.list("s3://b/", config=config)]) == 1
            await storage.get_object_metadata("s3://b/f", config=config)
            await storage.delete("s3://b/f", config=config)
    found = lines(logged, "calls")
    assert [line.partition(": done")[0] for line in found] == [
        f"upload file://{tmp_path}/f to s3://b/f",
        f"copy s3://b/f to file://{tmp_path}/g",
        f"sync s3://b/ to file://{tmp_path}/h",
        "read s3://b/f", "read s3://b/f", "read s3://b/f", "list s3://b/", "list s3://b/", "stat s3://b/f",
        "delete s3://b/f",
    ]  # fmt: skip
    for line in (*found[:4], found[5]):
        assert ", 300000 bytes, " in line
    assert ", 10 bytes, " in found[4]
    assert found[-1].endswith(", 1 object deleted")


async def test_bytes_of_ranges_and_of_what_is_written(logged: list[logging.LogRecord]) -> None:
    with WritableS3("b") as server:
        storage = AsyncStorage(config=server.config)
        await storage.write("s3://b/f", DATA)
        assert len(await storage.read_ranges("s3://b/f", [(0, 5), (200_000, 7)])) == 2
    written, ranges = lines(logged, "calls")
    assert ", 300000 bytes, " in written
    assert ", 12 bytes, " in ranges


@pytest.mark.parametrize("size", [10, 9 * MiB])
async def test_bytes_of_files(logged: list[logging.LogRecord], size: int) -> None:
    with WritableS3("b") as server:
        storage = AsyncStorage(config=server.config)
        async with storage.open("s3://b/f", "wb") as file:
            await file.write(bytes(size))
    with FakeS3({"b": {"f": pattern(size)}}) as server:
        async with AsyncStorage(config=server.config).open("s3://b/f") as file:
            assert await file.read() == pattern(size)
    written, read = lines(logged, "calls")
    assert f", {size} bytes, " in written
    assert f", {size} bytes, " in read


async def test_nothing_there_is_an_answer_and_no_failure(logged: list[logging.LogRecord]) -> None:
    with FakeS3({"b": {"m": DATA}}) as server:
        storage = AsyncStorage(config=server.config)
        assert not await storage.exists("s3://b/none")
        assert not await storage.exists("s3://b/none/")
        assert await storage.exists("s3://b/m")
    for line in lines(logged, "calls"):
        assert re.fullmatch(r"check s3://b/\w+/?: done in \d+\.\d{3} s", line)


async def test_a_failed_call(logged: list[logging.LogRecord], tmp_path: Path) -> None:
    with FakeS3({"b": {}}) as server, pytest.raises(ModelMissingError):
        await AsyncStorage().download("s3://b/m", tmp_path / "m", config=server.config)
    (line,) = lines(logged, "calls")
    assert line.startswith("download s3://b/m: failed after ")


async def test_a_cancelled_call(logged: list[logging.LogRecord], tmp_path: Path) -> None:
    with FakeS3({"b": {"m": DATA}}, stall={"m": 1000}) as server:
        call = asyncio.ensure_future(AsyncStorage().download("s3://b/m", tmp_path / "m", config=server.config))
        while not server.stalled.is_set():
            await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait([call])
    (line,) = lines(logged, "calls")
    assert re.fullmatch(r"download s3://b/m: failed after \d+\.\d{3} s: CancelledError", line)


async def test_a_reader_that_stops_early_is_no_failure(logged: list[logging.LogRecord]) -> None:
    with FakeS3({"b": {"m": pattern(20 * MiB)}}) as server:
        chunks = AsyncStorage().stream("s3://b/m", config=server.config)
        await anext(chunks)
        await chunks.aclose()
    (line,) = lines(logged, "calls")
    assert line.startswith("read s3://b/m: done in ")


@pytest.mark.parametrize("kind", ["small files in a lane", "one object", "an object in parts"])
async def test_each_request_is_one_line(logged: list[logging.LogRecord], tmp_path: Path, kind: str) -> None:
    objects = {"small files in a lane": {"p/a": b"a", "p/b": b"bb"}, "one object": {"p": DATA}}
    found = objects.get(kind, {"p": pattern(20 * MiB)})

    def instead(asked: Asked) -> Reply | None:
        reply = server._answer(asked)
        reply.headers["x-amz-request-id"] = "REQ123"
        return reply

    with FakeS3({"b": found}, instead=instead) as server:
        await AsyncStorage(Limits(processes=0)).download("s3://b/p", tmp_path / "p", config=server.config)
    told = lines(logged, "requests")
    assert len(told) == len(server.asked)
    for asked in server.asked:
        url = f"{asked.method} {server.endpoint}{asked.path}: "
        assert any(line.startswith(url) for line in told), url
    for line in told:
        assert re.fullmatch(r"[A-Z]+ http://\S+: \d{3}, \d+ bytes, sent 0 bytes, \d+\.\d ms, request id REQ123", line)
    assert {record.levelname for record in logged if record.name == "sealift.requests"} == {"DEBUG"}


async def test_requests_of_uploads_name_their_size(logged: list[logging.LogRecord], tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("a", "b"):
        (tmp_path / "d" / name).write_bytes(b"12345")
    with WritableS3("b") as server:
        await AsyncStorage().upload(tmp_path / "d", "s3://b/d", config=server.config)
    puts = [line for line in lines(logged, "requests") if line.startswith("PUT ")]
    assert len(puts) == 2
    assert all("sent 5 bytes" in line for line in puts)


async def test_retries_are_warnings(logged: list[logging.LogRecord], tmp_path: Path) -> None:
    answers = [failure(500, "InternalError"), failure(503, "SlowDown")]
    with FakeS3({"b": {"m": DATA}}, instead=lambda asked: answers.pop(0) if answers else None) as server:
        limits = Limits(backoff_initial=0.01)
        await AsyncStorage(limits).download("s3://b/m", tmp_path / "m", config=server.config)
    told = lines(logged, "retries")
    assert {record.levelname for record in logged if record.name == "sealift.retries"} == {"WARNING"}
    assert sum(": retrying in " in line for line in told) == 2
    assert sum(f": pausing requests to 127.0.0.1:{server.port} for " in line for line in told) == 1
    assert all(line.startswith("download s3://b/m: ") for line in told)
    assert any(line.endswith(", resend 1") for line in lines(logged, "requests"))
    assert ", 2 requests sent again" in lines(logged, "calls")[0]


@pytest.mark.parametrize("verb", ["download", "copy", "read"])
async def test_the_callback_of_the_instance_is_called_as_without_a_log(
    logged: list[logging.LogRecord], tmp_path: Path, verb: str
) -> None:
    answers = [failure(500, "InternalError")]
    with FakeS3({"b": {"m": DATA}}, instead=lambda asked: answers.pop(0) if answers else None) as server:
        events: list[Event] = []
        storage = AsyncStorage(Limits(backoff_initial=0.01), on_event=events.append)
        if verb == "read":
            await storage.read("s3://b/m", config=server.config)
        else:
            await getattr(storage, verb)("s3://b/m", str(tmp_path / "m"), config=server.config)
    assert [(event.kind, event.call) for event in events] == [("retry", "s3://b/m")]


async def test_a_fallback_is_a_warning(logged: list[logging.LogRecord], tmp_path: Path) -> None:
    """A server that promises ranges and sends the whole file."""
    data = pattern(20 * MiB)
    headers = {"Accept-Ranges": "bytes", "ETag": '"v1"'}
    with OddServer(lambda asked: Answer(200, data, headers)) as server:
        await AsyncStorage(Limits(attempts=3)).download(f"{server.url}/m.bin", tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == data
    assert any("download http://" in line and ": retrying in 0.0 s: " in line for line in lines(logged, "retries"))


async def test_no_secret_and_no_line_break(logged: list[logging.LogRecord], tmp_path: Path) -> None:
    with FakeS3({"b": {"a\nb": b"1", "p/c\nd": b"2"}}) as server:
        config = S3Config("AKIA", SECRET, endpoint_url=server.endpoint, session_token="the-token")
        await AsyncStorage().download("s3://b/a\nb", tmp_path / "m", config=config)
    with OddServer(lambda asked: good(asked, b"data")) as odd:
        await AsyncStorage().download(f"{odd.url}/m?token=the-token", tmp_path / "n")
    text = "\n".join(record.getMessage() for record in logged)
    assert "the-token" not in text
    assert SECRET not in text
    assert len(text.split("\n")) == len(logged)


PROGRAM = """
import logging, sys
from sealift import S3Config, Storage
{configure}
config = S3Config("AKIA", "secret", endpoint_url=sys.argv[1])
assert Storage.read("s3://b/m", config=config) == b"m"
print("sealift.runtime.call_log" in sys.modules)
"""


@pytest.mark.parametrize(
    ("configure", "loaded", "stderr"),
    [("", "False", ""), ("logging.basicConfig()", "False", ""), ("logging.basicConfig(level=20)", "True", "INFO:")],
)
def test_silent_by_default(configure: str, loaded: str, stderr: str) -> None:
    with FakeS3({"b": {"m": b"m"}}) as server:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(configure=configure), server.endpoint],
            capture_output=True, text=True, check=True, env={**os.environ},
        )  # fmt: skip
    assert done.stdout.strip() == loaded
    assert done.stderr.startswith(stderr)
    assert bool(done.stderr) == bool(stderr)


def test_a_retry_of_an_unconfigured_program_prints_nothing() -> None:
    """The last resort of `logging` prints warnings of loggers without a handler."""
    answers = [failure(500, "InternalError")]
    with FakeS3({"b": {"m": b"m"}}, instead=lambda asked: answers.pop() if answers else None) as server:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(configure=""), server.endpoint],
            capture_output=True, text=True, check=True, env={**os.environ},
        )  # fmt: skip
    assert not answers
    assert done.stderr == ""
