"""The lifetime of an instance's resources, and the state after a cancelled call."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sealift import AsyncStorage, ClosedError, Event, Limits, ModelMissingError
from sealift.types import MiB
from tests.api.helpers import all_in, config_of, files_in, open_files, visible_in
from tests.api.servers import FakeS3, pattern
from tests.services.s3 import MakeBucket, S3Service, put_objects

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

LARGE = pattern(20 * MiB)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds; the test's timeout is the limit."""
    while not condition():
        await asyncio.sleep(0.005)


async def ended(before: set[threading.Thread]) -> set[threading.Thread]:
    """New threads that do not end; threads that are shutting down get time to finish."""
    new = set(threading.enumerate()) - before
    for thread in new:
        for _ in range(1000):
            if thread.is_alive():
                await asyncio.sleep(0.01)
    return {thread for thread in new if thread.is_alive()}


def received(events: list[Event]) -> int:
    """How many bytes were reported."""
    return sum(event.size for event in events if event.kind == "progress")


@pytest.mark.parametrize("outcome", ["object", "prefix", "failure"])
async def test_a_call_without_a_block_leaks_nothing(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path, outcome: str
) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"large": LARGE, **{f"p/{number}": b"x" * number for number in range(40)}})
    threads, files = set(threading.enumerate()), open_files()
    config, storage = config_of(seaweedfs), AsyncStorage(Limits(part_size=MiB))
    for number in range(2):
        if outcome == "failure":
            with pytest.raises(ModelMissingError):
                await storage.download(f"s3://{bucket}/none", tmp_path / "x", config=config)
        else:
            key = "large" if outcome == "object" else "p/"
            await storage.download(f"s3://{bucket}/{key}", tmp_path / f"{outcome}{number}", config=config)
        assert await ended(threads) == set()
        await until(lambda: open_files() <= files)


async def test_the_sdk_leaks_nothing_either(
    seaweedfs: S3Service,
    make_bucket: MakeBucket,
    tmp_path: Path,
    bare_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (bare_environment / "config").write_text("[default]\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(bare_environment / "config"))
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"m": b"m"})
    await AsyncStorage().download(f"s3://{bucket}/m", tmp_path / "first", config=config_of(seaweedfs))
    threads, files = set(threading.enumerate()), open_files()
    await AsyncStorage().download(f"s3://{bucket}/m", tmp_path / "second", config=config_of(seaweedfs))
    assert await ended(threads) == set()
    await until(lambda: open_files() <= files)


