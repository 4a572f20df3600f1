"""`existing=`: what the destination has already is replaced, kept, or an error before anything is written."""

import os
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, Event, InvalidConfig, Limits, ObjectExists
from sealift.backends.local import replacement
from sealift.operations import copy as copying
from sealift.types import Existing, KiB, MiB
from tests.api.helpers import all_in, files_in
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.stores import Store, directory, prefix
from tests.services import azurite as microsoft
from tests.services import gcs as google
from tests.services.s3 import MakeBucket, S3Service

pytestmark = pytest.mark.anyio

PART = 256 * KiB
TREE = {"config.json": b"{}", "deep/weights": pattern(3 * PART), "deep/small": b"small"}
BEFORE = {"deep/weights": b"before", "other": b"other"}
LIMITS = Limits(part_size=PART, attempts=1)


@pytest.fixture(params=["local", "moto", "seaweedfs"])
def target(request: pytest.FixtureRequest, make_bucket: MakeBucket, tmp_path: Path) -> Store:
    if request.param == "local":
        return directory(tmp_path / "target")
    service = request.getfixturevalue(request.param)
    return prefix(service, make_bucket(service), "to")


@pytest.fixture
def source(tmp_path: Path) -> Store:
    store = directory(tmp_path / "source")
    store.put(TREE)
    return store


async def copied(source: Store, target: Store, path: str = "", **options: Any) -> list[Event]:
    events: list[Event] = []
    below = f"/{path}" if path else ""
    await AsyncStorage(Limits(attempts=1)).copy(
        source.uri + below,
        target.uri + below,
        config=source.config,
        dest_config=target.config,
        on_event=events.append,
        **options,
    )
    return events


def kept(events: list[Event]) -> set[str]:
    return {event.key.rpartition("source/")[2] for event in events if event.kind == "kept"}


def moved(events: list[Event]) -> int:
    return sum(event.size for event in events if event.kind == "progress")


async def test_what_exists_in_a_prefix_is_kept(source: Store, target: Store) -> None:
    target.put(BEFORE)
    events = await copied(source, target, existing="skip")
    assert target.content() == TREE | BEFORE
    assert kept(events) == {"deep/weights"}
    assert moved(events) == len(TREE["config.json"]) + len(TREE["deep/small"])
    again = await copied(source, target, existing="skip")
    assert (kept(again), moved(again)) == (set(TREE), 0)
    assert target.content() == TREE | BEFORE


async def test_what_exists_in_a_prefix_is_an_error_before_anything_is_written(source: Store, target: Store) -> None:
    target.put(BEFORE)
    with pytest.raises(ObjectExists, match="deep/weights' exists already; nothing was written") as caught:
        await copied(source, target, existing="fail")
    assert isinstance(caught.value, FileExistsError)
    assert target.content() == BEFORE


async def test_other_names_do_not_matter(source: Store, target: Store) -> None:
    target.put({"other": b"other", "deep/other": b"other"})
    await copied(source, target, existing="fail")
    assert target.content() == {**TREE, "other": b"other", "deep/other": b"other"}
    with pytest.raises(ObjectExists, match="deep/weights' exist already; nothing was written"):
        await copied(source, target, existing="fail")


@pytest.mark.parametrize("existing", ["skip", "fail"])
async def test_a_new_destination(source: Store, target: Store, existing: Existing) -> None:
    await copied(source, target, existing=existing)
    assert target.content() == TREE


async def test_it_is_replaced_by_default(source: Store, target: Store) -> None:
    target.put(BEFORE)
    await copied(source, target)
    assert target.content() == BEFORE | TREE


@pytest.mark.parametrize("path", ["config.json", "deep/weights"])
@pytest.mark.parametrize("existing", ["skip", "fail"])
async def test_one_object(source: Store, target: Store, path: str, existing: Existing) -> None:
    await copied(source, target, path, existing=existing)
    assert target.content() == {path: TREE[path]}
    target.put({path: b"before"})
    if existing == "fail":
        with pytest.raises(ObjectExists, match="exists already; nothing was written"):
            await copied(source, target, path, existing=existing)
    else:
        events = await copied(source, target, path, existing=existing)
        assert (len([event for event in events if event.kind == "kept"]), moved(events)) == (1, 0)
    assert target.content() == {path: b"before"}


