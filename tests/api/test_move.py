"""`move`: everything is copied and verified, then what was copied is deleted; on one disk it is renamed."""

import asyncio
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from sealift import (
    AsyncStorage,
    Event,
    IncompleteError,
    InvalidConfig,
    Limits,
    ModelMissingError,
    ServiceError,
    Storage,
    StorageError,
    UnsupportedOperation,
)
from sealift.types import MiB
from tests.api.helpers import all_in, config_of, files_in
from tests.api.servers import Asked, Reply, failure, pattern
from tests.api.stores import Store, directory, objects_in, prefix
from tests.api.writable import WritableS3, always
from tests.services.azurite import AzureService, new_container
from tests.services.azurite import get_objects as get_azure
from tests.services.azurite import put_objects as put_azure
from tests.services.gcs import GCSService
from tests.services.gcs import get_objects as get_gcs
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.gcs import put_objects as put_gcs
from tests.services.s3 import MakeBucket, S3Service, client, new_bucket, put_objects

pytestmark = pytest.mark.anyio

OBJECTS = {"a": b"aaa", "deep/b": pattern(6 * MiB), "deep/er/c": b"", "d.json": b"{}"}


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    return new_bucket(seaweedfs, "move")


@pytest.fixture
def make(seaweedfs: S3Service, bucket: str, tmp_path: Path) -> Callable[[str], Store]:
    """Makes an empty store: a local directory or a prefix."""

    def make(kind: str) -> Store:
        name = uuid.uuid4().hex
        return directory(tmp_path / name) if kind == "local" else prefix(seaweedfs, bucket, name)

    return make


KINDS = [("s3", "s3"), ("s3", "local"), ("local", "s3"), ("local", "local")]


@pytest.mark.parametrize(("source", "target"), KINDS)
async def test_a_prefix(make: Callable[[str], Store], source: str, target: str) -> None:
    src, dest, beside = make(source), make(target), make(source)
    src.put(OBJECTS)
    beside.put({"x": b"x"})
    events: list[Event] = []
    config = src.config or dest.config
    moved = await AsyncStorage().move(src.uri, dest.uri, config=config, on_event=events.append)
    assert moved.rstrip("/") == dest.uri
    assert dest.content() == OBJECTS
    assert src.content() == {}
    assert beside.content() == {"x": b"x"}
    assert not await AsyncStorage().exists(f"{src.uri}/", config=src.config)
    assert sum(event.kind == "object" for event in events) == len(OBJECTS)
    assert sum(event.kind == "deleted" for event in events) == len(OBJECTS)


@pytest.mark.parametrize(("source", "target"), KINDS)
async def test_an_object(make: Callable[[str], Store], source: str, target: str) -> None:
    src, dest = make(source), make(target)
    src.put(OBJECTS)
    config = src.config or dest.config
    moved = await AsyncStorage().move(f"{src.uri}/a", f"{dest.uri}/new/name", config=config)
    assert moved == f"{dest.uri}/new/name"
    assert (
        await AsyncStorage().move(f"{src.uri}/d.json", f"{dest.uri}/into/", config=config) == f"{dest.uri}/into/d.json"
    )
    assert dest.content() == {"new/name": b"aaa", "into/d.json": b"{}"}
    assert src.content().keys() == {"deep/b", "deep/er/c"}


@pytest.mark.parametrize(("source", "target"), KINDS)
async def test_patterns(make: Callable[[str], Store], source: str, target: str) -> None:
    src, dest = make(source), make(target)
    src.put(OBJECTS)
    config = src.config or dest.config
    await AsyncStorage().move(src.uri, dest.uri, config=config, ignore_patterns="deep/*")
    assert dest.content().keys() == {"a", "d.json"}
    assert src.content().keys() == {"deep/b", "deep/er/c"}


