"""`open(uri, "rb")` in an event loop: which requests it sends, and what happens when something goes wrong."""

import asyncio
import io
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift import (
    AsyncStorage,
    ClosedError,
    DeadlineExceeded,
    IntegrityError,
    InvalidConfig,
    Limits,
    ModelMissingError,
    ObjectChanged,
    WriteOptions,
)
from sealift.types import KiB, MiB
from tests.api.helpers import shows
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.stores import Store, directory, prefix
from tests.api.test_one_request import SMALL, Cloud, cloud
from tests.api.test_stream import Unversioned, gets, tidy, until
from tests.services.s3 import S3Service, new_bucket

__all__ = ["cloud"]

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

DATA = pattern(5 * MiB + 7)
SIGNATURE = "the-secret"  # a traceback shows the line that uses it, not this one
OBJECTS = {"model": DATA, "empty": b"", "one": b"1", "deep/er": b"deep"}


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    return new_bucket(seaweedfs, "open-file")


@pytest.fixture(params=["local", "seaweedfs"])
def store(request: pytest.FixtureRequest, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> Store:
    """A store with `OBJECTS`."""
    found = directory(tmp_path / "root") if request.param == "local" else prefix(seaweedfs, bucket, uuid.uuid4().hex)
    found.put(OBJECTS)
    return found


@pytest.fixture
def fake() -> Iterator[FakeS3]:
    with FakeS3({"b": {"m": DATA, "small": b"small"}}) as server:
        yield server


async def test_read_seek_and_tell(store: Store) -> None:
    async with tidy() as storage:
        async with storage.open(f"{store.uri}/model", config=store.config) as file:
            assert (file.mode, file.size, file.closed, file.seekable()) == ("rb", len(DATA), False, True)
            assert await file.read(10) == DATA[:10]
            assert await file.seek(-7, io.SEEK_END) == len(DATA) - 7
            assert await file.read() == DATA[-7:]
            assert await file.read() == await file.read(5) == b""
            assert await file.seek(-17, io.SEEK_CUR) == len(DATA) - 17
            buffer = bytearray(20)
            assert await file.readinto(buffer) == 17
            assert buffer == DATA[-17:] + bytes(3)
            assert await file.seek(len(DATA) + 5) == await file.tell() == len(DATA) + 5
            assert await file.read(1) == b""
            await file.seek(0)
            assert await file.read() == DATA
            with pytest.raises(ValueError, match="negative"):
                await file.seek(-1)
            with pytest.raises(ValueError, match="whence"):
                await file.seek(0, 3)
        assert file.closed
        with pytest.raises(ValueError, match="closed file"):
            await file.read()
        await file.aclose()


async def test_small_objects(store: Store) -> None:
    async with tidy() as storage:
        for path in ("empty", "one", "deep/er"):
            async with storage.open(f"{store.uri}/{path}", config=store.config) as file:
                assert await file.read(1) + await file.read() == OBJECTS[path]
                assert await file.seek(0) == 0
                assert await file.read() == OBJECTS[path]


async def test_opened_without_a_block(store: Store) -> None:
    async with tidy() as storage:
        file = await storage.open(f"{store.uri}/one", config=store.config)
        assert await file.read() == b"1"
        assert repr(file) == f"<sealift.AsyncReadableFile name='{store.uri}/one' mode='rb'>"
        with pytest.raises(ClosedError, match="opened before"):
            await file
        await file.aclose()
        assert repr(file) == f"<sealift.AsyncReadableFile closed name='{store.uri}/one' mode='rb'>"


async def test_what_cannot_be_opened(store: Store) -> None:
    async with tidy() as storage:
        for path in ("none", "deep"):
            with pytest.raises(ModelMissingError, match="^open .*: "):
                await storage.open(f"{store.uri}/{path}", config=store.config)
        for mode in ("r", "w", "ab", "rb+", 5):
            with pytest.raises(InvalidConfig, match="^open .*/one: mode="):
                storage.open(f"{store.uri}/one", mode)
        with pytest.raises(ClosedError, match="not open"):
            await storage.open(f"{store.uri}/one").read()


async def test_a_small_object_costs_one_request(cloud: Cloud) -> None:
    async with cloud.storage() as storage, storage.open(cloud.uri, config=cloud.config) as file:
        assert await file.read(10) == SMALL[:10]
        await file.seek(-10, io.SEEK_END)
        assert await file.read() == SMALL[-10:]
    (request,) = [headers for headers in cloud.requests if not is_token(headers)]
    assert request


def is_token(headers: object) -> bool:
    return "oauth2" in str(headers)


async def test_random_reads_are_exact(fake: FakeS3) -> None:
    async with tidy(Limits()) as storage, storage.open("s3://b/m", config=fake.config) as file:
        fake.asked.clear()
        for start, length in ((3 * MiB, 200 * KiB), (100, 50 * KiB), (MiB, 20 * KiB)):
            await file.seek(start)
            assert await file.read(length) == DATA[start : start + length]
        assert gets(fake) == [
            f"bytes={3 * MiB}-{3 * MiB + 200 * KiB - 1}", f"bytes=100-{100 + 50 * KiB - 1}",
            f"bytes={MiB}-{MiB + 20 * KiB - 1}",
        ]  # fmt: skip


async def test_reads_in_order_are_few_requests(fake: FakeS3) -> None:
    async with tidy(Limits()) as storage, storage.open("s3://b/m", config=fake.config) as file:
        found = bytearray()
        while piece := await file.read(1000):
            found += piece
        assert found == DATA
        assert len(gets(fake)) < 30


async def test_the_whole_object_is_verified() -> None:
    told = {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA=", "x-amz-checksum-type": "FULL_OBJECT"}

    def instead(asked: Asked) -> Reply | None:
        reply = server._answer(asked)
        reply.headers |= told
        return reply

    with FakeS3({"b": {"m": DATA, "small": b"small"}}, instead=instead) as server:
        async with tidy() as storage:
            with pytest.raises(IntegrityError, match="^open s3://b/small: "):
                await storage.open("s3://b/small", config=server.config)
            async with storage.open("s3://b/m", config=server.config) as file:
                with pytest.raises(IntegrityError, match="^read s3://b/m: "):
                    await file.read()


async def test_an_object_that_is_replaced(fake: FakeS3) -> None:
    async with tidy() as storage, storage.open("s3://b/m", config=fake.config) as file:
        assert await file.read(100) == DATA[:100]
        fake.replace("b", "m", DATA[::-1])
        await file.seek(2 * MiB)
        with pytest.raises(ObjectChanged, match="^read s3://b/m: "):
            await file.read(100)
        assert await file.tell() == 2 * MiB


async def test_a_local_file_that_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(DATA)
    async with AsyncStorage() as storage, storage.open(str(path)) as file:
        assert await file.read(100) == DATA[:100]
        (tmp_path / "new").write_bytes(DATA[::-1])
        (tmp_path / "new").rename(path)
        await file.seek(2 * MiB)
        with pytest.raises(ObjectChanged):
            await file.read(100)


async def test_a_connection_that_breaks() -> None:
    """The read continues at the byte where it broke."""
    with FakeS3({"b": {"m": DATA}}, stall={"m": 3 * MiB}) as server:
        async with tidy(Limits(backoff_initial=0)) as storage, storage.open("s3://b/m", config=server.config) as file:
            await file.seek(MiB)
            reading = asyncio.ensure_future(file.read(4 * MiB))
            await until(lambda: len(gets(server)) > 1 and server.stalled.is_set())
            asked = len(gets(server))
            server.drop()
            await until(lambda: len(gets(server)) > asked)
            server.release()
            assert await reading == DATA[MiB : 5 * MiB]


async def test_a_read_that_is_cancelled() -> None:
    with FakeS3({"b": {"m": DATA}}, stall={"m": 3 * MiB}) as server:
        async with tidy() as storage, storage.open("s3://b/m", config=server.config) as file:
            await file.seek(MiB)
            reading = asyncio.ensure_future(file.read(4 * MiB))
            await until(lambda: len(gets(server)) > 1 and server.stalled.is_set())
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            server.release()
            assert await file.tell() == MiB
            assert await file.read(4 * MiB) == DATA[MiB : 5 * MiB]


async def test_a_timeout_is_that_of_each_call() -> None:
    with FakeS3({"b": {"m": DATA}}, stall={"m": 3 * MiB}) as server:
        async with tidy() as storage, storage.open("s3://b/m", config=server.config, timeout=8) as file:
            await file.seek(MiB)
            with pytest.raises(DeadlineExceeded, match="^read s3://b/m: not done after 8 s"):
                await file.read(4 * MiB)
            assert await file.tell() == MiB
            server.release()
            assert await file.read(4 * MiB) == DATA[MiB : 5 * MiB]
        with pytest.raises(DeadlineExceeded, match="^open s3://b/m: not done after 0 s"):
            await storage.open("s3://b/m", config=server.config, timeout=0)
        with pytest.raises(InvalidConfig, match="timeout=-1"):
            await storage.open("s3://b/m", config=server.config, timeout=-1)


async def test_arguments_that_contradict_the_mode(fake: FakeS3) -> None:
    storage = AsyncStorage()
    with pytest.raises(InvalidConfig, match="^open s3://b/m: version_id=… names a version to read"):
        storage.open("s3://b/m", "wb", config=fake.config, version_id="1")
    with pytest.raises(InvalidConfig, match="^open s3://b/m: write_options=… describes what is written"):
        storage.open("s3://b/m", config=fake.config, write_options=WriteOptions())
    assert fake.asked == []


async def test_closed_while_it_reads_ahead() -> None:
    with FakeS3({"b": {"m": DATA}}, stall={"m": MiB}) as server:
        async with tidy() as storage:
            async with storage.open("s3://b/m", config=server.config) as file:
                for _ in range(45):
                    await file.read(16 * KiB)
                await until(server.stalled.is_set)


async def test_an_object_without_versions_is_read_in_order() -> None:
    instead = Unversioned()
    with FakeS3({"b": {"m": DATA}}, instead=instead) as server:
        instead.server = server
        async with tidy() as storage, storage.open("s3://b/m", config=server.config) as file:
            assert not file.seekable()
            assert await file.read(10) == DATA[:10]
            with pytest.raises(io.UnsupportedOperation, match="ranges"):
                await file.seek(0)
            assert await file.read() == DATA[10:]
            assert await file.read(1) == b""


async def test_many_files_at_once_with_little_memory(fake: FakeS3) -> None:
    """Open files hold nothing of the memory budget while nobody reads them."""
    async with tidy(Limits(memory=MiB)) as storage:
        files = [await storage.open("s3://b/m", config=fake.config) for _ in range(20)]
        for _ in range(3):
            for file in files:
                await file.read(100 * KiB)
        assert [await file.read(10) for file in files] == [DATA[300 * KiB : 300 * KiB + 10]] * 20
        assert await storage.read("s3://b/m", config=fake.config) == DATA
        for file in files:
            await file.aclose()


async def test_forgotten(fake: FakeS3) -> None:
    async with tidy() as storage:
        files = [await storage.open("s3://b/m", config=fake.config)]
        await files[0].read(100 * KiB)
        await files[0].read(100 * KiB)
        with pytest.warns(ResourceWarning, match="unclosed file 's3://b/m'"):
            files.clear()
        assert await storage.read("s3://b/small", config=fake.config) == b"small"


async def test_the_query_of_a_url_is_not_shown(fake: FakeS3) -> None:
    """It may be a signature."""
    async with AsyncStorage() as storage:
        async with storage.open(f"{fake.endpoint}/b/m?sig={SIGNATURE}") as file:
            assert await file.read(10) == DATA[:10]
            fake.replace("b", "m", DATA[::-1])
            await file.seek(2 * MiB)
            with pytest.raises(ObjectChanged) as changed:
                await file.read(10)
            assert not shows(changed.value, SIGNATURE)
            assert SIGNATURE not in repr(file) + file.name
        with pytest.raises(ModelMissingError) as missing:
            await storage.open(f"{fake.endpoint}/b/none?sig={SIGNATURE}")
        assert not shows(missing.value, SIGNATURE)
        with pytest.raises(InvalidConfig) as invalid:
            storage.open(f"{fake.endpoint}/b/m?sig={SIGNATURE}", "r")
        assert not shows(invalid.value, SIGNATURE)