@pytest.mark.parametrize("existing", ["skip", "fail"])
async def test_a_dry_run(source: Store, target: Store, existing: Existing) -> None:
    target.put(BEFORE)
    if existing == "fail":
        with pytest.raises(ObjectExists):
            await copied(source, target, existing=existing, dry_run=True)
    else:
        events = await copied(source, target, existing=existing, dry_run=True)
        assert {event.key.rpartition("source/")[2] for event in events if event.kind == "listed"} == {
            "config.json",
            "deep/small",
        }
    assert target.content() == BEFORE


async def test_a_download_keeps_files_and_links(tmp_path: Path) -> None:
    """By name: also a link to nothing."""
    dest = tmp_path / "to"
    (dest / "deep").mkdir(parents=True)
    (dest / "deep" / "weights").symlink_to("nowhere")
    events: list[Event] = []
    with FakeS3({"b": {f"p/{path}": data for path, data in TREE.items()}}) as server:
        await AsyncStorage(LIMITS).download(
            "s3://b/p/", dest, config=server.config, existing="skip", on_event=events.append
        )
        assert not [asked for asked in server.asked if asked.path.endswith("weights")]
    assert [event.key for event in events if event.kind == "kept"] == ["p/deep/weights"]
    assert os.readlink(dest / "deep" / "weights") == "nowhere"
    assert {path: data for path, data in files_in(dest).items() if path != "deep/weights"} == {
        path: data for path, data in TREE.items() if path != "deep/weights"
    }