@pytest.mark.parametrize(("source", "target"), KINDS)
async def test_a_dry_run_changes_nothing(make: Callable[[str], Store], source: str, target: str) -> None:
    src, dest = make(source), make(target)
    src.put(OBJECTS)
    events: list[Event] = []
    config = src.config or dest.config
    await AsyncStorage().move(src.uri, dest.uri, config=config, dry_run=True, on_event=events.append)
    assert src.content() == OBJECTS
    assert dest.content() == {}
    assert {event.kind for event in events} == {"listed"}


async def test_into_a_directory_that_exists(make: Callable[[str], Store]) -> None:
    src, dest = make("local"), make("local")
    src.put(OBJECTS)
    dest.put({"a": b"old", "kept": b"kept"})
    await AsyncStorage().move(src.uri, dest.uri)
    assert dest.content() == {**OBJECTS, "kept": b"kept"}
    assert not os.path.lexists(src.uri)


async def test_what_was_replaced_meanwhile_stays(tmp_path: Path) -> None:
    """Here, after it was copied."""

    def on_event(event: Event) -> None:
        if event.kind == "object" and event.key == "m/a":
            server.replace("b", "m/a", b"new")

    with WritableS3() as server:
        for key, data in (("m/a", b"old"), ("m/b", b"b")):
            server.replace("b", key, data)
        with pytest.raises(IncompleteError, match="a: it was replaced after it was copied") as caught:
            await AsyncStorage().move("s3://b/m", str(tmp_path / "d"), config=server.config, on_event=on_event)
        assert [skipped.key for skipped in caught.value.skipped] == ["m/a"]
        assert server.objects["b"]["m/a"] == b"new"
        deleted = [asked.path for asked in server.asked if asked.method == "DELETE"]
        assert deleted == ["/b/m/b"]
    assert files_in(tmp_path / "d") == {"a": b"old", "b": b"b"}


async def test_a_local_file_that_was_replaced_meanwhile_stays(
    seaweedfs: S3Service, bucket: str, tmp_path: Path
) -> None:
    src, dest = directory(tmp_path / "src"), prefix(seaweedfs, bucket, uuid.uuid4().hex)
    src.put({"a": b"old", "b": b"b"})

    def on_event(event: Event) -> None:
        if event.kind == "object" and event.key.endswith("/a"):
            os.utime(tmp_path / "src/a", (1, 1))  # as if it had been written again

    with pytest.raises(IncompleteError, match="was replaced after it was copied"):
        await AsyncStorage().move(src.uri, dest.uri, config=dest.config, on_event=on_event)
    assert src.content() == {"a": b"old"}
    assert dest.content() == {"a": b"old", "b": b"b"}


async def test_if_the_copy_fails_nothing_is_deleted() -> None:
    def is_copy_of_b(asked: Asked) -> bool:
        return asked.method == "PUT" and asked.path.endswith("/to/b")

    with WritableS3(instead=always(is_copy_of_b, lambda asked: failure(400, "Broken"))) as server:
        for key in ("from/a", "from/b"):
            server.replace("b", key, b"x")
        with pytest.raises(ServiceError, match="400 Broken"):
            await AsyncStorage(Limits(attempts=1)).move("s3://b/from", "s3://b/to", config=server.config)
        assert {"from/a", "from/b"} <= server.objects["b"].keys()
        assert not [asked for asked in server.asked if asked.method == "DELETE"]


async def test_an_object_that_cannot_be_deleted_is_reported() -> None:
    """Services that do not know conditional deletions are asked again without the condition."""
    conditions: list[str | None] = []

    def instead(asked: Asked) -> Reply | None:
        if asked.method != "DELETE":
            return None
        conditions.append(asked.headers.get("if-match"))
        if "if-match" in asked.headers:
            return failure(501, "NotImplemented")
        if asked.path.endswith("/a"):
            return failure(403, "AccessDenied")
        kept = {key: data for key, data in server.objects["b"].items() if f"/b/{key}" != asked.path}
        server.objects["b"] = kept
        return Reply(204)

    with WritableS3(instead=instead) as server:
        for key in ("from/a", "from/b"):
            server.replace("b", key, key.encode())
        with pytest.raises(
            IncompleteError, match="copied everything, but could not delete everything: a: no permission"
        ):
            await AsyncStorage(Limits(attempts=1)).move("s3://b/from", "s3://b/to", config=server.config)
        assert server.objects["b"].keys() == {"from/a", "to/a", "to/b"}
    assert len(conditions) == 4
    assert conditions.count(None) == 2


