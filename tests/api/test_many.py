"""Calls for many items: `download_many`, `upload_many`, `copy_many`, `delete_many`, `read_many`."""

import asyncio
import os
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, Event, InvalidURI, Limits, LocalIOError, ModelMissingError, StorageError
from sealift.api.many import gather
from sealift.types import MiB
from tests.api.helpers import all_in, files_in
from tests.api.servers import FakeS3, pattern
from tests.api.stores import Store, directory, prefix
from tests.api.test_lifetimes import until
from tests.services.s3 import S3Service, new_bucket

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

OBJECTS = {f"n/{number:02}": b"%d" % number * number for number in range(30)} | {"p/a": b"a", "p/deep/b": b"b"}


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    return new_bucket(seaweedfs, "many")


@pytest.fixture
def store(seaweedfs: S3Service, bucket: str) -> Store:
    """A store with `OBJECTS`."""
    found = prefix(seaweedfs, bucket, uuid.uuid4().hex)
    found.put(OBJECTS)
    return found


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The directory for temporary directories."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


async def test_download_many(store: Store, tmp_path: Path) -> None:
    events: list[Event] = []
    items = [(f"{store.uri}/{path}", tmp_path / path) for path in OBJECTS if path.startswith("n/")]
    items.append((f"{store.uri}/p", tmp_path / "p"))
    paths = await AsyncStorage().download_many(iter(items), config=store.config, on_event=events.append)
    assert paths == [str(dest) for _, dest in items]
    assert files_in(tmp_path) == OBJECTS
    assert len([event for event in events if event.kind == "object"]) == len(OBJECTS)


async def test_download_many_to_temporary_directories(store: Store, temporary: Path) -> None:
    uris = [f"{store.uri}/n/05", f"{store.uri}/p", f"{store.uri}/n/06"]
    one, tree, other = await AsyncStorage().download_many(
        [uris[0], (uris[1], None), uris[2]], config=store.config, cache=False
    )
    assert files_in(tree) == {"a": b"a", "deep/b": b"b"}
    assert (Path(one).read_bytes(), Path(other).read_bytes()) == (OBJECTS["n/05"], OBJECTS["n/06"])
    assert {Path(path).parts[len(temporary.parts)] for path in (one, tree, other)} == set(os.listdir(temporary))
    assert len(os.listdir(temporary)) == 3


async def test_upload_many(store: Store, tmp_path: Path) -> None:
    directory(tmp_path).put(OBJECTS)
    items = [(tmp_path / "n" / f"{number:02}", f"{store.uri}/up/{number}") for number in range(30)]
    assert (
        await AsyncStorage().upload_many([*items, (tmp_path / "p", f"{store.uri}/up")], config=store.config)
        == [True] * 31
    )
    expected = {f"up/{number}": OBJECTS[f"n/{number:02}"] for number in range(30)} | {"up/a": b"a", "up/deep/b": b"b"}
    assert store.content() == {**OBJECTS, **expected}


async def test_copy_many(store: Store, tmp_path: Path) -> None:
    items = [
        (f"{store.uri}/n/03", f"{store.uri}/copy/"),
        (f"{store.uri}/p", str(tmp_path / "p")),
        (f"{store.uri}/p", f"{store.uri}/q"),
    ]
    where = await AsyncStorage().copy_many(items, config=store.config)
    assert where == [f"{store.uri}/copy/03", str(tmp_path / "p"), f"{store.uri}/q/"]
    assert store.content() == {**OBJECTS, "copy/03": OBJECTS["n/03"], "q/a": b"a", "q/deep/b": b"b"}
    assert files_in(tmp_path) == {"p/a": b"a", "p/deep/b": b"b"}


async def test_delete_many(store: Store) -> None:
    paths = ["n/01", "none", "n/02", "p", "n/29"]
    found = await AsyncStorage().delete_many((f"{store.uri}/{path}" for path in paths), config=store.config)
    assert found == [True, False, True, False, True]
    assert set(store.content()) == set(OBJECTS) - {"n/01", "n/02", "n/29"}


async def test_read_many(store: Store) -> None:
    found = await AsyncStorage().read_many([f"{store.uri}/{path}" for path in OBJECTS], config=store.config)
    assert found == list(OBJECTS.values())


async def test_none_of_many(tmp_path: Path) -> None:
    storage = AsyncStorage()
    assert await storage.download_many([]) == []
    assert await storage.upload_many([]) == []
    assert await storage.copy_many([]) == []
    assert await storage.delete_many([]) == []
    assert await storage.read_many([]) == []


CALLS: dict[str, Callable[[AsyncStorage, Store, str, Path], Awaitable[list[Any]]]] = {
    "download": lambda storage, store, path, here: storage.download_many(
        [(f"{store.uri}/n/01", here / "x"), (f"{store.uri}/{path}", here / "y"), f"{store.uri}/n/02"],
        config=store.config,
        return_exceptions=True,
        cache=False,
    ),
    "upload": lambda storage, store, path, here: storage.upload_many(
        [(here / "a", f"{store.uri}/x"), (here / path, f"{store.uri}/y"), (here / "a", f"{store.uri}/z")],
        config=store.config,
        return_exceptions=True,
    ),
    "copy": lambda storage, store, path, here: storage.copy_many(
        [(f"{store.uri}/{source}", f"{store.uri}/to/{source}") for source in ("n/01", path, "n/02")],
        config=store.config,
        return_exceptions=True,
    ),
    "read": lambda storage, store, path, here: storage.read_many(
        [f"{store.uri}/{source}" for source in ("n/01", path, "n/02")], config=store.config, return_exceptions=True
    ),
}


