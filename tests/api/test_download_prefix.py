"""Downloads of a prefix to a directory."""

import os
import tempfile
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from sealift import AsyncStorage, Event, Limits, LocalIOError, ModelMissingError, S3Config, StorageError
from sealift.types import MiB
from tests.api.helpers import all_in, config_of, files_in
from tests.api.servers import FakeS3, pattern
from tests.services.s3 import MakeBucket, S3Service, new_bucket, put_objects

pytestmark = pytest.mark.anyio

TREE = {
    "config.json": b"{}",
    "weights/a.bin": b"first",
    "weights/b.bin": b"second",
    "weights/deep/er/c.txt": b"third",
    "empty.txt": b"",
    ".hidden": b"h",
}


SERVICES = ["seaweedfs", "moto", "rclone_s3"]


@pytest.fixture(scope="module")
def service(request: pytest.FixtureRequest) -> S3Service:
    """SeaweedFS, unless a test is parametrized with other services."""
    chosen: S3Service = request.getfixturevalue(getattr(request, "param", "seaweedfs"))
    return chosen


@pytest.fixture(scope="module")
def bucket(service: S3Service) -> str:
    """A bucket that tests only read."""
    name = new_bucket(service, "prefixes")
    put_objects(service, name, {f"models/foo/{path}": data for path, data in TREE.items()})
    put_objects(service, name, {"models/foo-2/stranger": b"x", "models/fooled": b"y"})
    return name


@pytest.fixture
def config(service: S3Service) -> S3Config:
    return config_of(service)


@pytest.mark.parametrize("service", SERVICES, indirect=True)
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("dest_slash", ["", "/"])
async def test_into_a_new_directory(bucket: str, config: S3Config, tmp_path: Path, slash: str, dest_slash: str) -> None:
    dest = f"{tmp_path}/some/where/foo{dest_slash}"
    path = await AsyncStorage().download(f"s3://{bucket}/models/foo{slash}", dest, config=config)
    assert path == dest
    assert files_in(dest) == TREE
    assert files_in(tmp_path) == {f"some/where/foo/{path}": data for path, data in TREE.items()}
    assert not {name for name in all_in(tmp_path) if ".sealift" in name}


