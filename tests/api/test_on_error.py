"""`on_error="continue"`: the objects of a prefix that fail are reported, and all others arrive."""

from pathlib import Path
from typing import Any

import pytest

from sealift import (
    AccessDenied,
    AsyncStorage,
    Event,
    IncompleteError,
    InvalidConfig,
    Limits,
    ServiceError,
    StorageError,
)
from sealift.types import KiB
from tests.api.helpers import all_in, config_of, files_in
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.stores import objects_in
from tests.services.s3 import MakeBucket, S3Service, put_objects

pytestmark = pytest.mark.anyio

PART = 256 * KiB
TREE = {"a": b"a", "b": pattern(3 * PART), "deep/c": b"c", "deep/d": pattern(4 * PART)}
OBJECTS = {f"p/{path}": data for path, data in TREE.items()}
LIMITS = Limits(part_size=PART, attempts=1)


def failing(*keys: str, status: int = 403) -> Any:
    def instead(asked: Asked) -> Reply | None:
        reads = asked.method in {"GET", "PUT"}
        return Reply(status) if reads and asked.path.removeprefix("/b/") in keys else None

    return instead


async def call(verb: str, server: FakeS3, source: str, dest: Path | str, **options: Any) -> list[Event]:
    events: list[Event] = []
    storage = AsyncStorage(LIMITS)
    arguments = {"config": server.config, "on_event": events.append, **options}
    try:
        await getattr(storage, verb)(source, str(dest), **arguments)
    except StorageError as error:
        error.add_note(repr(events))
        error.__dict__["events"] = events
        raise
    return events


@pytest.mark.parametrize("verb", ["download", "copy", "sync"])
@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("failed", ["a", "deep/d"], ids=["small", "in parts"])
async def test_the_rest_arrives(tmp_path: Path, verb: str, existed: bool, failed: str) -> None:
    dest = tmp_path / "to"
    if existed:
        dest.mkdir()
    with (
        FakeS3({"b": OBJECTS}, instead=failing(f"p/{failed}")) as server,
        pytest.raises(IncompleteError, match=f"copied everything but: {failed}: ") as caught,
    ):
        await call(verb, server, "s3://b/p/", dest, on_error="continue")
    (skipped,) = caught.value.skipped
    assert (skipped.key, skipped.reason, caught.value.count) == (f"p/{failed}", "not copied", 1)
    assert isinstance(skipped.error, AccessDenied)
    events: list[Event] = caught.value.__dict__["events"]
    told = [(event.key, event.error) for event in events if event.kind == "skipped"]
    assert told == [(f"p/{failed}", skipped.error)]
    assert {path: data for path, data in files_in(dest).items() if ".sealift" not in path} == {
        path: data for path, data in TREE.items() if path != failed
    }


async def test_stop_is_the_default(tmp_path: Path) -> None:
    with FakeS3({"b": OBJECTS}, instead=failing("p/a")) as server, pytest.raises(AccessDenied):
        await call("download", server, "s3://b/p/", tmp_path / "to")
    assert not (tmp_path / "to").exists()


async def test_if_nothing_arrives_the_error_is_that_of_the_service(tmp_path: Path) -> None:
    with FakeS3({"b": OBJECTS}, instead=failing(*OBJECTS)) as server, pytest.raises(AccessDenied):
        await call("download", server, "s3://b/p/", tmp_path / "to", on_error="continue")
    assert all_in(tmp_path) == set()


async def test_the_next_call_brings_only_the_rest(tmp_path: Path) -> None:
    """Parts of the failed object that have arrived are kept, although the directory was published without it."""
    refuse = True

    def instead(asked: Asked) -> Reply | None:
        last = asked.headers.get("range", "").startswith(f"bytes={3 * PART}-")
        return Reply(500) if refuse and asked.path == "/b/p/deep/d" and last else None

    dest = tmp_path / "to"
    with FakeS3({"b": OBJECTS}, instead=instead) as server:
        with pytest.raises(IncompleteError):
            await call("download", server, "s3://b/p/", dest, on_error="continue")
        refuse, since = False, len(server.asked)
        await call("download", server, "s3://b/p/", dest, on_error="continue")
        asked = [each for each in server.asked[since:] if each.path.startswith("/b/p/")]
    assert [each.headers.get("range") for each in asked if each.method == "GET"] == [f"bytes={3 * PART}-{4 * PART - 1}"]
    assert files_in(dest) == TREE
    assert all_in(tmp_path) == {"to", "to/deep", *(f"to/{path}" for path in TREE)}