async def test_a_block_keeps_its_connections(rclone_s3: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(rclone_s3)
    put_objects(rclone_s3, bucket, {"m": b"m"})
    config, threads, files = config_of(rclone_s3), set(threading.enumerate()), open_files()
    async with AsyncStorage() as storage:
        await storage.download(f"s3://{bucket}/m", tmp_path / "0", config=config)
        sockets = {name for name in open_files() - files if name.startswith("socket:")}
        assert sockets
        for number in range(1, 5):
            await storage.download(f"s3://{bucket}/m", tmp_path / str(number), config=config)
        assert {name for name in open_files() - files if name.startswith("socket:")} == sockets
    assert await ended(threads) == set()
    await until(lambda: open_files() <= files)
    assert files_in(tmp_path) == {str(number): b"m" for number in range(5)}


async def test_it_can_be_entered_again(tmp_path: Path) -> None:
    storage = AsyncStorage()
    with FakeS3({"b": {"m": b"m"}}) as server:
        for number in range(2):
            async with storage, storage:
                await storage.download("s3://b/m", tmp_path / str(number), config=server.config)
        await storage.download("s3://b/m", tmp_path / "2", config=server.config)
    assert files_in(tmp_path) == {"0": b"m", "1": b"m", "2": b"m"}


async def test_calls_at_once_on_one_instance(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    objects = {f"o/{number}": pattern(number * 1000 + 1) for number in range(24)} | {"large": LARGE}
    put_objects(seaweedfs, bucket, objects)
    config, storage = config_of(seaweedfs), AsyncStorage(Limits(memory=8 * MiB, part_size=MiB))
    downloads = [storage.download(f"s3://{bucket}/{key}", f"{tmp_path}/{key}", config=config) for key in objects]
    questions = [storage.get_object_metadata(f"s3://{bucket}/{key}", config=config) for key in objects]
    listing, paths, told = await asyncio.gather(
        storage.list_objects(f"s3://{bucket}/o", config=config), asyncio.gather(*downloads), asyncio.gather(*questions)
    )
    assert sorted(listing) == sorted(key.removeprefix("o/") for key in objects if key != "large")
    assert paths == [f"{tmp_path}/{key}" for key in objects]
    assert [each["size"] for each in told] == [len(data) for data in objects.values()]
    assert files_in(tmp_path) == objects
    assert not any(".sealift" in path for path in all_in(tmp_path))


async def test_the_same_target_twice_at_once(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    objects = {f"p/{number}": pattern(number * 100) for number in range(50)}
    put_objects(seaweedfs, bucket, {**objects, "large": LARGE})
    config = config_of(seaweedfs)
    async with AsyncStorage(Limits(part_size=MiB)) as storage:
        await asyncio.gather(
            *(storage.download(f"s3://{bucket}/large", tmp_path / "large", config=config) for _ in range(2)),
            *(storage.download(f"s3://{bucket}/p", tmp_path / "p", config=config) for _ in range(3)),
        )
    assert files_in(tmp_path) == {**objects, "large": LARGE}
    assert not any(".sealift" in path for path in all_in(tmp_path))


async def test_a_loop_beside_another_one_that_uses_it(tmp_path: Path) -> None:
    storage = AsyncStorage()
    with FakeS3({"b": {"m": b"m"}}) as server:

        async def use() -> None:
            await storage.download("s3://b/m", tmp_path / "n", config=server.config)

        async with storage:
            with pytest.raises(ClosedError) as caught:
                await asyncio.to_thread(asyncio.run, use())
            await storage.download("s3://b/m", tmp_path / "m", config=server.config)
        assert str(caught.value) == (
            "download s3://b/m: this AsyncStorage is used in another event loop (make one for each loop)"
        )
        assert files_in(tmp_path) == {"m": b"m"}
        await asyncio.to_thread(asyncio.run, use())  # now it is idle
        await storage.download("s3://b/m", tmp_path / "o", config=server.config)
    assert files_in(tmp_path) == {"m": b"m", "n": b"m", "o": b"m"}


async def test_a_block_that_was_left_open_in_a_closed_loop(tmp_path: Path) -> None:
    storage = AsyncStorage()
    with FakeS3({"b": {"m": b"m"}}) as server:

        async def open_and_leave() -> None:
            await storage.__aenter__()
            await storage.download("s3://b/m", tmp_path / "m", config=server.config)

        await asyncio.to_thread(asyncio.run, open_and_leave())
        async with storage:
            await storage.download("s3://b/m", tmp_path / "n", config=server.config)
            await asyncio.to_thread(asyncio.run, storage.__aexit__())  # has no effect here
            await storage.download("s3://b/m", tmp_path / "o", config=server.config)
    assert files_in(tmp_path) == {"m": b"m", "n": b"m", "o": b"m"}


@pytest.mark.parametrize(
    ("key", "dest"), [("large", "file"), ("p", "new"), ("p", "old"), ("large", None), ("p", None), ("small", "file")]
)
async def test_a_cancelled_call_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, dest: str | None
) -> None:
    """Cancelled when some data is written and the rest is stalled; the instance stays usable."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "old").mkdir()
    objects = {"large": LARGE, "p/0": b"0", "p/large": LARGE, "small": pattern(1000), "other": b"other"}
    stall = {"large": 12 * MiB, "p/large": 12 * MiB, "small": 10}
    with FakeS3({"b": objects}, stall=stall) as server:
        async with AsyncStorage(Limits(part_size=2 * MiB)) as storage:
            landed: list[Event] = []
            call = asyncio.ensure_future(
                storage.download(
                    f"s3://b/{key}",
                    dest and tmp_path / dest,
                    config=server.config,
                    on_event=landed.append,
                    cache=False,
                )
            )
            wanted = 0 if key == "small" else 12 * MiB
            await until(lambda: server.stalled.is_set() and received(landed) >= wanted)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert visible_in(tmp_path) - {"old", "old/0"} == set()
            await storage.download("s3://b/other", tmp_path / "other", config=server.config)
    assert (tmp_path / "other").read_bytes() == b"other"


async def test_cancelling_one_call_beside_another(tmp_path: Path) -> None:
    with FakeS3({"b": {"slow": LARGE, "gone": LARGE}}, stall={"slow": 12 * MiB, "gone": MiB}) as server:
        async with AsyncStorage(Limits(part_size=2 * MiB, memory=32 * MiB)) as storage:
            landed: list[Event] = []
            kept = asyncio.ensure_future(
                storage.download("s3://b/slow", tmp_path / "slow", config=server.config, on_event=landed.append)
            )
            gone = asyncio.ensure_future(storage.download("s3://b/gone", tmp_path / "gone", config=server.config))
            await until(lambda: received(landed) == 12 * MiB)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            assert not kept.done()
            server.release()
            await kept
    assert visible_in(tmp_path) == {"slow"}
    assert (tmp_path / "slow").read_bytes() == LARGE


async def test_a_call_beside_a_service_that_stalls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All calls of an event loop share its memory, so parts that make no progress must not use it up."""
    monkeypatch.setattr("sealift.runtime.memory_budget._SLOW", 0.1)
    large = pattern(40 * MiB)
    with FakeS3({"b": {"large": large}}, stall={"large": 0}) as stalling, FakeS3({"b": {"m": LARGE}}) as server:
        async with AsyncStorage(Limits(part_size=8 * MiB)) as storage:
            stalled = asyncio.ensure_future(
                storage.download("s3://b/large", tmp_path / "large", config=stalling.config)
            )
            await until(stalling.stalled.is_set)
            await storage.download("s3://b/m", tmp_path / "m", config=server.config)
            assert not stalled.done()
            stalled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await stalled
    assert (tmp_path / "m").read_bytes() == LARGE


async def test_a_timeout_is_a_cancellation(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": pattern(1000)}}, stall={"m": 10}) as server:
        threads, files = set(threading.enumerate()), open_files()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await AsyncStorage().download("s3://b/m", tmp_path / "m", config=server.config)
        assert await ended(threads) == set()
        await until(lambda: {name for name in open_files() - files if name.startswith("socket:")} == set())
    assert all_in(tmp_path) == set()