async def test_into_an_existing_directory(bucket: str, config: S3Config, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.bin").write_bytes(b"old")
    (tmp_path / "weights" / "mine").write_bytes(b"mine")
    assert await AsyncStorage().download(f"s3://{bucket}/models/foo", tmp_path, config=config) == str(tmp_path)
    assert files_in(tmp_path) == {**TREE, "weights/mine": b"mine"}
    assert not (tmp_path / ".sealift").exists()


async def test_without_a_cache_no_destination_is_a_new_temporary_directory(
    bucket: str, config: S3Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = Path(await AsyncStorage().download(f"s3://{bucket}/models/foo", config=config, cache=False))
    assert path.parent == tmp_path
    assert files_in(path) == TREE
    assert os.listdir(tmp_path) == [path.name]


async def test_a_whole_bucket(bucket: str, config: S3Config, tmp_path: Path) -> None:
    dest = tmp_path / "all"
    await AsyncStorage().download(f"s3://{bucket}", dest, config=config)
    assert files_in(dest) == {
        **{f"models/foo/{path}": data for path, data in TREE.items()},
        "models/foo-2/stranger": b"x",
        "models/fooled": b"y",
    }


@pytest.mark.parametrize("service", SERVICES, indirect=True)
async def test_nothing_there(service: S3Service, make_bucket: MakeBucket, config: S3Config, tmp_path: Path) -> None:
    bucket = make_bucket(service)
    async with AsyncStorage() as storage:
        for key in ("", "/", "/models/none", "/models/none/"):
            with pytest.raises(ModelMissingError) as caught:
                await storage.download(f"s3://{bucket}{key}", tmp_path / "dest", config=config)
            assert f"s3://{bucket}/{key.removeprefix('/')}" in str(caught.value)
            assert isinstance(caught.value, FileNotFoundError)
    assert all_in(tmp_path) == set()


@pytest.mark.parametrize("existing", [False, True])
async def test_directory_markers_are_directories(
    seaweedfs: S3Service, moto: S3Service, make_bucket: MakeBucket, tmp_path: Path, existing: bool
) -> None:
    for service in (seaweedfs, moto):
        bucket = make_bucket(service)
        put_objects(service, bucket, {"m/": b"", "m/file": b"f", "m/void/": b"", "m/full/": b"", "m/full/x": b"x"})
        dest = tmp_path / service.name
        if existing:
            dest.mkdir()
        await AsyncStorage().download(f"s3://{bucket}/m", dest, config=config_of(service))
        assert all_in(dest) == {"file", "void", "full", "full/x"}
        assert (dest / "void").is_dir()


async def test_only_a_marker_is_an_empty_directory(moto: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(moto)
    put_objects(moto, bucket, {"m/": b""})
    await AsyncStorage().download(f"s3://{bucket}/m", tmp_path / "m", config=config_of(moto))
    assert all_in(tmp_path) == {"m"}
    assert (tmp_path / "m").is_dir()


@pytest.mark.parametrize(
    ("allow", "ignore", "expected"),
    [
        ("*.bin", None, {"weights/a.bin", "weights/b.bin"}),
        (["config.json", "weights/a*"], None, {"config.json", "weights/a.bin"}),
        (None, "weights/*", {"config.json", "empty.txt", ".hidden"}),
        (("*.bin", "*.txt"), ["*/b.bin", "empty*"], {"weights/a.bin", "weights/deep/er/c.txt"}),
        (iter(["*.json"]), iter(()), {"config.json"}),
        ("WEIGHTS/*", None, None),
        ([], None, None),
        (None, "*", None),
    ],
)
async def test_patterns(
    bucket: str,
    config: S3Config,
    tmp_path: Path,
    allow: list[str] | str | None,
    ignore: list[str] | str | None,
    expected: set[str] | None,
) -> None:
    if not isinstance(allow, str | list | tuple | None):  # the first loop would exhaust an iterator
        allow, ignore = ["*.json"], []
    dest = tmp_path / "dest"
    call = AsyncStorage().download(
        f"s3://{bucket}/models/foo", dest, config=config, allow_patterns=allow, ignore_patterns=ignore
    )
    if expected is None:
        with pytest.raises(ModelMissingError, match="patterns exclude everything under 'models/foo/'"):
            await call
        assert all_in(tmp_path) == set()
    else:
        await call
        assert files_in(dest) == {path: TREE[path] for path in expected}


async def test_a_new_directory_appears_as_a_whole(tmp_path: Path, no_blocking_calls: BlockBuster) -> None:
    """The directory is not visible while its last file is in transit; then it appears complete."""
    no_blocking_calls.functions["os.stat"].can_block_in(__file__, "told")
    objects = {f"m/{number}": b"%d" % number for number in range(5)} | {"m/slow": pattern(1000)}
    dest = tmp_path / "dest"
    seen: list[tuple[str, bool]] = []
    with FakeS3({"b": objects}, stall={"m/slow": 10}) as server:

        def told(event: Event) -> None:
            if event.kind == "object":
                seen.append((event.key, dest.exists()))
                if len(seen) == 5:
                    server.release()

        await AsyncStorage().download("s3://b/m", dest, config=server.config, on_event=told)
    assert seen[-1] == ("m/slow", False)
    assert {exists for _, exists in seen} == {False}
    assert files_in(dest) == {key.removeprefix("m/"): data for key, data in objects.items()}


async def test_an_existing_directory_fills_file_by_file(tmp_path: Path, no_blocking_calls: BlockBuster) -> None:
    no_blocking_calls.functions["os.listdir"].can_block_in(__file__, "told")
    objects = {"m/fast": b"f", "m/slow": pattern(1000)}
    seen: list[set[str]] = []
    with FakeS3({"b": objects}, stall={"m/slow": 10}) as server:

        def told(event: Event) -> None:
            if event.kind == "object":
                seen.append({name for name in os.listdir(tmp_path) if name != ".sealift"})
                server.release()

        await AsyncStorage().download("s3://b/m", tmp_path, config=server.config, on_event=told)
    assert seen == [{"fast"}, {"fast", "slow"}]


async def test_a_file_where_the_directory_should_be(bucket: str, config: S3Config, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    dest.write_bytes(b"precious")
    with pytest.raises(LocalIOError, match=f"{dest} is a file"):
        await AsyncStorage().download(f"s3://{bucket}/models/foo", dest, config=config)
    assert files_in(tmp_path) == {"dest": b"precious"}


async def test_a_file_where_a_directory_below_should_be(bucket: str, config: S3Config, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"precious")
    with pytest.raises(LocalIOError, match=str(tmp_path / "weights")):
        await AsyncStorage().download(f"s3://{bucket}/models/foo", tmp_path, config=config)
    assert (tmp_path / "weights").read_bytes() == b"precious"
    assert not (tmp_path / ".sealift").exists()


async def test_a_file_where_a_marker_says_directory(moto: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(moto)
    put_objects(moto, bucket, {"m/void/": b"", "m/x": b"x"})
    (tmp_path / "void").write_bytes(b"precious")
    with pytest.raises(LocalIOError, match=str(tmp_path / "void")):
        await AsyncStorage().download(f"s3://{bucket}/m", tmp_path, config=config_of(moto))
    assert files_in(tmp_path) == {"void": b"precious", "x": b"x"}


async def test_a_failure_leaves_nothing_new(tmp_path: Path) -> None:
    """One of the objects disappears between the listing and the read."""

    class Vanishing(dict[str, bytes]):
        def get(self, key: str, default: object = None) -> bytes | None:  # type: ignore[override]
            return None if key == "m/gone" else super().get(key)

    objects = Vanishing({f"m/{number}": b"%d" % number for number in range(5)} | {"m/gone": b"gone"})
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "gone").write_bytes(b"precious")
    with FakeS3({"b": objects}) as server:
        for dest in ("new", "old"):
            with pytest.raises(ModelMissingError, match="m/gone"):
                await AsyncStorage().download("s3://b/m", tmp_path / dest, config=server.config)
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "old" / "gone").read_bytes() == b"precious"
    assert not {name for name in all_in(tmp_path) if ".sealift" in name}


async def test_many_small_objects(rclone_s3: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    """The listing has several pages."""
    assert rclone_s3.directory is not None
    bucket = make_bucket(rclone_s3)
    objects = {f"{number % 7}/{number:04}": b"object %d" % number for number in range(5000)}
    for path, data in objects.items():
        file = rclone_s3.directory / bucket / "m" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    events: list[Event] = []
    dest = tmp_path / "dest"
    async with AsyncStorage() as storage:
        config = config_of(rclone_s3)
        await storage.download(f"s3://{bucket}/m", dest, config=config, on_event=events.append)
        assert files_in(dest) == objects
        assert sorted(await storage.list_objects(f"s3://{bucket}/m", config=config)) == sorted(objects)
    assert len([event for event in events if event.kind == "object"]) == 5000


async def test_large_and_small_objects_together(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    objects = {"large": pattern(9 * MiB), "empty": b"", **{f"s/{number}": b"%d" % number for number in range(30)}}
    put_objects(seaweedfs, bucket, {f"m/{path}": data for path, data in objects.items()})
    events: list[Event] = []
    storage = AsyncStorage(Limits(part_size=MiB, memory=4 * MiB))
    await storage.download(f"s3://{bucket}/m", tmp_path / "dest", config=config_of(seaweedfs), on_event=events.append)
    assert files_in(tmp_path / "dest") == objects
    assert sum(event.size for event in events if event.kind == "progress") == sum(map(len, objects.values()))


async def test_an_event_handler_that_fails_ends_the_call(tmp_path: Path) -> None:
    def told(event: Event) -> None:
        raise LookupError("the handler's own")

    with FakeS3({"b": {"m/x": b"x"}}) as server, pytest.raises(LookupError, match="the handler's own") as caught:
        await AsyncStorage().download("s3://b/m", tmp_path / "dest", config=server.config, on_event=told)
    assert not isinstance(caught.value, StorageError)
    assert all_in(tmp_path) == set()
