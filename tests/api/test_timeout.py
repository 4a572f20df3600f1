"""`timeout`: a call that takes too long is cancelled, reports it, and leaves nothing behind."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sealift import AsyncStorage, DeadlineExceeded, InvalidConfig, Limits, S3Config, Storage, StorageOperations
from sealift.errors import StorageError
from sealift.types import MiB
from tests.api.helpers import all_in
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.test_lifetimes import ended
from tests.api.writable import WritableS3

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

SOON = 0.05
LARGE = pattern(20 * MiB)
PARTS = Limits(part_size=5 * MiB)

Call = Callable[[AsyncStorage, S3Config, Path], Awaitable[object]]


class Stalling(FakeS3):
    """Send the beginning of objects but never the end; of a listing not even all headers."""

    def __init__(self) -> None:
        super().__init__({"b": {"k": LARGE, "p/k": LARGE, "p/small": b"small"}}, stall={"k": 1000, "p/k": 7 * MiB})

    def _answer(self, asked: Asked) -> Reply:
        reply = super()._answer(asked)
        if asked.query.get("prefix") == "endless/":
            reply.stall_at = 0
        if asked.query.get("prefix") == "paged/":
            reply.body = _PAGE
            reply.stall_at = 0 if "continuation-token" in asked.query else None
        return reply


_PAGE = (
    b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
    b"<Contents><Key>paged/k</Key><Size>1</Size></Contents></ListBucketResult>"
)


async def _all(storage: AsyncStorage, uri: str, config: S3Config) -> None:
    async for _ in storage.list(uri, config=config, timeout=SOON):
        raise AssertionError("nothing can have come")


READING: dict[str, Call] = {
    "download": lambda storage, config, path: storage.download("s3://b/k", path / "k", config=config, timeout=SOON),
    "in parts": lambda storage, config, path: AsyncStorage(PARTS).download(
        "s3://b/k", path / "k", config=config, timeout=SOON
    ),
    "prefix": lambda storage, config, path: storage.download("s3://b/p", path / "p", config=config, timeout=SOON),
    "download_many": lambda storage, config, path: storage.download_many(
        [("s3://b/p", path / "p"), ("s3://b/k", path / "k")], config=config, timeout=SOON
    ),
    "copy": lambda storage, config, path: storage.copy("s3://b/p", f"{path}/p", config=config, timeout=SOON),
    "copy_object": lambda storage, config, path: storage.copy_object(
        "s3://b/k", f"{path}/k", config=config, timeout=SOON
    ),
    "sync": lambda storage, config, path: storage.sync("s3://b/p", f"{path}/p", config=config, timeout=SOON),
    "read": lambda storage, config, path: storage.read("s3://b/k", config=config, timeout=SOON),
    "read_many": lambda storage, config, path: storage.read_many(["s3://b/k"], config=config, timeout=SOON),
    "read_into": lambda storage, config, path: storage.read_into(
        "s3://b/k", bytearray(len(LARGE)), config=config, timeout=SOON
    ),
    "list": lambda storage, config, path: storage.list_objects("s3://b/endless/", config=config, timeout=SOON),
    "objects": lambda storage, config, path: _all(storage, "s3://b/endless/", config),
    "stat": lambda storage, config, path: storage.get_object_metadata("s3://b/endless/", config=config, timeout=SOON),
    "delete": lambda storage, config, path: storage.delete(
        "s3://b/endless/", config=config, recursive=True, timeout=SOON
    ),
    "no time": lambda storage, config, path: storage.download("s3://b/k", path / "k", config=config, timeout=0),
}  # fmt: skip


@pytest.mark.parametrize("verb", READING)
async def test_a_call_that_stalls_ends_and_leaves_nothing(tmp_path: Path, verb: str) -> None:
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    with Stalling() as server:
        threads |= set(threading.enumerate())
        with pytest.raises(DeadlineExceeded, match=r"^\w+ s3://b/.*: not done after 0(\.05)? s \(allow it more time"):
            await READING[verb](AsyncStorage(), server.config, tmp_path)
        assert asyncio.all_tasks() == tasks
        assert await ended(threads) == set()
    assert all_in(tmp_path) == set()


async def test_an_upload_that_stalls_resumes(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    stalls = True

    def instead(asked: Asked) -> Reply | None:
        if stalls and asked.query.get("partNumber") == "2":
            return Reply(200, b"a reply that never ends", stall_at=0)
        return None

    tasks = asyncio.all_tasks()
    with WritableS3(instead=instead) as server:
        with pytest.raises(DeadlineExceeded, match=r"^upload file://.*large to s3://b/k: not done after"):
            await AsyncStorage(PARTS).upload(tmp_path / "large", "s3://b/k", config=server.config, timeout=0.5)
        assert asyncio.all_tasks() == tasks
        assert server.objects == {"b": {}}
        stored = {str(part) for parts in server.uploads.values() for part in parts}
        stalls = False
        server.asked.clear()
        await AsyncStorage(PARTS).upload(tmp_path / "large", "s3://b/k", config=server.config)
        assert (server.uploads, server.objects) == ({}, {"b": {"k": LARGE}})
        assert stored.isdisjoint(asked.query.get("partNumber") for asked in server.asked)


async def test_other_calls_of_the_instance_go_on(tmp_path: Path) -> None:
    with Stalling() as server:
        async with AsyncStorage() as storage:
            other = asyncio.ensure_future(storage.download("s3://b/k", tmp_path / "k", config=server.config))
            with pytest.raises(DeadlineExceeded):
                await storage.read("s3://b/k", config=server.config, timeout=SOON)
            server.release()
            await other
    assert (tmp_path / "k").read_bytes() == LARGE


async def test_the_time_of_many_is_one(tmp_path: Path) -> None:
    # The first item needs no connection: the stalled ones hold them all.
    (tmp_path / "source").write_bytes(b"small")
    items = [
        (str(tmp_path / "source"), tmp_path / "small"),
        *(("s3://b/k", tmp_path / str(number)) for number in range(100)),
    ]
    with Stalling() as server:
        done = await AsyncStorage(Limits(connections=2)).download_many(
            items, config=server.config, timeout=2, return_exceptions=True
        )
    assert done[0] == str(tmp_path / "small")
    assert {type(each) for each in done[1:]} == {DeadlineExceeded}
    assert all_in(tmp_path) == {"source", "small"}


async def test_what_a_caller_does_with_an_object_is_not_cancelled() -> None:
    with Stalling() as server:
        found = AsyncStorage().list("s3://b/paged/", config=server.config, timeout=1)
        first = await anext(found)
        await asyncio.sleep(1.1)  # the caller's time exceeds the timeout, but none of the caller's work is cancelled
        with pytest.raises(DeadlineExceeded, match=r"^list s3://b/paged/: "):
            await anext(found)
    assert first.key == "paged/k"


async def test_a_call_that_has_time_does_not_notice(tmp_path: Path) -> None:
    with FakeS3({"b": {"k": LARGE}}) as server:
        await AsyncStorage().download("s3://b/k", tmp_path / "k", config=server.config, timeout=100)
        assert [obj.key async for obj in AsyncStorage().list("s3://b/", config=server.config, timeout=100)] == ["k"]
    assert (tmp_path / "k").read_bytes() == LARGE


@pytest.mark.parametrize("timeout", [-1, float("nan")])
async def test_a_time_that_is_none(tmp_path: Path, timeout: float) -> None:
    with pytest.raises(InvalidConfig, match="is not a number of seconds"):
        await AsyncStorage().download("s3://b/k", tmp_path / "k", timeout=timeout)


def test_the_facade_takes_it(tmp_path: Path) -> None:
    calls: list[Callable[[S3Config], object]] = [
        lambda config: Storage.download("s3://b/k", tmp_path / "k", config=config, timeout=SOON),
        lambda config: Storage.download_many(["s3://b/k"], config=config, timeout=SOON),
        lambda config: Storage.copy("s3://b/k", f"{tmp_path}/k", config=config, timeout=SOON),
        lambda config: Storage.sync("s3://b/p", f"{tmp_path}/p", config=config, timeout=SOON),
        lambda config: Storage.read("s3://b/k", config=config, timeout=SOON),
        lambda config: Storage.read_into("s3://b/k", bytearray(len(LARGE)), config=config, timeout=SOON),
        lambda config: Storage.delete("s3://b/endless/", config=config, recursive=True, timeout=SOON),
        lambda config: StorageOperations.list_objects("s3://b/endless/", config=config, timeout=SOON),
        lambda config: StorageOperations.get_object_metadata("s3://b/endless/", config=config, timeout=SOON),
        lambda config: StorageOperations.copy_object("s3://b/k", f"{tmp_path}/k", config=config, timeout=SOON),
    ]
    with Stalling() as server:
        for call in calls:
            with pytest.raises(TimeoutError) as caught:
                call(server.config)
            assert isinstance(caught.value, StorageError)
    assert all_in(tmp_path) == set()
