"""`sync`: copy only differences."""

import uuid
from pathlib import Path

import pytest

from sealift import AsyncStorage, Event, InvalidConfig, ModelMissingError, S3Config, Synced
from sealift.types import MiB
from tests.api.helpers import all_in, config_of, files_in
from tests.api.servers import FakeS3, pattern
from tests.api.stores import FAR_AHEAD, LONG_AGO, Store, directory, objects_in, prefix, written_at
from tests.services.s3 import MakeBucket, S3Service, new_bucket, put_objects

pytestmark = pytest.mark.anyio

TREE = {"config.json": b"{}", "weights/a.bin": pattern(1000), "weights/deep/b": b"b", "empty": b"", ".hidden": b"h"}
Ends = tuple[Store, Store]


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    """A bucket in which each test uses its own prefix."""
    return new_bucket(seaweedfs, "sync")


@pytest.fixture(params=["local to s3", "s3 to local", "s3 to s3", "local to local"])
def ends(request: pytest.FixtureRequest, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> Ends:
    """Two stores: the first holds `TREE`, with old modification times if local; the second does not exist yet."""
    names = request.param.split(" to ")
    own = uuid.uuid4().hex
    first, second = (
        directory(tmp_path / key) if name == "local" else prefix(seaweedfs, bucket, f"{own}/{key}")
        for name, key in zip(names, ("from", "to"), strict=True)
    )
    first.put(TREE)
    if first.config is None:
        written_at(first.uri, LONG_AGO)
    return first, second


@pytest.fixture
def local_to_s3(seaweedfs: S3Service, bucket: str, tmp_path: Path) -> Ends:
    source, target = directory(tmp_path / "from"), prefix(seaweedfs, bucket, f"{uuid.uuid4().hex}/to")
    source.put(TREE)
    written_at(source.uri, LONG_AGO)
    return source, target


async def synced(ends: Ends, **options: object) -> Synced:
    source, target = ends
    return await AsyncStorage().sync(source.uri, target.uri, config=source.config, dest_config=target.config, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("by_checksum", [False, True])
async def test_the_second_time_there_is_nothing_to_do(ends: Ends, tmp_path: Path, by_checksum: bool) -> None:
    events: list[Event] = []
    assert await synced(ends, on_event=events.append) == Synced(5, 0, 0)
    assert ends[1].content() == TREE
    assert len([event for event in events if event.kind == "object"]) == 5
    events.clear()
    if by_checksum and ends[0].config is not None:  # stored without checksums
        return
    before = all_in(tmp_path)
    assert await synced(ends, on_event=events.append, checksum=by_checksum) == Synced(0, 5, 0)
    assert events == []
    assert ends[1].content() == TREE
    assert all_in(tmp_path) == before


async def test_what_is_missing_or_of_another_size_is_copied(ends: Ends) -> None:
    await synced(ends)
    source, target = ends
    source.put({"config.json": b"{...}", "new": b"new"})
    target.put({"weights/deep/b": b"", "extra": b"mine"})
    events: list[Event] = []
    assert await synced(ends, on_event=events.append) == Synced(3, 3, 0)
    assert {event.target.rpartition("to/")[2] for event in events} == {"config.json", "new", "weights/deep/b"}
    assert target.content() == {**TREE, "config.json": b"{...}", "new": b"new", "extra": b"mine"}


@pytest.mark.parametrize("time", [LONG_AGO, FAR_AHEAD])
async def test_another_content_of_the_same_size_is_copied_whatever_the_times(ends: Ends, time: int) -> None:
    await synced(ends)
    source, target = ends
    source.put({"weights/deep/b": b"B"})
    if source.config is None:
        written_at(f"{source.uri}/weights/deep", time)
    assert await synced(ends) == Synced(1, 4, 0)
    assert target.content() == {**TREE, "weights/deep/b": b"B"}
    target.put({"weights/deep/b": b"-"})
    if target.config is None:
        written_at(f"{target.uri}/weights/deep", time)
    assert await synced(ends) == Synced(1, 4, 0)
    assert target.content() == {**TREE, "weights/deep/b": b"B"}


@pytest.mark.parametrize("large", [False, True])
async def test_checksums_are_compared_whatever_is_recorded(local_to_s3: Ends, large: bool) -> None:
    source, target = local_to_s3
    data = pattern(9 * MiB) if large else pattern(1000)
    source.put({"model": data})
    await synced(local_to_s3)
    changed = data[:-1] + b"!"
    source.put({"model": changed})
    written_at(source.uri, LONG_AGO)
    assert await synced(local_to_s3, checksum=True) == Synced(1, 5, 0)
    assert target.content() == {**TREE, "model": changed}
    written_at(source.uri, FAR_AHEAD)
    assert await synced(local_to_s3, checksum=True) == Synced(0, 6, 0)
    back = target, source
    source.put({"model": data})
    written_at(source.uri, FAR_AHEAD)
    assert await synced(back, checksum=True) == Synced(1, 5, 0)
    assert source.content() == {**TREE, "model": changed}


async def test_checksums_of_two_directories(tmp_path: Path) -> None:
    one, other = directory(tmp_path / "one"), directory(tmp_path / "other")
    one.put({"same": b"same", "changed": b"new", "longer": b"longer"})
    other.put({"same": b"same", "changed": b"old", "longer": b"long"})
    written_at(one.uri, FAR_AHEAD)
    assert await synced((one, other), checksum=True) == Synced(2, 1, 0)
    assert other.content() == one.content()


async def test_checksums_of_two_buckets(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    """This library uploaded both, and stores checksums with its uploads."""
    one, other = prefix(seaweedfs, make_bucket(seaweedfs), "m"), prefix(seaweedfs, make_bucket(seaweedfs), "m")
    local = directory(tmp_path)
    for store, objects in ((one, {"same": b"same", "x": b"new"}), (other, {"same": b"same", "x": b"old"})):
        local.put(objects)
        await AsyncStorage().upload(local.uri, store.uri, config=store.config)
    assert await synced((one, other), checksum=True) == Synced(1, 1, 0)
    assert other.content() == {"same": b"same", "x": b"new"}


async def test_checksums_that_are_in_the_etag_of_one_service(
    seaweedfs: S3Service, moto: S3Service, make_bucket: MakeBucket
) -> None:
    """One side has a CRC64NVME, the other the MD5 of its ETag; the ETags of both are this MD5."""
    source, target = make_bucket(moto), make_bucket(seaweedfs)
    put_objects(moto, source, {"m/x": b"same", "m/y": b"new"}, checksum="CRC64NVME")
    put_objects(seaweedfs, target, {"m/x": b"same", "m/y": b"old"})
    ends = prefix(moto, source, "m"), prefix(seaweedfs, target, "m")
    assert await synced(ends, checksum=True) == Synced(1, 1, 0)


async def test_what_cannot_be_compared_is_copied(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    source, target = directory(tmp_path), prefix(seaweedfs, bucket, "m")
    source.put({"x": b"same"})
    put_objects(seaweedfs, bucket, {"m/x": b"same"}, part_size=4)  # without a checksum; the ETag is not an MD5
    written_at(source.uri, LONG_AGO)
    assert await synced((source, target), checksum=True) == Synced(1, 0, 0)
    assert await synced((source, target), checksum=True) == Synced(0, 1, 0)


async def test_entity_tags(seaweedfs: S3Service, moto: S3Service, make_bucket: MakeBucket) -> None:
    """Equal entity tags mean equal bytes, regardless of times."""
    target, source = prefix(seaweedfs, make_bucket(seaweedfs), "m"), prefix(moto, make_bucket(moto), "m")
    target.put(TREE)
    source.put(TREE)
    assert await synced((source, target)) == Synced(0, 5, 0)
    assert await synced((target, source)) == Synced(0, 5, 0)


async def test_delete_removes_what_only_the_destination_has(ends: Ends, tmp_path: Path) -> None:
    source, target = ends
    extra = {"extra": b"x", "old/deep/a": b"x", "old/b": b"x", "weights/extra": b"x", "empty.txt": b""}
    target.put(extra)
    events: list[Event] = []
    assert await synced(ends, delete=True, on_event=events.append) == Synced(5, 0, 5)
    assert target.content() == source.content() == TREE
    deleted = [event.key for event in events if event.kind == "deleted"]
    assert {key.rpartition("to/")[2] for key in deleted} == set(extra)
    assert [event.kind for event in events][-5:] == ["deleted"] * 5
    assert not (tmp_path / "to" / "old").exists()
    assert await synced(ends, delete=True) == Synced(0, 5, 0)


async def test_what_is_excluded_is_neither_copied_nor_removed(ends: Ends) -> None:
    source, target = ends
    target.put({"extra": b"x", "logs/a": b"x", "extra.json": b"{}"})
    assert await synced(ends, delete=True, ignore_patterns=["*.json", "logs/*"]) == Synced(4, 0, 1)
    kept = {"logs/a": b"x", "extra.json": b"{}"}
    assert target.content() == {**{path: TREE[path] for path in TREE if path != "config.json"}, **kept}
    assert await synced(ends, delete=True, allow_patterns="*.json") == Synced(1, 0, 1)
    assert target.content() == {**TREE, "logs/a": b"x"}
    assert source.content() == TREE


async def test_without_a_source_nothing_is_removed(ends: Ends) -> None:
    source, target = ends
    target.put({"extra": b"x", "config.json": b"old"})
    for uri, options in ((f"{source.uri}/none", {}), (source.uri, {"allow_patterns": "*.onnx"})):
        with pytest.raises(ModelMissingError):
            await AsyncStorage().sync(
                uri, target.uri, config=source.config, dest_config=target.config, delete=True, **options
            )  # type: ignore[arg-type]
    assert target.content() == {"extra": b"x", "config.json": b"old"}


async def test_after_a_failure_nothing_is_removed(tmp_path: Path) -> None:
    class Vanishing(dict[str, bytes]):
        def get(self, key: str, default: object = None) -> bytes | None:  # type: ignore[override]
            return None if key == "m/gone" else super().get(key)

    directory(tmp_path).put({"to/extra": b"x"})
    with FakeS3({"b": Vanishing({"m/gone": b"gone", "m/there": b"there"})}) as server:
        with pytest.raises(ModelMissingError, match="m/gone"):
            await AsyncStorage().sync("s3://b/m", f"{tmp_path}/to", config=server.config, delete=True)
    assert files_in(tmp_path / "to").items() >= {"extra": b"x"}.items()
    assert "gone" not in files_in(tmp_path / "to")


async def test_a_dry_run_only_tells(ends: Ends, tmp_path: Path) -> None:
    source, target = ends
    target.put({"extra/x": b"x", "config.json": b"older"})
    before, there = target.content(), all_in(tmp_path)
    events: list[Event] = []
    assert await synced(ends, delete=True, dry_run=True, on_event=events.append) == Synced(5, 0, 1)
    assert {(event.kind, event.key.rpartition("from/")[2]) for event in events if event.kind == "listed"} == {
        ("listed", path) for path in TREE
    }
    (deleted,) = (event for event in events if event.kind != "listed")
    assert (deleted.kind, deleted.key.rpartition("to/")[2]) == ("deleted", "extra/x")
    assert target.content() == before
    assert source.content() == TREE
    assert all_in(tmp_path) == there


async def test_a_dry_run_to_a_new_place_makes_nothing(ends: Ends, tmp_path: Path) -> None:
    before = all_in(tmp_path)
    assert await synced(ends, dry_run=True) == Synced(5, 0, 0)
    assert ends[1].content() == {}
    assert all_in(tmp_path) == before


async def test_an_object_is_no_source(ends: Ends) -> None:
    source, target = ends
    target.put({"extra": b"x"})
    with pytest.raises(InvalidConfig, match="is an object, not a prefix"):
        await AsyncStorage().sync(
            f"{source.uri}/config.json", target.uri, config=source.config, dest_config=target.config, delete=True
        )
    assert target.content() == {"extra": b"x"}


@pytest.mark.parametrize(("src", "dest"), [("m", "m"), ("m/", "m"), ("m", "m/below"), ("m/sub", "m"), ("m", "")])
@pytest.mark.parametrize("scheme", ["s3", "local"])
async def test_what_overlaps_is_refused(
    seaweedfs: S3Service, bucket: str, tmp_path: Path, scheme: str, src: str, dest: str
) -> None:
    store = directory(tmp_path) if scheme == "local" else prefix(seaweedfs, bucket, uuid.uuid4().hex)
    objects = {"m/a": b"a", "m/sub/b": b"b", "m-2/c": b"c"}
    store.put(objects)
    storage = AsyncStorage()
    with pytest.raises(InvalidConfig, match="overlap"):
        await storage.sync(f"{store.uri}/{src}", f"{store.uri}/{dest}", config=store.config, delete=True)
    assert store.content() == objects
    assert await storage.sync(f"{store.uri}/m", f"{store.uri}/m-2", config=store.config, delete=True) == Synced(2, 0, 1)
    assert store.content() == {"m/a": b"a", "m/sub/b": b"b", "m-2/a": b"a", "m-2/sub/b": b"b"}


async def test_the_whole_machine_is_no_destination() -> None:
    with pytest.raises(InvalidConfig, match="root of this machine.s file system"):
        await AsyncStorage().sync("s3://b/m", "/", config=S3Config(anonymous=True), delete=True, dry_run=True)


async def test_a_whole_bucket_is_a_destination(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"extra": b"x"})
    directory(tmp_path).put(TREE)
    target = Store(f"s3://{bucket}", config_of(seaweedfs), lambda _: None, lambda: objects_in(seaweedfs, bucket))
    assert await synced((directory(tmp_path), target), delete=True) == Synced(5, 0, 1)
    assert target.content() == TREE


async def test_directory_markers_are_copied_once(moto: S3Service, make_bucket: MakeBucket) -> None:
    """Markers only in the destination are kept: a program may have created them for a folder that is now empty."""
    source, target = prefix(moto, make_bucket(moto), "from"), prefix(moto, make_bucket(moto), "to")
    source.put({"": b"", "void/": b"", "x": b"x"})
    target.put({"mine/": b"", "extra": b"x"})
    events: list[Event] = []
    assert await synced((source, target), delete=True) == Synced(1, 0, 1)
    assert target.content() == {"void/": b"", "x": b"x", "mine/": b""}
    assert await synced((source, target), delete=True, on_event=events.append) == Synced(0, 1, 0)
    assert events == []


async def test_empty_directories_are_made(moto: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    source = prefix(moto, make_bucket(moto), "from")
    source.put({"": b"", "void/": b"", "x": b"x"})
    for expected in (Synced(1, 0, 0), Synced(0, 1, 0)):
        assert await synced((source, directory(tmp_path / "to"))) == expected
        assert all_in(tmp_path / "to") == {"void", "x"}


async def test_keys_that_collapse_on_a_disk(moto: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    source = prefix(moto, make_bucket(moto), "from")
    source.put({"a//b": b"x", "/c": b"y"})
    for expected in (Synced(2, 0, 0), Synced(0, 2, 0)):
        assert await synced((source, directory(tmp_path)), delete=True) == expected
        assert files_in(tmp_path) == {"a/b": b"x", "c": b"y"}
