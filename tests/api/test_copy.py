"""`copy` and `copy_object` between all kinds of locations."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from sealift import AsyncStorage, Event, InvalidConfig, Limits, ModelMissingError, UnsupportedOperation
from sealift.backends.local.staging import StagingDirectory
from sealift.backends.s3 import S3Backend
from sealift.runtime.memory_budget import MemoryBudget
from sealift.types import Head, MiB, ObjectInfo
from tests.api.helpers import all_in, config_of
from tests.api.servers import FakeS3, pattern
from tests.api.stores import Store, directory, objects_in, prefix
from tests.services.s3 import MakeBucket, S3Service, new_bucket, put_objects

pytestmark = pytest.mark.anyio

TREE = {"config.json": b"{}", "weights/a.bin": pattern(1000), "weights/deep/b": b"b", "empty": b"", ".hidden": b"h"}
Ends = tuple[Store, Store]


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    """A shared bucket, in which each test uses its own prefix."""
    return new_bucket(seaweedfs, "copy")


@pytest.fixture(params=["local to s3", "s3 to local", "s3 to s3", "local to local"])
def ends(request: pytest.FixtureRequest, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> Ends:
    """Two stores with different names: the first holds `TREE`, the second does not exist yet."""
    names = request.param.split(" to ")
    own = uuid.uuid4().hex
    first, second = (
        directory(tmp_path / key) if name == "local" else prefix(seaweedfs, bucket, f"{own}/{key}")
        for name, key in zip(names, ("models/from", "to/where"), strict=True)
    )
    first.put(TREE)
    return first, second


@pytest.fixture
def services(request: pytest.FixtureRequest) -> tuple[S3Service, S3Service]:
    """The two services named by a test, source first."""
    first, second = (request.getfixturevalue(name) for name in request.param.split(" to "))
    return first, second


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the S3 objects whose bytes this process reads."""
    found: list[str] = []
    read_range = S3Backend.read_range

    async def watched(self: S3Backend, obj: ObjectInfo, start: int, into: memoryview) -> Head:
        found.append(obj.key)
        return await read_range(self, obj, start, into)

    monkeypatch.setattr(S3Backend, "read_range", watched)
    return found


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The memory lent from the budget, after each loan."""
    found: list[int] = []
    lend = MemoryBudget._lend

    def watched(self: MemoryBudget, size: int, moves: int, job: object) -> memoryview:
        view = lend(self, size, moves, job)
        found.append(self.lent)
        return view

    monkeypatch.setattr(MemoryBudget, "_lend", watched)
    return found


@pytest.fixture
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a body is written to a file."""

    def create(self: StagingDirectory, path: str, *, temporary: bool) -> tuple[str, int]:
        raise AssertionError(f"{path} is made")

    monkeypatch.setattr(StagingDirectory, "create", create)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("dest_slash", ["", "/"])
async def test_a_prefix(ends: Ends, slash: str, dest_slash: str) -> None:
    source, target = ends
    where = await AsyncStorage().copy(
        source.uri + slash, target.uri + dest_slash, config=source.config, dest_config=target.config
    )
    assert where.rstrip("/") == target.uri
    assert target.content() == TREE
    assert source.content() == TREE


async def test_an_object(ends: Ends) -> None:
    source, target = ends
    one = f"{source.uri}/weights/a.bin"
    async with AsyncStorage() as storage:
        for dest, path in (("x", "x"), ("deep/er/", "deep/er/a.bin"), ("deep/er/y.bin", "deep/er/y.bin")):
            where = await storage.copy(one, f"{target.uri}/{dest}", config=source.config, dest_config=target.config)
            assert where == f"{target.uri}/{path}"
    assert target.content() == dict.fromkeys(("x", "deep/er/a.bin", "deep/er/y.bin"), TREE["weights/a.bin"])


async def test_an_object_replaces_another(ends: Ends) -> None:
    source, target = ends
    target.put({"x": b"old", "y": b"other"})
    await AsyncStorage().copy(
        f"{source.uri}/weights/deep/b", f"{target.uri}/x", config=source.config, dest_config=target.config
    )
    assert target.content() == {"x": b"b", "y": b"other"}


async def test_a_prefix_joins_what_is_there(ends: Ends) -> None:
    source, target = ends
    target.put({"config.json": b"old", "weights/mine": b"mine"})
    await AsyncStorage().copy(source.uri, target.uri, config=source.config, dest_config=target.config)
    assert target.content() == {**TREE, "weights/mine": b"mine"}


