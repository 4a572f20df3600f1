"""`read` and `read_into`: read objects into memory."""

import array
import asyncio
import mmap
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sealift import (
    AccessDenied,
    AsyncStorage,
    IntegrityError,
    InvalidConfig,
    Limits,
    ModelMissingError,
    ObjectChanged,
    StorageError,
)
from sealift.types import KiB, MiB
from tests.api.helpers import config_of
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.stores import Store, directory, prefix
from tests.api.test_lifetimes import until
from tests.services.s3 import MakeBucket, S3Service, new_bucket, put_objects

pytestmark = pytest.mark.anyio

DATA = pattern(3 * MiB + 7)
OBJECTS = {"model": DATA, "empty": b"", "one": b"1", "deep/er": b"deep"}
Read = Callable[..., Any]


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    return new_bucket(seaweedfs, "read")


@pytest.fixture(params=["local", "seaweedfs"])
def store(request: pytest.FixtureRequest, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> Store:
    """A store with `OBJECTS`."""
    found = directory(tmp_path) if request.param == "local" else prefix(seaweedfs, bucket, uuid.uuid4().hex)
    found.put(OBJECTS)
    return found


@pytest.fixture
def fake() -> Iterator[FakeS3]:
    with FakeS3({"b": {"m": DATA, "empty": b""}}) as server:
        yield server


def limits(**others: Any) -> Limits:
    return Limits(**{"part_size": MiB, "attempts": 1, **others})


@pytest.mark.parametrize("path", OBJECTS)
async def test_a_whole_object(store: Store, path: str) -> None:
    body = await AsyncStorage().read(f"{store.uri}/{path}", config=store.config)
    assert type(body) is bytes
    assert body == OBJECTS[path]


@pytest.mark.parametrize("part_size", [None, 64 * KiB, 1_000_003])
async def test_ranges_are_as_slices(store: Store, part_size: int | None) -> None:
    async with AsyncStorage(Limits(part_size=part_size)) as storage:
        size = len(DATA)
        for start, length in (
            (0, 1), (0, None), (1, None), (size - 1, None), (size - 1, 1), (size - 5, 100), (size, None), (size, 1),
            (size + 10, None), (size + 10, 10), (0, 0), (5, 0), (0, size), (0, size + 1), (1000, 2 * MiB + 1),
        ):  # fmt: skip
            body = await storage.read(f"{store.uri}/model", start, length, config=store.config)
            assert body == DATA[start : None if length is None else start + length], (start, length)
        assert await storage.read(f"{store.uri}/empty", 0, 10, config=store.config) == b""
        assert await storage.read(f"{store.uri}/empty", 3, None, config=store.config) == b""


@pytest.mark.parametrize("start", [0, 5, -5])
async def test_a_negative_length_is_refused(store: Store, start: int) -> None:
    with pytest.raises(InvalidConfig, match="length=-1 is negative"):
        await AsyncStorage().read(f"{store.uri}/model", start, -1, config=store.config)


async def test_parts_are_read_at_once(fake: FakeS3) -> None:
    """The server holds back the rest of each part until all are requested."""
    fake._stall = {"m": 0}
    call = asyncio.ensure_future(AsyncStorage(limits()).read("s3://b/m", config=fake.config))
    await until(lambda: len([asked for asked in fake.asked if "range" in asked.headers]) == 4)
    fake.release()
    assert await call == DATA
    assert sorted(asked.headers["range"] for asked in fake.asked if "range" in asked.headers) == [
        f"bytes={start}-{min(start + MiB, len(DATA)) - 1}" for start in range(0, len(DATA), MiB)
    ]


async def test_it_is_not_counted_in_the_memory_budget(store: Store) -> None:
    storage = AsyncStorage(Limits(memory=64 * KiB))
    assert await storage.read(f"{store.uri}/model", config=store.config) == DATA


@pytest.mark.parametrize("path", ["none", "model/below", "mod"])
async def test_nothing_there(store: Store, path: str) -> None:
    for call in (
        AsyncStorage().read(f"{store.uri}/{path}", config=store.config),
        AsyncStorage().read_into(f"{store.uri}/{path}", bytearray(), config=store.config),
    ):
        with pytest.raises(ModelMissingError) as caught:
            await call
        assert str(caught.value).startswith("read ")
        assert f"{store.uri}/{path}" in str(caught.value)


@pytest.mark.parametrize("path", ["deep", "deep/"])
async def test_a_prefix_is_no_object(store: Store, path: str) -> None:
    with pytest.raises(ModelMissingError, match=f"there is no object '.*{path}', only objects below '.*deep/'"):
        await AsyncStorage().read(f"{store.uri}/{path}", config=store.config)


async def test_a_bucket_is_no_object(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"x": b"x"})
    with pytest.raises(ModelMissingError, match=f"read s3://{bucket}/: .*a prefix, not an object"):
        await AsyncStorage().read(f"s3://{bucket}", config=config_of(seaweedfs))


