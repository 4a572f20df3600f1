"""`stream` and `objects`: results that arrive while the caller processes them."""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealift import (
    AsyncStorage,
    IntegrityError,
    InvalidConfig,
    Limits,
    ModelMissingError,
    ObjectChanged,
    ObjectInfo,
    TransportError,
)
from sealift.types import KiB
from tests.api.helpers import config_of, open_files
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.stores import Store, directory, prefix
from tests.api.test_lifetimes import ended, until
from tests.services.s3 import MakeBucket, S3Service, new_bucket, put_objects

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

PART = 64 * KiB
PARTS = 20
DATA = pattern(PARTS * PART - 7)
SMALL = Limits(part_size=PART, attempts=1)
OBJECTS = {"model": DATA, "empty": b"", "one": b"1", "deep/er": b"deep"}


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    return new_bucket(seaweedfs, "open")


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


@asynccontextmanager
async def tidy(limits: Limits = SMALL) -> AsyncIterator[AsyncStorage]:
    """A storage; asserts at the end, before it is closed, that it holds no memory and no running task."""
    tasks = asyncio.all_tasks()
    async with AsyncStorage(limits) as storage:
        yield storage
        assert storage._lifetime.instance is not None
        memory = storage._lifetime.instance.memory
        await until(lambda: asyncio.all_tasks() <= tasks)
        assert memory.lent == 0
        assert not memory._waiting


def gets(server: FakeS3) -> list[str]:
    """The requested ranges."""
    return [asked.headers.get("range", "all") for asked in server.asked if asked.method == "GET"]