async def test_directory_markers_go_too(moto: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(moto)
    put_objects(moto, bucket, {"m/": b"", "m/void/": b"", "m/x": b"x"})
    await AsyncStorage().move(f"s3://{bucket}/m/", f"s3://{bucket}/n/", config=config_of(moto))
    assert set(objects_in(moto, bucket)) == {"n/void/", "n/x"}


async def test_an_interrupted_move_is_completed_by_the_next(seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    """Files that were downloaded by the first call are deleted by the second one, too."""
    name, calls = uuid.uuid4().hex, 0
    put_objects(seaweedfs, bucket, {f"{name}/{number:03}": pattern(100 + number) for number in range(50)})

    def on_event(event: Event) -> None:
        nonlocal calls
        calls += event.kind == "object"
        if calls == 20:
            call.cancel()

    uri, dest = f"s3://{bucket}/{name}", str(tmp_path / "d")
    moving = AsyncStorage().move(uri, dest, config=config_of(seaweedfs), on_event=on_event)
    call = asyncio.ensure_future(moving)
    with pytest.raises(asyncio.CancelledError):
        await call
    await AsyncStorage().move(uri, dest, config=config_of(seaweedfs))
    assert len(files_in(dest)) == 50
    assert objects_in(seaweedfs, bucket, f"{name}/") == {}


async def test_google(gcs: GCSService, tmp_path: Path) -> None:
    bucket = new_gcs_bucket(gcs, "move")
    put_gcs(gcs, bucket, {"m/a": b"a", "m/deep/b": b"b", "n": b"n"})
    storage = AsyncStorage(environ=gcs.environ)
    await storage.move(f"gs://{bucket}/m", f"gs://{bucket}/to")
    assert get_gcs(gcs, bucket) == {"to/a": b"a", "to/deep/b": b"b", "n": b"n"}
    await storage.move(f"gs://{bucket}/to/a", str(tmp_path / "a"))
    assert get_gcs(gcs, bucket) == {"to/deep/b": b"b", "n": b"n"}


async def test_azure(azurite: AzureService, tmp_path: Path) -> None:
    container = new_container(azurite)
    put_azure(azurite, container, {"m/a": b"a", "m/deep/b": b"b", "n": b"n"})
    await AsyncStorage().move(f"azure://{container}/m", f"azure://{container}/to", config=azurite.config())
    assert get_azure(azurite, container) == {"to/a": b"a", "to/deep/b": b"b", "n": b"n"}
    await AsyncStorage().move(f"azure://{container}/to/a", str(tmp_path / "a"), config=azurite.config())
    assert get_azure(azurite, container) == {"to/deep/b": b"b", "n": b"n"}


@pytest.mark.parametrize(("source", "target"), [("s3", "s3"), ("local", "local")])
async def test_what_is_refused(make: Callable[[str], Store], source: str, target: str) -> None:
    src, dest = make(source), make(target)
    src.put(OBJECTS)
    async with AsyncStorage() as storage:
        for to in (src.uri, f"{src.uri}/below"):
            with pytest.raises(InvalidConfig):
                await storage.move(src.uri, to, config=src.config)
        with pytest.raises(InvalidConfig):
            await storage.move(f"{src.uri}/a", f"{src.uri}/a", config=src.config)
        with pytest.raises(InvalidConfig, match="pass recursive=True"):
            await storage.move(src.uri, dest.uri, config=src.config, recursive=False)
        with pytest.raises(ModelMissingError):
            await storage.move(f"{src.uri}/missing", dest.uri, config=src.config)
    assert src.content() == OBJECTS


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/k", "hf://owner/name/k"])
async def test_a_source_that_cannot_be_written(uri: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperation, match="can only be read"):
        await AsyncStorage().move(uri, str(tmp_path / "k"))


class TestRenaming:
    async def test_the_same_files(self, tmp_path: Path) -> None:
        """They keep their inodes, permissions and times."""
        src, dest = tmp_path / "src", tmp_path / "new/dest"
        directory(src).put(OBJECTS)
        (src / "a").chmod(0o600)
        (src / "empty").mkdir()
        before = {name: (src / name).stat() for name in OBJECTS}
        assert await AsyncStorage().move(str(src), str(dest)) == str(dest)
        after = {name: (dest / name).stat() for name in OBJECTS}
        facts = [[(each.st_ino, each.st_mode, each.st_mtime_ns) for each in all_.values()] for all_ in (before, after)]
        assert facts[0] == facts[1]
        assert (dest / "empty").is_dir()
        assert all_in(tmp_path) >= {"new", "new/dest"}
        assert not src.exists()

    @pytest.mark.parametrize("durability", ["rename", "fsync"])
    async def test_a_file(self, tmp_path: Path, durability: str) -> None:
        (tmp_path / "a").write_bytes(b"new")
        (tmp_path / "b").write_bytes(b"old")
        inode = (tmp_path / "a").stat().st_ino
        storage = AsyncStorage()
        assert await storage.move(f"{tmp_path}/a", f"{tmp_path}/b", durability=durability) == f"{tmp_path}/b"  # type: ignore[arg-type]
        assert ((tmp_path / "b").read_bytes(), (tmp_path / "b").stat().st_ino) == (b"new", inode)
        (tmp_path / "d").mkdir()
        assert await storage.move(f"{tmp_path}/b", f"{tmp_path}/d", durability=durability) == f"{tmp_path}/d/b"  # type: ignore[arg-type]
        assert all_in(tmp_path) == {"d", "d/b"}

    async def test_links_are_moved_not_followed(self, tmp_path: Path) -> None:
        directory(tmp_path).put({"real/a": b"a", "file": b"f"})
        for name, to in (("link", "real"), ("filelink", "file")):
            (tmp_path / name).symlink_to(to)
            await AsyncStorage().move(f"{tmp_path}/{name}", f"{tmp_path}/{name}-2")
            assert os.readlink(tmp_path / f"{name}-2") == to
            assert not os.path.lexists(tmp_path / name)
        assert (tmp_path / "real/a").read_bytes() == b"a"

    async def test_to_another_file_system(self, tmp_path: Path) -> None:
        shared = Path("/dev/shm") / f"sealift-{uuid.uuid4().hex}"
        assert os.stat("/dev/shm").st_dev != tmp_path.stat().st_dev
        try:
            directory(tmp_path / "src").put(OBJECTS)
            await AsyncStorage().move(f"{tmp_path}/src", str(shared))
            assert files_in(shared) == OBJECTS
            assert not (tmp_path / "src").exists()
            await AsyncStorage().move(f"{shared}/a", f"{tmp_path}/a")
            assert (tmp_path / "a").read_bytes() == b"aaa"
            assert not (shared / "a").exists()
        finally:
            shutil.rmtree(shared)

    async def test_pipes_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"a")
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(StorageError, match="named pipe"):
            await AsyncStorage().move(f"{tmp_path}/a", f"{tmp_path}/pipe")
        with pytest.raises(InvalidConfig, match="keeps temporary files"):
            await AsyncStorage().move(f"{tmp_path}/a", f"{tmp_path}/.sealift")
        assert (tmp_path / "a").exists()

    def test_without_a_loop(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"a")
        assert Storage.move(f"{tmp_path}/a", f"{tmp_path}/b") == f"{tmp_path}/b"


def test_versions_of_s3_are_compared(moto: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(moto)
    client(moto).put_object(Bucket=bucket, Key="k", Body=b"x")
    Storage.move(f"s3://{bucket}/k", str(tmp_path / "k"), config=config_of(moto))
    assert objects_in(moto, bucket) == {}
