"""Progress of objects that are moved in one request: bytes are reported while they move, and the sum is exact."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sealift
from sealift import AsyncStorage, Event, Limits
from sealift.types import KiB, MiB
from tests.api.clouds import Cloud, new_cloud
from tests.api.servers import FakeS3, pattern
from tests.services.http_server import Asked, OddServer, Reply
from tests.services.s3 import MakeBucket

pytestmark = pytest.mark.anyio

DATA = pattern(2 * MiB)
# More than the kernel keeps of what nobody reads.
LARGE = pattern(24 * MiB)
ONE_PART = Limits(part_size=len(LARGE))


@pytest.fixture(params=["seaweedfs", "gcs", "azurite"])
def cloud(request: pytest.FixtureRequest, make_bucket: MakeBucket) -> Iterator[Cloud]:
    with new_cloud(request.getfixturevalue(request.param), make_bucket) as cloud:
        yield cloud


class Sum:
    """Adds up progress.

    Attributes:
        bytes: The sum.
        most: The largest that it has been.
        reports: How many events there were.
    """

    def __init__(self) -> None:
        self.bytes = self.most = self.reports = 0

    def add(self, event: Event) -> None:
        if event.kind == "progress":
            self.bytes += event.size
            self.most = max(self.most, self.bytes)
            self.reports += 1

    async def reaches(self, count: int, call: asyncio.Future[object]) -> None:
        """Wait for so many bytes, which come before the end of the call."""
        while self.bytes < count:
            assert not call.done(), call
            await asyncio.sleep(0.005)


def config(cloud: Cloud) -> sealift.StorageConfig:
    made: sealift.StorageConfig = getattr(sealift, cloud.config)(**cloud.options)
    return made


@pytest.mark.parametrize("uri", ["s3://b/p/m", "s3://b/p"])
@pytest.mark.parametrize("size", [2 * MiB, 200 * KiB])
async def test_a_download(tmp_path: Path, uri: str, size: int) -> None:
    data, half = pattern(size), size // 2
    with FakeS3({"b": {"p/m": data}}, stall={"p/m": half}) as server:
        progress = Sum()
        call = asyncio.ensure_future(
            AsyncStorage().download(uri, tmp_path / "to", config=server.config, on_event=progress.add)
        )
        await progress.reaches(half, call)
        assert progress.bytes == half
        server.release()
        await call
    assert progress.bytes == progress.most == size


@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
async def test_a_download_in_order(tmp_path: Path, framing: str) -> None:
    """A server without ranges, which may not tell the size: the second half comes once the first is reported."""
    progress, sent = Sum(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        half = len(DATA) // 2
        fields = {"chunked": b"Transfer-Encoding: chunked", "length": b"Content-Length: %d" % len(DATA)}
        writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % fields.get(framing, b"Connection: close"))
        if head.startswith(b"GET"):
            for start in (0, half):
                piece = DATA[start : start + half]
                writer.write(b"%x\r\n%b\r\n" % (half, piece) if framing == "chunked" else piece)
                await writer.drain()
                await sent.wait()
            writer.write(b"0\r\n\r\n" if framing == "chunked" else b"")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/m"
    call = asyncio.ensure_future(AsyncStorage().download(uri, tmp_path / "to", on_event=progress.add))
    await progress.reaches(MiB, call)
    assert progress.bytes == MiB
    sent.set()
    await call
    server.close()
    assert (tmp_path / "to").read_bytes() == DATA
    assert progress.bytes == progress.most == len(DATA)


def upload(cloud: Cloud, path: Path, on_event: Callable[[Event], None]) -> asyncio.Future[object]:
    path.write_bytes(LARGE)
    storage = AsyncStorage(ONE_PART)
    return asyncio.ensure_future(storage.upload(path, cloud.uri, config=config(cloud), on_event=on_event))


def write(cloud: Cloud, path: Path, on_event: Callable[[Event], None]) -> asyncio.Future[object]:
    storage = AsyncStorage(ONE_PART)
    return asyncio.ensure_future(storage.write(cloud.uri, LARGE, config=config(cloud), on_event=on_event))


@pytest.mark.parametrize("store", [upload, write])
async def test_an_upload(cloud: Cloud, tmp_path: Path, store: Callable[..., asyncio.Future[object]]) -> None:
    """A service that has read half of the body."""
    progress, passage = Sum(), cloud.forwarder.passage(len(LARGE) // 2)
    call = store(cloud, tmp_path / "m", progress.add)
    await progress.reaches(len(LARGE) // 4, call)
    assert progress.bytes < len(LARGE)
    passage.release()
    await call
    assert progress.bytes == progress.most == len(LARGE)
    assert cloud.content() == {"k": LARGE}


async def test_what_is_thrown_away_is_taken_back(cloud: Cloud, tmp_path: Path) -> None:
    """An upload whose connection breaks is sent again from its beginning; one that is cancelled leaves nothing."""
    progress, passage = Sum(), cloud.forwarder.passage(len(LARGE) // 2)
    call = upload(cloud, tmp_path / "m", progress.add)
    await progress.reaches(len(LARGE) // 4, call)
    retried, _ = cloud.forwarder.passage(len(LARGE) // 2), passage.cut()
    while not retried.held.is_set():
        assert not call.done(), call
        await asyncio.sleep(0.005)
    assert progress.bytes < len(LARGE)
    call.cancel()
    await asyncio.wait([call])
    assert progress.bytes == 0
    assert progress.most < len(LARGE)


async def test_between_two_services_both_halves_count(seaweedfs: object, make_bucket: MakeBucket) -> None:
    with (
        FakeS3({"b": {"m": LARGE}}, stall={"m": 12 * MiB}) as source,
        new_cloud(seaweedfs, make_bucket) as cloud,  # type: ignore[arg-type]  # as in `cloud`
    ):
        progress, passage = Sum(), cloud.forwarder.passage(len(LARGE) // 2)
        options = {"config": source.config, "dest_config": config(cloud), "on_event": progress.add}
        call = asyncio.ensure_future(AsyncStorage(ONE_PART).copy("s3://b/m", cloud.uri, **options))
        await progress.reaches(6 * MiB, call)
        assert progress.bytes == 6 * MiB
        source.release()
        await progress.reaches(15 * MiB, call)
        assert progress.bytes < len(LARGE)
        passage.release()
        await call
    assert progress.bytes == progress.most == len(LARGE)


async def test_a_copy_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported in steps."""
    monkeypatch.setattr("sealift.engine.progress._INTERVAL", 0)
    monkeypatch.setattr("sealift.backends.local.upload._COPY_STEP", MiB)
    (tmp_path / "m").write_bytes(LARGE)
    progress = Sum()
    await AsyncStorage().copy(tmp_path / "m", tmp_path / "to", on_event=progress.add)
    assert (tmp_path / "to").read_bytes() == LARGE
    assert progress.bytes == progress.most == len(LARGE)
    assert progress.reports > 1