async def test_an_unsafe_key_is_one_of_them(tmp_path: Path) -> None:
    with FakeS3({"b": {**OBJECTS, "p/../x": b"x"}}) as server, pytest.raises(IncompleteError) as caught:
        await call("download", server, "s3://b/p/", tmp_path / "to", on_error="continue")
    assert [skipped.key for skipped in caught.value.skipped] == ["p/../x"]
    assert files_in(tmp_path / "to") == TREE


async def test_an_upload(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode())

    def stored(asked: Asked) -> Reply | None:
        if asked.method != "PUT":
            return None
        return Reply(403) if asked.path == "/b/to/a" else Reply(200, headers={"ETag": '"tag"'})

    with (
        FakeS3({"b": {}}, instead=stored) as server,
        pytest.raises(IncompleteError, match="copied everything but: a: ") as caught,
    ):
        await call("upload", server, str(tmp_path), "s3://b/to/", on_error="continue")
    assert [f"/{skipped.key}" for skipped in caught.value.skipped] == [f"{tmp_path}/a"]
    assert {"/b/to/b", "/b/to/c"} <= {asked.path for asked in server.asked if asked.method == "PUT"}


async def test_a_sync_deletes_nothing_then(tmp_path: Path) -> None:
    (tmp_path / "extra").write_bytes(b"x")
    with FakeS3({"b": OBJECTS}, instead=failing("p/a")) as server, pytest.raises(IncompleteError):
        await call("sync", server, "s3://b/p/", tmp_path, on_error="continue", delete=True)
    assert (tmp_path / "extra").exists()


async def test_a_host_that_does_not_answer_ends_the_call(tmp_path: Path) -> None:
    """Each of many objects would otherwise wait as long again."""
    objects = {f"p/{number:04}": b"x" for number in range(600)}
    with FakeS3({"b": objects}, instead=failing(*objects, status=503)) as server:
        storage = AsyncStorage(Limits(patience=0.5, backoff_initial=0.05))
        with pytest.raises(ServiceError, match="503"):
            await storage.download("s3://b/p/", tmp_path / "to", config=server.config, on_error="continue")


async def test_many_failures_are_counted_and_only_the_first_are_listed(tmp_path: Path) -> None:
    objects = {f"p/{number:04}": b"x" for number in range(1100)} | {"p/last": b"y"}
    bad = [key for key in objects if key != "p/last"]
    events: list[Event] = []
    with FakeS3({"b": objects}, instead=failing(*bad, status=404)) as server:
        with pytest.raises(IncompleteError, match="and 1,097 more") as caught:
            await AsyncStorage(LIMITS).download(
                "s3://b/p/", tmp_path / "to", config=server.config, on_error="continue", on_event=events.append
            )
    assert (caught.value.count, len(caught.value.skipped)) == (1100, 1000)
    assert sum(event.kind == "skipped" for event in events) == 1100
    assert files_in(tmp_path / "to") == {"last": b"y"}


async def test_a_real_service(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    """A directory where a file should be: one of the files cannot be written."""
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, OBJECTS)
    dest = tmp_path / "to"
    (dest / "a" / "below").mkdir(parents=True)
    with pytest.raises(IncompleteError) as caught:
        await AsyncStorage().download(f"s3://{bucket}/p/", dest, config=config_of(seaweedfs), on_error="continue")
    assert [skipped.key for skipped in caught.value.skipped] == ["p/a"]
    assert files_in(dest) == {path: data for path, data in TREE.items() if path != "a"}


@pytest.mark.parametrize("on_error", ["continue", "stop"])
async def test_deletions(moto: S3Service, make_bucket: MakeBucket, tmp_path: Path, on_error: Any) -> None:
    """What a service can delete is gone in both cases: it is one request."""
    bucket = make_bucket(moto)
    put_objects(moto, bucket, OBJECTS)
    storage = AsyncStorage()
    assert await storage.delete(f"s3://{bucket}/p/", config=config_of(moto), recursive=True, on_error=on_error) == 4
    assert objects_in(moto, bucket) == {}


async def test_a_wrong_value(tmp_path: Path) -> None:
    storage: Any = AsyncStorage()
    with pytest.raises(InvalidConfig, match="on_error='ignore' is not 'stop' or 'continue'"):
        await storage.download("s3://b/p/", tmp_path, on_error="ignore")