@pytest.mark.parametrize("existing", ["skip", "fail"])
@pytest.mark.parametrize("size", [10, 3 * PART], ids=["small", "large"])
@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
async def test_a_file_that_appears_meanwhile_is_not_replaced(
    tmp_path: Path, existing: Existing, size: int, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = tmp_path / "to"
    dest.mkdir()

    def appear(asked: Asked) -> None:
        if asked.method == "GET" and asked.path == "/b/p/m":
            (dest / "m").write_bytes(b"of another process")

    if not links:

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(replacement.os, "link", refuse)
    with FakeS3({"b": {"p/m": pattern(size)}}, instead=appear) as server:
        storage = AsyncStorage(LIMITS)
        call = storage.download("s3://b/p/", dest, config=server.config, existing=existing)
        if existing == "fail":
            with pytest.raises(ObjectExists, match=f"{dest}/m exists already"):
                await call
        else:
            await call
    assert files_in(dest) == {"m": b"of another process"}
    assert all_in(dest) == {"m"}


@pytest.mark.parametrize("existing", ["skip", "fail"])
async def test_a_directory_that_appears_meanwhile(tmp_path: Path, existing: Existing) -> None:
    dest = tmp_path / "to"

    def appear(asked: Asked) -> None:
        if asked.method == "GET" and asked.path == "/b/p/m":
            dest.mkdir(exist_ok=True)
            (dest / "m").write_bytes(b"of another process")

    with FakeS3({"b": {"p/m": b"m", "p/n": b"n"}}, instead=appear) as server:
        call = AsyncStorage(LIMITS).download("s3://b/p/", dest, config=server.config, existing=existing)
        if existing == "fail":
            with pytest.raises(ObjectExists):
                await call
            assert files_in(dest) == {"m": b"of another process"}
        else:
            await call
            assert files_in(dest) == {"m": b"of another process", "n": b"n"}


@pytest.mark.parametrize("size", [10, 6 * MiB], ids=["whole", "in parts"])
@pytest.mark.parametrize("existing", ["skip", "fail"])
async def test_an_object_that_appears_meanwhile_is_not_replaced(
    target: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: Existing, size: int
) -> None:
    """The service decides: it is asked to store the object only if there is none."""

    async def not_yet(*_: object) -> bool:
        return False

    monkeypatch.setattr(copying, "exists_object", not_yet)
    target.put({"m": b"of another"})
    (tmp_path / "m").write_bytes(pattern(size))
    events: list[Event] = []
    call = AsyncStorage(Limits(part_size=5 * MiB, attempts=1)).copy(
        str(tmp_path / "m"),
        f"{target.uri}/m",
        dest_config=target.config,
        existing=existing,
        on_event=events.append,
    )
    if existing == "fail":
        with pytest.raises(ObjectExists):
            await call
    else:
        await call
        assert [event.kind for event in events if event.kind == "kept"] == ["kept"]
    assert target.content() == {"m": b"of another"}


async def test_a_stopped_download_resumes(tmp_path: Path) -> None:
    """Files that the same call has completed are not an obstacle."""
    objects = {f"p/{number}": pattern(PART + number) for number in range(4)}
    dest = tmp_path / "to"
    dest.mkdir()
    broken = True

    def fail(asked: Asked) -> Reply | None:
        return Reply(500) if broken and asked.path == "/b/p/3" else None

    with FakeS3({"b": objects}, instead=fail) as server:
        storage = AsyncStorage(Limits(part_size=PART, attempts=1, connections=1))
        with pytest.raises(Exception, match="500"):
            await storage.download("s3://b/p/", dest, config=server.config, existing="fail")
        assert files_in(dest)
        broken = False
        await storage.download("s3://b/p/", dest, config=server.config, existing="fail")
    assert files_in(dest) == {path.removeprefix("p/"): data for path, data in objects.items()}


async def test_many(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    target = prefix(seaweedfs, make_bucket(seaweedfs), "to")
    target.put({"a": b"before"})
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode())
    items = [(tmp_path / name, f"{target.uri}/{name}") for name in "ab"]
    storage = AsyncStorage()
    await storage.upload_many(items, config=target.config, existing="skip")
    assert target.content() == {"a": b"before", "b": b"b"}
    results = await storage.upload_many(items, config=target.config, existing="fail", return_exceptions=True)
    assert [type(result) for result in results] == [ObjectExists, ObjectExists]
    downloads = [(f"{target.uri}/a", tmp_path / "a"), (f"{target.uri}/b", tmp_path / "new")]
    await storage.download_many(downloads, config=target.config, existing="skip")
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "new").read_bytes()) == (b"a", b"b")


async def test_wrong_values(tmp_path: Path) -> None:
    storage: Any = AsyncStorage()
    with pytest.raises(InvalidConfig, match="existing='never' is not 'overwrite', 'skip' or 'fail'"):
        await storage.copy(str(tmp_path), str(tmp_path / "to"), existing="never")
    with pytest.raises(InvalidConfig, match="existing='skip' cannot be combined with unpack"):
        await storage.download("s3://b/a.tar", tmp_path / "to", unpack=True, existing="skip")


@pytest.fixture(params=["gcs", "azurite"])
def cloud(request: pytest.FixtureRequest) -> tuple[AsyncStorage, Any, str]:
    """A storage, a configuration and a URI at another service."""
    server = request.getfixturevalue(request.param)
    if request.param == "gcs":
        return AsyncStorage(environ=server.environ), None, f"gs://{google.new_bucket(server)}/to/m"
    return AsyncStorage(), server.config(), f"azure://{microsoft.new_container(server)}/to/m"


async def test_other_services(cloud: tuple[AsyncStorage, Any, str], tmp_path: Path) -> None:
    """An upload replaces nothing."""
    storage, config, uri = cloud
    (tmp_path / "m").write_bytes(b"new")
    assert await storage.upload(tmp_path / "m", uri, config=config, existing="fail")
    (tmp_path / "m").write_bytes(b"newer")
    with pytest.raises(ObjectExists):
        await storage.upload(tmp_path / "m", uri, config=config, existing="fail")
    await storage.upload(tmp_path / "m", uri, config=config, existing="skip")
    assert await storage.read(uri, config=config) == b"new"