@pytest.mark.parametrize("verb", CALLS)
async def test_a_failure_takes_its_place_among_the_results(
    store: Store, tmp_path: Path, temporary: Path, verb: str
) -> None:
    (tmp_path / "a").write_bytes(b"a")
    first, failure, last = await CALLS[verb](AsyncStorage(), store, "none", tmp_path)
    assert isinstance(failure, ModelMissingError)
    assert str(failure).startswith(verb)
    assert "none" in str(failure)
    assert not isinstance(first, StorageError)
    assert not isinstance(last, StorageError)
    if verb == "read":
        assert (first, last) == (OBJECTS["n/01"], OBJECTS["n/02"])
    if verb == "download":
        assert (Path(first).read_bytes(), Path(last).read_bytes()) == (OBJECTS["n/01"], OBJECTS["n/02"])
        assert len(os.listdir(temporary)) == 1


async def test_a_uri_that_is_none_is_a_failure_like_others(store: Store) -> None:
    found = await AsyncStorage().delete_many([f"{store.uri}/n/01", "s3://", "s3x://b/k"], return_exceptions=True)
    assert [type(each) for each in found[1:]] == [InvalidURI, InvalidURI]


@pytest.fixture
def slow() -> Iterator[FakeS3]:
    """A server that sends only the beginning of `slow`."""
    with FakeS3({"b": {"slow": pattern(MiB), "fast": b"fast"}}, stall={"slow": 10}) as server:
        yield server


async def test_the_first_failure_cancels_the_others(slow: FakeS3, tmp_path: Path, temporary: Path) -> None:
    """No temporary directory remains, not even for the items that succeeded."""
    before = asyncio.all_tasks()
    with pytest.raises(ModelMissingError, match="download s3://b/none: there is no object"):
        await AsyncStorage(Limits(connections=8)).download_many(
            [
                *("s3://b/fast" for _ in range(20)),
                "s3://b/slow",
                ("s3://b/slow", tmp_path / "slow"),
                "s3://b/none",
                *("s3://b/fast" for _ in range(20)),
            ],
            config=slow.config,
            cache=False,
        )
    assert all_in(tmp_path) == {"temporary"}
    await until(lambda: asyncio.all_tasks() <= before)


async def test_cancelled_from_outside(slow: FakeS3, tmp_path: Path, temporary: Path) -> None:
    done: list[Event] = []
    call = asyncio.ensure_future(
        AsyncStorage().download_many(
            ["s3://b/fast", "s3://b/slow"], config=slow.config, on_event=done.append, cache=False
        )
    )
    await until(lambda: slow.stalled.is_set() and any(event.kind == "object" for event in done))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert all_in(tmp_path) == {"temporary"}


async def test_an_error_that_is_not_of_the_storage_is_raised(store: Store, temporary: Path) -> None:
    def told(event: Event) -> None:
        raise LookupError("the handler's own")

    with pytest.raises(LookupError):
        await AsyncStorage().download_many(
            [f"{store.uri}/n/01"], config=store.config, return_exceptions=True, on_event=told, cache=False
        )
    assert os.listdir(temporary) == []


async def test_where_no_temporary_directory_can_be_made(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    (failure,) = await AsyncStorage().download_many(
        [f"{store.uri}/n/01"], config=store.config, return_exceptions=True, cache=False
    )
    assert isinstance(failure, LocalIOError)


async def test_items_are_taken_as_others_end() -> None:
    """No more calls run at once than the limit allows, however many there are."""
    running, most, taken, gate = 0, 0, 0, asyncio.Event()

    async def call() -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return running

    def calls() -> Iterator[Callable[[], Awaitable[int]]]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield call

    task = asyncio.ensure_future(gather(calls(), 7, return_exceptions=False))
    await until(lambda: running == 7)
    for _ in range(100):
        await asyncio.sleep(0)
    assert taken == 8  # one of them is waiting for a slot
    gate.set()
    assert len(await task) == 100
    assert most == 7


async def test_connections_bound_how_many_run(slow: FakeS3, tmp_path: Path) -> None:
    items = [("s3://b/slow", tmp_path / str(number)) for number in range(12)]
    events: list[Event] = []
    async with AsyncStorage(Limits(connections=3)) as storage:
        call = asyncio.ensure_future(storage.download_many(items, config=slow.config, on_event=events.append))
        await until(lambda: len(events) == 3 and slow.stalled.is_set())
        assert [event.kind for event in events] == ["listed"] * 3
        slow.release()
        await call
    assert files_in(tmp_path) == {str(number): pattern(MiB) for number in range(12)}
