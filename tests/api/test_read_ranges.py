"""`read_ranges`: several ranges of one version of an object."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift import AsyncStorage, InvalidConfig, Limits, ModelMissingError, ObjectChanged, Storage, UnsupportedOperation
from sealift.operations.read_ranges import group_ranges
from sealift.types import KiB, MiB
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.stores import Store, directory, prefix
from tests.api.test_lifetimes import until
from tests.services.http_server import Asked as HTTPAsked
from tests.services.http_server import OddServer, good
from tests.services.http_server import Reply as HTTPReply
from tests.services.s3 import S3Service, new_bucket

pytestmark = pytest.mark.anyio

DATA = pattern(12 * MiB + 7)
Ranges = list[tuple[int, int | None]]
MANY: Ranges = [
    (0, 10), (5, 10), (0, 10), (12 * MiB, None), (-8, None), (-8, 3), (100, 0), (3 * MiB, 64 * KiB),
    (3 * MiB + 70_000, 5), (1 << 40, 5), (1 << 40, None), (-1 << 40, 4), (7 * MiB, 5 * MiB), (12 * MiB, 100),
]  # fmt: skip


def expected(data: bytes, ranges: Ranges) -> list[bytes]:
    return [data[start:][:length] for start, length in ranges]


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    return new_bucket(seaweedfs, "ranges")


@pytest.fixture(params=["local", "seaweedfs"])
def store(request: pytest.FixtureRequest, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> Store:
    found = directory(tmp_path) if request.param == "local" else prefix(seaweedfs, bucket, uuid.uuid4().hex)
    found.put({"k": DATA, "empty": b""})
    return found


@pytest.fixture
def fake() -> Iterator[FakeS3]:
    with FakeS3({"b": {"k": DATA}}) as server:
        yield server


@pytest.mark.parametrize("memory", [None, MiB])
async def test_in_order(store: Store, memory: int | None) -> None:
    limits = Limits() if memory is None else Limits(memory=memory, part_size=256 * KiB)
    found = await AsyncStorage(limits).read_ranges(f"{store.uri}/k", MANY, config=store.config)
    assert found == expected(DATA, MANY)
    assert {type(each) for each in found} == {bytes}
    assert await AsyncStorage().read_ranges(f"{store.uri}/empty", MANY, config=store.config) == [b""] * len(MANY)
    assert await AsyncStorage().read_ranges(f"{store.uri}/k", [], config=store.config) == []


def test_without_a_loop(store: Store) -> None:
    assert Storage.read_ranges(f"{store.uri}/k", iter(MANY[:3]), config=store.config) == expected(DATA, MANY[:3])


async def test_near_ranges_are_one_request(fake: FakeS3) -> None:
    ranges: Ranges = [(0, 10), (MiB, 10), (2 * MiB + 10, 5), (8 * MiB, 10)]
    assert await AsyncStorage().read_ranges("s3://b/k", ranges, config=fake.config) == expected(DATA, ranges)
    sent = sorted(asked.headers["range"] for asked in fake.asked if asked.method == "GET")
    assert sent == [f"bytes=0-{2 * MiB + 14}", f"bytes={8 * MiB}-{8 * MiB + 9}"]
    assert {asked.headers["if-match"] for asked in fake.asked if asked.method == "GET"} == {fake.tag(DATA)}


async def test_distant_ranges_are_read_at_once(fake: FakeS3) -> None:
    """The server holds back the bytes of each range until all are requested."""
    fake._stall = {"k": 0}
    ranges: Ranges = [(number * 3 * MiB, 10) for number in range(4)]
    call = asyncio.ensure_future(AsyncStorage().read_ranges("s3://b/k", ranges, config=fake.config))
    await until(lambda: len([asked for asked in fake.asked if "range" in asked.headers]) == 4)
    fake.release()
    assert await call == expected(DATA, ranges)


async def test_an_object_that_is_replaced() -> None:
    def instead(asked: Asked) -> Reply | None:
        if asked.method == "GET":
            server.replace("b", "k", DATA[::-1])
        return None

    with FakeS3({"b": {"k": DATA}}, instead=instead) as server:
        with pytest.raises(ObjectChanged):
            await AsyncStorage(Limits(attempts=1)).read_ranges("s3://b/k", [(0, 5), (9 * MiB, 5)], config=server.config)


async def test_a_negative_length(store: Store) -> None:
    with pytest.raises(InvalidConfig, match=r"the length of the range \(3, -1\) is negative"):
        await AsyncStorage().read_ranges(f"{store.uri}/k", [(0, 1), (3, -1)], config=store.config)


async def test_a_missing_object(store: Store) -> None:
    with pytest.raises(ModelMissingError) as caught:
        await AsyncStorage().read_ranges(f"{store.uri}/missing", [(0, 1)], config=store.config)
    assert str(caught.value).startswith("read ranges ")


@pytest.mark.parametrize("sized", [True, False])
async def test_a_server_without_ranges(sized: bool) -> None:
    data = DATA[:100_000]

    def answer(asked: HTTPAsked) -> HTTPReply:
        return HTTPReply(200, data, framing="length" if sized else "chunked")

    ranges: Ranges = [(50_000, 100), (3, 4), (50_050, 10), (99_990, 100), (200_000, 5)]
    with OddServer(answer) as server:
        assert await AsyncStorage().read_ranges(f"{server.url}/k", ranges) == expected(data, ranges)
        if sized:
            assert await AsyncStorage().read_ranges(f"{server.url}/k", [(-8, None)]) == [data[-8:]]
        else:
            with pytest.raises(UnsupportedOperation, match="does not report the size"):
                await AsyncStorage().read_ranges(f"{server.url}/k", [(0, 1), (-8, None)])
            assert await AsyncStorage().read(f"{server.url}/k", -8) == data[-8:]
            assert await AsyncStorage().read(f"{server.url}/k", -8, 3) == data[-8:-5]


async def test_a_server_with_ranges() -> None:
    with OddServer(lambda asked: good(asked, DATA)) as server:
        assert await AsyncStorage().read_ranges(f"{server.url}/k", MANY) == expected(DATA, MANY)


@given(
    st.lists(st.tuples(st.integers(0, 10_000_000), st.integers(0, 3_000_000)), max_size=30),
    st.sampled_from([1, MiB, 8 * MiB]),
)
def test_groups(ranges: list[tuple[int, int]], longest: int) -> None:
    """Each range that is not empty is in one group, which contains it; a group of several is no longer than allowed."""
    spans = [(start, start + length) for start, length in ranges]
    groups = list(group_ranges(spans, longest))
    members = sorted(index for group in groups for index in group.members)
    assert members == [index for index, (start, end) in enumerate(spans) if start < end]
    for group in groups:
        assert group.start == min(spans[index][0] for index in group.members)
        assert group.end == max(spans[index][1] for index in group.members)
        assert len(group.members) == 1 or group.end - group.start <= longest
        covered = sum(spans[index][1] - spans[index][0] for index in group.members)
        assert group.end - group.start <= covered + MiB * (len(group.members) - 1)