async def test_all_chunks(store: Store) -> None:
    async with tidy() as storage:
        for path, data in OBJECTS.items():
            chunks = [chunk async for chunk in storage.stream(f"{store.uri}/{path}", config=store.config)]
            assert all(type(chunk) is bytes and chunk for chunk in chunks)
            assert b"".join(chunks) == data
            assert len(chunks) == -(-len(data) // PART)


@pytest.mark.parametrize(
    ("start", "length"),
    [
        (0, 1), (1, None), (PART - 1, 2), (PART, PART), (3, 5 * PART), (len(DATA) - 1, None), (len(DATA) - 1, 100),
        (len(DATA), None), (len(DATA) + 9, 9), (5, 0),
    ],
)  # fmt: skip
async def test_ranges_are_as_slices(store: Store, start: int, length: int | None) -> None:
    async with tidy() as storage:
        found = [chunk async for chunk in storage.stream(f"{store.uri}/model", start, length, config=store.config)]
    assert b"".join(found) == DATA[start : None if length is None else start + length]


async def test_what_cannot_be_opened(store: Store) -> None:
    async with tidy() as storage:
        for path, length, kind in (
            ("none", None, ModelMissingError),
            ("deep", None, ModelMissingError),
            ("model", -1, InvalidConfig),
        ):
            with pytest.raises(kind, match="^read "):
                await anext(storage.stream(f"{store.uri}/{path}", 0, length, config=store.config))


async def test_any_number_of_parts(store: Store) -> None:
    """Reads have no limit like the 10,000 parts of an upload."""
    async with tidy(Limits(part_size=100, per_host=8)) as storage:
        found = [chunk async for chunk in storage.stream(f"{store.uri}/model", 0, 20_000, config=store.config)]
        assert b"".join(found) == DATA[:20_000]
        assert len(found) == 200


async def test_only_a_few_chunks_are_read_ahead(fake: FakeS3) -> None:
    async with tidy() as storage, aclosing(storage.stream("s3://b/m", config=fake.config)) as chunks:
        assert gets(fake) == []
        assert await anext(chunks) == DATA[:PART]
        await until(lambda: len(gets(fake)) == 5)
        for _ in range(5):  # the fake serves requests in order
            await storage.get_object_metadata("s3://b/small", config=fake.config)
        assert len(gets(fake)) == 5
        assert set(gets(fake)) == {f"bytes={start}-{start + PART - 1}" for start in range(0, 5 * PART, PART)}
        assert await anext(chunks) == DATA[PART : 2 * PART]
        await until(lambda: len(gets(fake)) == 6)


async def test_left_early(fake: FakeS3) -> None:
    async with tidy() as storage:
        async with aclosing(storage.stream("s3://b/m", config=fake.config)) as chunks:
            async for chunk in chunks:
                assert chunk == DATA[:PART]
                break
        assert len(gets(fake)) <= 5
        assert await storage.read("s3://b/small", config=fake.config) == b"small"


async def test_broken_out_of_without_closing(fake: FakeS3) -> None:
    async with tidy() as storage:
        async for chunk in storage.stream("s3://b/m", config=fake.config):
            assert chunk == DATA[:PART]
            break
    assert len(gets(fake)) <= 5


async def test_left_early_while_the_next_chunk_does_not_come() -> None:
    with FakeS3({"b": {"m": DATA}}, stall={"m": PART + 10}) as server:
        async with tidy(replace(SMALL, idle_timeout=600)) as storage:
            async with aclosing(storage.stream("s3://b/m", config=server.config)) as chunks:
                assert await anext(chunks) == DATA[:PART]
                await until(server.stalled.is_set)


async def test_left_by_an_error_of_the_caller_s(fake: FakeS3) -> None:
    async with tidy() as storage:
        with pytest.raises(LookupError):
            async with aclosing(storage.stream("s3://b/m", config=fake.config)) as chunks:
                async for _ in chunks:
                    raise LookupError


async def test_cancelled_while_it_waits_for_a_chunk() -> None:
    with FakeS3({"b": {"m": DATA}}, stall={"m": PART + 10}) as server:
        async with tidy() as storage:
            found = bytearray()

            async def consume() -> None:
                nonlocal found
                async for chunk in storage.stream("s3://b/m", config=server.config):
                    found += chunk

            task = asyncio.ensure_future(consume())
            await until(lambda: found and server.stalled.is_set())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert found == DATA[:PART]


async def test_never_started(fake: FakeS3) -> None:
    async with tidy() as storage:
        await storage.stream("s3://b/m", config=fake.config).aclose()
    assert fake.asked == []


async def test_without_a_block_everything_is_closed_at_the_end(fake: FakeS3) -> None:
    threads, files = set(threading.enumerate()), open_files()
    storage = AsyncStorage(SMALL)
    for whole in (True, False):
        async with aclosing(storage.stream("s3://b/m", config=fake.config)) as chunks:
            async for _ in chunks:
                assert storage._lifetime.instance is not None
                if not whole:
                    break
        assert storage._lifetime.instance is None
    assert await ended(threads) == set()
    await until(lambda: {name for name in open_files() - files if name.startswith("socket:")} == set())


@pytest.mark.parametrize("parts", [1, 2, 5])
async def test_many_at_once_with_little_memory(store: Store, tmp_path: Path, parts: int) -> None:
    """Consumers wait for memory while they hold a chunk, without a deadlock."""
    async with tidy(Limits(part_size=PART, memory=parts * PART)) as storage:

        async def consume(number: int) -> None:
            chunks = []
            async for chunk in storage.stream(f"{store.uri}/model", config=store.config):
                chunks.append(chunk)
                if len(chunks) % 5 == 1:
                    await storage.download(f"{store.uri}/model", tmp_path / str(number), config=store.config)
            assert b"".join(chunks) == DATA

        await asyncio.gather(*(consume(number) for number in range(8)))
    assert all((tmp_path / str(number)).read_bytes() == DATA for number in range(8))


async def test_chunks_are_copied_elsewhere_while_they_come(
    seaweedfs: S3Service, make_bucket: MakeBucket, fake: FakeS3, tmp_path: Path
) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    async with tidy(Limits(part_size=PART, memory=PART)) as storage:

        async def relay(number: int) -> None:
            async for chunk in storage.stream("s3://b/m", 0, 3 * PART, config=fake.config):
                file = tmp_path / str(number)
                await asyncio.to_thread(file.write_bytes, chunk)
                await storage.upload(file, f"s3://{bucket}/{number}", config=config)

        await asyncio.gather(*(relay(number) for number in range(4)))
        assert (
            await storage.read_many([f"s3://{bucket}/{number}" for number in range(4)], config=config)
            == [DATA[2 * PART : 3 * PART]] * 4
        )


async def test_an_object_that_is_replaced_between_two_chunks(fake: FakeS3) -> None:
    async with tidy() as storage:
        found = []
        with pytest.raises(ObjectChanged, match="read s3://b/m: .* was replaced"):
            async for chunk in storage.stream("s3://b/m", config=fake.config):
                found.append(chunk)
                fake.replace("b", "m", DATA[::-1])
        assert 1 <= len(found) <= 5
        assert b"".join(found) == DATA[: len(found) * PART]


async def test_other_bytes_than_those_that_were_stored() -> None:
    """The mismatch is detected at the end, when the caller has received all bytes."""
    told = {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA=", "x-amz-checksum-type": "FULL_OBJECT"}

    def instead(asked: Asked) -> Reply | None:
        reply = server._answer(asked)
        reply.headers |= told if asked.method == "HEAD" else {}
        return reply

    with FakeS3({"b": {"m": DATA}}, instead=instead) as server:
        async with tidy() as storage:
            found = bytearray()
            with pytest.raises(IntegrityError, match="crc64nvme"):
                async for chunk in storage.stream("s3://b/m", config=server.config):
                    found += chunk
            assert found == DATA
            part = [chunk async for chunk in storage.stream("s3://b/m", 1, None, config=server.config)]
            assert b"".join(part) == DATA[1:]


class Unversioned:
    """For `FakeS3(instead=…)`: reports no versions, so objects can only be read once and in order."""

    def __init__(self) -> None:
        self.server: Any = None
        self.cut: int | None = None

    def __call__(self, asked: Asked) -> Reply | None:
        reply: Reply = self.server._answer(asked)
        reply.headers.pop("ETag", None)
        if asked.method == "GET" and self.cut is not None:
            reply.headers["Content-Length"] = str(len(reply.body))
            reply.stall_at = self.cut
        return reply


@pytest.mark.parametrize(("start", "length"), [(0, None), (5, None), (PART, 2 * PART + 1), (len(DATA) - 1, 10)])
async def test_an_object_without_versions_is_read_in_order(start: int, length: int | None) -> None:
    instead = Unversioned()
    with FakeS3({"b": {"m": DATA}}, instead=instead) as server:
        instead.server = server
        async with tidy() as storage:
            found = [chunk async for chunk in storage.stream("s3://b/m", start, length, config=server.config)]
        assert b"".join(found) == DATA[start : None if length is None else start + length]
        assert gets(server) == ["all"]


async def test_an_object_without_versions_that_breaks_off() -> None:
    instead = Unversioned()
    with FakeS3({"b": {"m": DATA}}, instead=instead) as server:
        instead.server, instead.cut = server, PART
        async with tidy() as storage:
            with pytest.raises(TransportError):
                async for _ in storage.stream("s3://b/m", config=server.config):
                    await until(server.stalled.is_set)
                    server.drop()


async def test_objects(store: Store) -> None:
    async with tidy() as storage:
        found = [obj async for obj in storage.list(store.uri, config=store.config)]
        assert all(isinstance(obj, ObjectInfo) and obj.modified and obj.version for obj in found)
        sizes = {path: obj.size for obj in found for path in OBJECTS if obj.key.endswith(f"/{path}")}
        assert sizes == {path: len(data) for path, data in OBJECTS.items()}
        assert len(found) == len(OBJECTS)
        (one,) = [obj async for obj in storage.list(f"{store.uri}/model", config=store.config)]
        assert one.size == len(DATA)
        with pytest.raises(ModelMissingError, match="^list "):
            await anext(storage.list(f"{store.uri}/none", config=store.config))


async def test_objects_have_their_whole_keys(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"m/x": b"x", "m/void/": b"", "n": b""})
    async with tidy() as storage:
        found = {obj.key async for obj in storage.list(f"s3://{bucket}/m", config=config_of(seaweedfs))}
        assert found == {"m/x", "m/void/"}


async def test_a_listing_may_be_left_early(rclone_s3: S3Service, make_bucket: MakeBucket) -> None:
    """Between pages."""
    bucket = make_bucket(rclone_s3)
    assert rclone_s3.directory is not None
    directory(rclone_s3.directory / bucket).put({f"{number:04}": b"" for number in range(1500)})
    async with tidy() as storage:
        async with aclosing(storage.list(f"s3://{bucket}", config=config_of(rclone_s3))) as found:
            async for obj in found:
                assert obj.key == "0000"
                break
        assert len([obj async for obj in storage.list(f"s3://{bucket}", config=config_of(rclone_s3))]) == 1500