async def test_a_body_that_breaks_off_is_counted_once(tmp_path: Path) -> None:
    good = pattern(MiB)

    def answer(asked: Asked) -> Reply:
        tag = {"ETag": '"v1"', "Accept-Ranges": "bytes"}
        cut = asked.method == "GET" and server.methods().count("GET") == 1
        return Reply(200, good, tag, sent=200_000 if cut else None)

    with OddServer(answer) as server:
        progress = Sum()
        await AsyncStorage().download(f"{server.url}/m", tmp_path / "m", on_event=progress.add)
    assert server.methods().count("GET") == 2
    assert progress.bytes == progress.most == len(good)


@pytest.mark.parametrize("in_call", [False, True])
async def test_an_error_of_the_listener_ends_the_call(
    seaweedfs: object, make_bucket: MakeBucket, in_call: bool
) -> None:
    """It is raised within the request, and the task that has called can go on."""

    def listen(event: Event) -> None:
        if event.kind == "progress":
            raise ZeroDivisionError

    with new_cloud(seaweedfs, make_bucket) as cloud:  # type: ignore[arg-type]  # as in `cloud`
        if in_call:
            cloud.forwarder.passage(len(LARGE) // 2)
        with pytest.raises(ZeroDivisionError):
            await AsyncStorage(ONE_PART).write(cloud.uri, LARGE, config=config(cloud), on_event=listen)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