async def test_the_name_of_a_bucket_receives_an_object_s_name(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    directory(tmp_path).put({"a": b"a", "b": b"b", "c/d": b"d"})
    async with AsyncStorage() as storage:
        assert await storage.copy(f"{tmp_path}/a", f"s3://{bucket}", dest_config=config) == f"s3://{bucket}/a"
        assert await storage.copy(f"{tmp_path}/b", f"s3://{bucket}/", dest_config=config) == f"s3://{bucket}/b"
        assert await storage.copy(f"{tmp_path}/c", f"s3://{bucket}/", dest_config=config) == f"s3://{bucket}/"
    assert objects_in(seaweedfs, bucket) == {"a": b"a", "b": b"b", "d": b"d"}


async def test_progress_is_told(ends: Ends) -> None:
    source, target = ends
    events: list[Event] = []
    await AsyncStorage().copy(
        source.uri, target.uri, config=source.config, dest_config=target.config, on_event=events.append
    )
    for kind in ("listed", "object"):
        told = {event.key.rpartition("from/")[2]: event.size for event in events if event.kind == kind}
        assert told == {path: len(data) for path, data in TREE.items()}
    assert sum(event.size for event in events if event.kind == "progress") == sum(map(len, TREE.values()))
    assert all(event.target.endswith(event.key.rpartition("from/")[2]) for event in events)
    assert all(event.verified for event in events if event.kind == "object")


async def test_a_configuration_serves_the_end_that_is_not_local(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    (tmp_path / "a").write_bytes(b"a")
    await AsyncStorage(environ={}).copy(f"{tmp_path}/a", f"s3://{bucket}/a", config=config)
    await AsyncStorage(environ={}).copy(f"s3://{bucket}/a", f"{tmp_path}/b", config=config)
    assert (tmp_path / "b").read_bytes() == b"a"


async def test_a_configuration_serves_both_ends_of_one_scheme(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    one, other = prefix(seaweedfs, make_bucket(seaweedfs), "m"), prefix(seaweedfs, make_bucket(seaweedfs), "n")
    one.put(TREE)
    await AsyncStorage().copy(one.uri, other.uri, config=one.config)
    assert other.content() == TREE


@pytest.mark.parametrize("same_bucket", [True, False])
async def test_the_service_copies_by_itself(
    seaweedfs: S3Service, make_bucket: MakeBucket, reads: list[str], no_files: None, lent: list[int], same_bucket: bool
) -> None:
    bucket = make_bucket(seaweedfs)
    source = prefix(seaweedfs, bucket, "from")
    target = prefix(seaweedfs, bucket if same_bucket else make_bucket(seaweedfs), "to")
    large = pattern(9 * MiB)
    source.put({**TREE, "large": large})
    async with AsyncStorage() as storage:
        await storage.copy(source.uri, target.uri, config=source.config)
        await storage.copy(f"{source.uri}/large", f"{target.uri}/again", config=source.config)
    assert (reads, lent) == ([], [])
    assert target.content() == {**TREE, "large": large, "again": large}


async def test_another_way_to_sign_in_means_another_service(
    seaweedfs: S3Service, make_bucket: MakeBucket, reads: list[str]
) -> None:
    """The identity that can read the source may not be allowed to write the destination."""
    bucket = make_bucket(seaweedfs)
    source, target = prefix(seaweedfs, bucket, "from"), prefix(seaweedfs, bucket, "to")
    source.put(TREE)
    reader = config_of(seaweedfs, seaweedfs.read_only)
    await AsyncStorage().copy(source.uri, target.uri, config=reader, dest_config=target.config)
    assert sorted(reads) == sorted(f"from/{path}" for path, data in TREE.items() if data)
    assert target.content() == TREE


@pytest.mark.parametrize(
    "services",
    ["seaweedfs to moto", "moto to seaweedfs", "seaweedfs to rclone_s3", "rclone_s3 to seaweedfs"],
    indirect=True,
)
async def test_between_two_services(
    services: tuple[S3Service, S3Service], make_bucket: MakeBucket, no_files: None, lent: list[int]
) -> None:
    """The bytes go through memory, within the budget, and never through a disk."""
    first, second = services
    source, target = prefix(first, make_bucket(first), "from"), prefix(second, make_bucket(second), "to")
    objects = {**TREE, "large": pattern(18 * MiB + 11), "other": pattern(6 * MiB)}
    source.put(objects)
    storage = AsyncStorage(Limits(memory=12 * MiB))
    assert (
        await storage.copy(source.uri, target.uri, config=source.config, dest_config=target.config) == f"{target.uri}/"
    )
    assert target.content() == objects
    assert 6 * MiB <= max(lent) <= 12 * MiB


@pytest.mark.parametrize(
    ("src", "dest"),
    [
        ("m", "m"), ("m", "m/"), ("m/", "m"), ("m", "m/below"), ("m/sub", "m"), ("m/sub", "m/"),
        ("m/a", "m/a"), ("m/a", "m/"), ("m/sub/b", "m/sub/"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["s3", "local"])
async def test_what_overlaps_is_refused(
    seaweedfs: S3Service, bucket: str, tmp_path: Path, scheme: str, src: str, dest: str
) -> None:
    store = directory(tmp_path) if scheme == "local" else prefix(seaweedfs, bucket, uuid.uuid4().hex)
    objects = {"m/a": b"a", "m/sub/b": b"b", "m/sub/sub/b": b"c"}
    store.put(objects)
    for dry_run in (True, False):
        with pytest.raises(InvalidConfig, match="overlap|the same"):
            await AsyncStorage().copy(f"{store.uri}/{src}", f"{store.uri}/{dest}", config=store.config, dry_run=dry_run)
    assert store.content() == objects


async def test_a_bucket_into_itself_is_refused(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    put_objects(seaweedfs, bucket, {"m/a": b"a"})
    for src, dest in (("", "m/"), ("m", ""), ("", "")):
        with pytest.raises(InvalidConfig, match="overlap"):
            await AsyncStorage().copy(f"s3://{bucket}/{src}", f"s3://{bucket}/{dest}", config=config)
    assert objects_in(seaweedfs, bucket) == {"m/a": b"a"}


@pytest.mark.parametrize("scheme", ["s3", "local"])
async def test_beside_the_source_is_no_overlap(seaweedfs: S3Service, bucket: str, tmp_path: Path, scheme: str) -> None:
    store = directory(tmp_path) if scheme == "local" else prefix(seaweedfs, bucket, uuid.uuid4().hex)
    store.put({"m/a": b"a", "m/sub/b": b"b"})
    async with AsyncStorage() as storage:
        await storage.copy(f"{store.uri}/m", f"{store.uri}/m-2", config=store.config)
        await storage.copy(f"{store.uri}/m/sub/b", f"{store.uri}/m/", config=store.config)
    assert store.content() == {"m/a": b"a", "m/b": b"b", "m/sub/b": b"b", "m-2/a": b"a", "m-2/sub/b": b"b"}


async def test_a_prefix_that_is_refused(ends: Ends, tmp_path: Path) -> None:
    source, target = ends
    before = all_in(tmp_path)
    with pytest.raises(InvalidConfig, match="is a prefix, not an object"):
        await AsyncStorage().copy(
            source.uri, target.uri, config=source.config, dest_config=target.config, recursive=False
        )
    assert target.content() == {}
    assert all_in(tmp_path) == before
    one = f"{source.uri}/config.json"
    await AsyncStorage().copy(one, f"{target.uri}/x", config=source.config, dest_config=target.config, recursive=False)
    assert target.content() == {"x": b"{}"}


async def test_a_dry_run_only_tells(ends: Ends, tmp_path: Path) -> None:
    source, target = ends
    before = all_in(tmp_path)
    events: list[Event] = []

    async def copy(src: str, dest: str) -> str:
        return await AsyncStorage().copy(
            src,
            dest,
            config=source.config,
            dest_config=target.config,
            dry_run=True,
            on_event=events.append,
            ignore_patterns="*.json",
        )

    where = await copy(source.uri, target.uri)
    assert where.rstrip("/") == target.uri
    told = {event.key.rpartition("from/")[2]: event.size for event in events}
    assert told == {path: len(data) for path, data in TREE.items() if path != "config.json"}
    assert await copy(f"{source.uri}/empty", f"{target.uri}/x") == f"{target.uri}/x"
    assert {event.kind for event in events} == {"listed"}
    assert events[-1].target.endswith("x")
    assert target.content() == {}
    assert all_in(tmp_path) == before


async def test_patterns(ends: Ends) -> None:
    source, target = ends
    async with AsyncStorage() as storage:
        for allow, ignore in (("weights/*", "*/deep/*"), (None, ["weights/*", "*.json"])):
            await storage.copy(
                source.uri,
                target.uri,
                config=source.config,
                dest_config=target.config,
                allow_patterns=allow,
                ignore_patterns=ignore,
            )
        assert set(target.content()) == {"weights/a.bin", "empty", ".hidden"}
        for src in (source.uri, f"{source.uri}/config.json"):
            with pytest.raises(ModelMissingError, match="patterns"):
                await storage.copy(
                    src, target.uri, config=source.config, dest_config=target.config, allow_patterns="*.onnx"
                )


async def test_nothing_there(ends: Ends, tmp_path: Path) -> None:
    source, target = ends
    before = all_in(tmp_path)
    with pytest.raises(ModelMissingError) as caught:
        await AsyncStorage().copy(f"{source.uri}/none", target.uri, config=source.config, dest_config=target.config)
    assert str(caught.value).startswith("copy ")
    assert "from/none" in str(caught.value)
    assert "to/where" in str(caught.value)
    assert target.content() == {}
    assert all_in(tmp_path) == before


async def test_to_a_bucket_that_does_not_exist(moto: S3Service, tmp_path: Path) -> None:
    """SeaweedFS would create the bucket."""
    directory(tmp_path).put(TREE)
    for src in (f"{tmp_path}", f"{tmp_path}/config.json"):
        with pytest.raises(ModelMissingError, match="there is no bucket 'no-such-bucket'"):
            await AsyncStorage().copy(src, "s3://no-such-bucket/x", dest_config=config_of(moto))


async def test_to_what_cannot_be_written(tmp_path: Path) -> None:
    directory(tmp_path).put(TREE)
    with pytest.raises(UnsupportedOperation):
        await AsyncStorage().copy(str(tmp_path), "https://example.com/x/")


MARKED = {"": b"", "void/": b"", "full/": b"", "full/x": b"x"}


@pytest.mark.parametrize(
    "services",
    ["moto to moto", "seaweedfs to moto", "moto to seaweedfs", "seaweedfs to seaweedfs"],
    indirect=True,
)
async def test_directory_markers_are_copied(services: tuple[S3Service, S3Service], make_bucket: MakeBucket) -> None:
    """All markers are copied but that of the prefix itself, which is not below the prefix."""
    first, second = services
    source, target = prefix(first, make_bucket(first), "from"), prefix(second, make_bucket(second), "to")
    source.put(MARKED)
    await AsyncStorage().copy(source.uri, target.uri, config=source.config, dest_config=target.config)
    assert target.content() == {path: data for path, data in MARKED.items() if path}


async def test_patterns_are_for_directory_markers_too(moto: S3Service, make_bucket: MakeBucket) -> None:
    source, target = prefix(moto, make_bucket(moto), "from"), prefix(moto, make_bucket(moto), "to")
    source.put(MARKED)
    await AsyncStorage().copy(
        source.uri, target.uri, config=source.config, dest_config=target.config, ignore_patterns="void*"
    )
    assert set(target.content()) == {"full/", "full/x"}


@pytest.mark.parametrize("same_service", [True, False])
async def test_keys_are_taken_verbatim(
    moto: S3Service, seaweedfs: S3Service, make_bucket: MakeBucket, same_service: bool
) -> None:
    source = prefix(moto, make_bucket(moto), "from")
    target = prefix(moto, make_bucket(moto), "to")
    config = source.config if same_service else replace(config_of(moto), session_token="another")
    objects = {key: key.encode() for key in ("a//b", "/lead", "a/./c", "a/../d", "tail ", "q?x#y", "%2F+", "ü", "*")}
    source.put(objects)
    async with AsyncStorage() as storage:
        await storage.copy(source.uri, target.uri, config=source.config, dest_config=config)
        assert target.content() == objects
        await storage.copy(f"{source.uri}/a//b", f"{target.uri}/x//y", config=source.config, dest_config=config)
    assert target.content() == {**objects, "x//y": b"a//b"}


async def test_an_object_that_has_gone_meanwhile(tmp_path: Path) -> None:
    class Vanishing(dict[str, bytes]):
        def get(self, key: str, default: object = None) -> bytes | None:  # type: ignore[override]
            return None if key == "m/gone" else super().get(key)

    with FakeS3({"b": Vanishing({"m/gone": b"gone", "m/there": b"there"})}) as server:
        with pytest.raises(ModelMissingError, match="m/gone"):
            await AsyncStorage().copy("s3://b/m", f"{tmp_path}/x", config=server.config)
    assert all_in(tmp_path) == set()


@pytest.mark.parametrize("path", ["config.json", ""])
async def test_copy_object(ends: Ends, path: str) -> None:
    source, target = ends
    events: list[Event] = []
    assert (
        await AsyncStorage().copy_object(
            f"{source.uri}/{path}",
            f"{target.uri}/x",
            config=source.config,
            dest_config=target.config,
            on_event=events.append,
        )
        is True
    )
    assert target.content() == ({"x": b"{}"} if path else {f"x/{name}": data for name, data in TREE.items()})
    assert {event.kind for event in events} == {"listed", "progress", "object"}