async def test_without_permission(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"x": b"x"})
    with pytest.raises(AccessDenied, match="no permission"):
        await AsyncStorage().read(f"s3://{bucket}/x", config=config_of(seaweedfs, seaweedfs.one_bucket))


@pytest.mark.parametrize("part_size", [MiB, 8 * MiB])
async def test_other_bytes_than_those_that_were_stored(part_size: int) -> None:
    """A whole object has a checksum, whether read in one part or in several; a range has none."""
    told = {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA=", "x-amz-checksum-type": "FULL_OBJECT"}

    def instead(asked: Asked) -> Reply | None:
        if "x-amz-checksum-mode" not in asked.headers:
            return None
        reply = server._answer(asked)
        reply.headers |= told
        return reply

    with FakeS3({"b": {"m": DATA}}, instead=instead) as server:
        async with AsyncStorage(limits(part_size=part_size)) as storage:
            with pytest.raises(IntegrityError, match=r"the bytes of 'm' do not match its crc64nvme checksum"):
                await storage.read("s3://b/m", config=server.config)
            with pytest.raises(IntegrityError, match="crc64nvme"):
                await storage.read_into("s3://b/m", bytearray(len(DATA) + 1), config=server.config)
            assert await storage.read("s3://b/m", 1, None, config=server.config) == DATA[1:]


@pytest.mark.parametrize("part_size", [MiB, 8 * MiB])
async def test_the_checksum_that_was_stored_fits(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path, part_size: int
) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    large = pattern(9 * MiB + 1)
    (tmp_path / "model").write_bytes(large)
    async with AsyncStorage(limits(part_size=part_size)) as storage:
        await AsyncStorage().upload(tmp_path / "model", f"s3://{bucket}/model", config=config)
        assert (await storage.get_object_metadata(f"s3://{bucket}/model", config=config))["checksums"]
        assert await storage.read(f"s3://{bucket}/model", config=config) == large


@pytest.mark.parametrize("part_size", [MiB, 8 * MiB])
async def test_an_object_that_is_replaced_meanwhile(part_size: int) -> None:
    def instead(asked: Asked) -> Reply | None:
        if "if-match" in asked.headers:
            server.replace("b", "m", DATA[::-1])
        return None

    with FakeS3({"b": {"m": DATA}}, instead=instead) as server:
        with pytest.raises(ObjectChanged, match="was replaced while it was read"):
            await AsyncStorage(limits(part_size=part_size)).read("s3://b/m", config=server.config)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_request_that_fails_is_sent_again(status: int) -> None:
    failed: list[str] = []

    def instead(asked: Asked) -> Reply | None:
        if (part := asked.headers.get("range", "the first")) not in failed:
            failed.append(part)
            return Reply(status, b"", {"Retry-After": "0"})
        return None

    with FakeS3({"b": {"m": DATA}}, instead=instead) as server:
        storage = AsyncStorage(Limits(part_size=MiB, attempts=2))
        assert await storage.read("s3://b/m", config=server.config) == DATA
    assert len(failed) == 5


def anonymous(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size)


def grid(size: int) -> Any:
    return np.zeros((4, size // 32), np.float64)


@pytest.mark.parametrize(
    "make",
    [bytearray, lambda size: array.array("d", bytes(size)), grid, anonymous, lambda size: memoryview(bytearray(size))],
    ids=["bytearray", "array", "numpy", "mmap", "memoryview"],
)
@pytest.mark.parametrize("part_size", [None, 100_003])
async def test_any_memory_that_can_be_written(store: Store, make: Callable[[int], Any], part_size: int | None) -> None:
    size = 2 * MiB
    buffer = make(size)
    assert (
        await AsyncStorage(Limits(part_size=part_size)).read_into(f"{store.uri}/model", buffer, 11, config=store.config)
        == size
    )
    assert bytes(memoryview(buffer).cast("B")) == DATA[11 : 11 + size]


async def test_the_memory_is_the_caller_s_again_afterwards(store: Store) -> None:
    """A buffer that is still exported could not be resized or closed."""
    grown, mapped = bytearray(MiB), anonymous(MiB)
    async with AsyncStorage(Limits(part_size=100_003)) as storage:
        for buffer in (grown, mapped):
            await storage.read_into(f"{store.uri}/model", buffer, config=store.config)
        grown += b"more"
        mapped.close()
    assert grown == DATA[:MiB] + b"more"


async def test_a_slice_is_filled_and_nothing_beside_it(store: Store) -> None:
    buffer = bytearray(b"." * 3000)
    async with AsyncStorage(Limits(part_size=300)) as storage:
        assert (
            await storage.read_into(f"{store.uri}/model", memoryview(buffer)[1000:2000], 5, config=store.config) == 1000
        )
    assert buffer == b"." * 1000 + DATA[5:1005] + b"." * 1000


@pytest.mark.parametrize("part_size", [None, 100_003])
@pytest.mark.parametrize("start", [0, 5, len(DATA) - 5, len(DATA), len(DATA) + 5])
async def test_a_buffer_that_is_longer_than_the_object(store: Store, start: int, part_size: int | None) -> None:
    buffer = bytearray(b"." * (len(DATA) + 100))
    count = await AsyncStorage(Limits(part_size=part_size)).read_into(
        f"{store.uri}/model", buffer, start, config=store.config
    )
    assert count == max(len(DATA) - start, 0)
    assert buffer == DATA[start:] + b"." * (len(buffer) - count)


async def test_an_empty_buffer_and_an_empty_object(store: Store) -> None:
    storage, buffer = AsyncStorage(), bytearray(b"...")
    assert await storage.read_into(f"{store.uri}/model", bytearray(), config=store.config) == 0
    assert await storage.read_into(f"{store.uri}/model", np.zeros((0, 3)), config=store.config) == 0
    assert await storage.read_into(f"{store.uri}/empty", buffer, config=store.config) == 0
    assert buffer == b"..."


@pytest.mark.parametrize(
    "buffer",
    [
        b"constant",
        memoryview(b"constant"),
        np.zeros(8)[::2],
        np.zeros((2, 3), order="F"),
        memoryview(bytearray(8))[::-1],
    ],
    ids=["bytes", "memoryview", "strided", "fortran", "reversed"],
)
async def test_memory_that_cannot_be_filled(store: Store, buffer: Any) -> None:
    with pytest.raises(InvalidConfig, match="the buffer is read-only or not contiguous"):
        await AsyncStorage().read_into(f"{store.uri}/model", buffer, config=store.config)


async def test_what_is_no_memory_is_an_error(store: Store) -> None:
    with pytest.raises(InvalidConfig, match="buffer=… is of type str"):
        await AsyncStorage().read_into(f"{store.uri}/model", "text", config=store.config)


@pytest.mark.parametrize("part_size", [MiB, 8 * MiB])
async def test_after_a_cancellation_nothing_is_written(fake: FakeS3, part_size: int) -> None:
    fake._stall = {"m": 100}
    async with AsyncStorage(limits(part_size=part_size)) as storage:
        buffer = bytearray(len(DATA))
        call = asyncio.ensure_future(storage.read_into("s3://b/m", buffer, config=fake.config))
        await until(lambda: any(buffer[:100]))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        there = bytes(buffer)
        buffer[:] = bytes(len(buffer))
        fake.release()
        fake._stall = {}
        assert await storage.read("s3://b/m", config=fake.config) == DATA  # any late data has arrived by now
        assert not any(buffer)
        assert any(there)
        buffer += b"it is the caller's"


async def test_after_a_failure_no_part_goes_on(fake: FakeS3) -> None:
    """The first part fails while the others are stalled: the call does not wait for them."""

    def instead(asked: Asked) -> Reply | None:
        if asked.headers.get("range", "").startswith("bytes=0-"):
            return Reply(400, b"<Error><Code>Broken</Code></Error>")
        return None

    with FakeS3({"b": {"m": DATA}}, stall={"m": 10}, instead=instead) as server:
        async with AsyncStorage(limits()) as storage:
            before = asyncio.all_tasks()
            with pytest.raises(StorageError, match="400 Broken"):
                await storage.read("s3://b/m", config=server.config)
            await until(lambda: asyncio.all_tasks() <= before)
