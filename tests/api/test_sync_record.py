"""The transfers that `sync` records, and the files it considers equal without a common checksum."""

import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift import AsyncStorage, InvalidConfig, Limits, ServiceError, StorageError, Synced
from sealift.persist import sync_index
from sealift.types import KiB
from tests.api.helpers import files_in
from tests.api.servers import Asked, FakeS3, Reply, failure, pattern
from tests.api.stores import LONG_AGO, Store, directory, prefix, written_at
from tests.services.azurite import AzureService, new_container
from tests.services.gcs import GCSService
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.hub import FakeHub
from tests.services.s3 import MakeBucket, S3Service, client, put_objects

pytestmark = pytest.mark.anyio

TREE = {"config.json": b"{}", "weights/a.bin": pattern(1000), "weights/b.bin": pattern(12 * KiB)}
ALL, NOTHING = Synced(3, 0, 0), Synced(0, 3, 0)


@pytest.fixture
def local(tmp_path: Path) -> Store:
    """A directory that holds `TREE`."""
    store = directory(tmp_path / "local")
    store.put(TREE)
    return store


@pytest.fixture
def state(bare_environment: Path) -> Path:
    """The directory of the sync records."""
    return bare_environment / ".local" / "state" / "sealift" / "sync"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


async def synced(source: Store, target: Store, **options: object) -> Synced:
    return await AsyncStorage().sync(source.uri, target.uri, config=source.config, dest_config=target.config, **options)  # type: ignore[arg-type]


def rewritten(path: Path, data: bytes) -> None:
    """Change a file in place and restore its modification time, as `touch -r` and some tools do."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


async def test_there_and_back(moto: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    """Objects have no checksum to compare a file with."""
    bucket = make_bucket(moto)
    source, target = prefix(moto, bucket, "m"), directory(tmp_path / "to")
    put_objects(moto, bucket, {f"m/{path}": data for path, data in TREE.items()}, part_size=6 * KiB)
    assert await synced(source, target) == ALL
    assert await synced(source, target) == NOTHING
    assert await synced(target, source) == NOTHING
    assert await synced(target, prefix(moto, bucket, "other")) == ALL
    assert await synced(source, prefix(moto, bucket, "other")) == NOTHING  # both have the same bytes as the directory
    assert target.content() == TREE


async def test_one_source_and_many_copies(local: Store, tmp_path: Path) -> None:
    one, other = directory(tmp_path / "one"), directory(tmp_path / "other")
    assert await synced(local, one) == ALL
    assert await synced(local, other) == ALL
    for ends in ((local, one), (local, other), (one, other), (other, one)):
        assert await synced(*ends) == NOTHING
    local.put({"config.json": b"[]"})
    assert await synced(local, one) == Synced(1, 2, 0)
    assert await synced(other, one) == Synced(1, 2, 0)
    assert one.content() == TREE


async def test_to_and_from_google(gcs: GCSService, local: Store, tmp_path: Path) -> None:
    storage = AsyncStorage(environ={**os.environ, **gcs.environ})
    uri, back = f"gs://{new_gcs_bucket(gcs)}/m", tmp_path / "back"
    assert await storage.sync(local.uri, uri) == ALL
    assert await storage.sync(local.uri, uri) == NOTHING
    assert await storage.sync(uri, local.uri) == NOTHING
    assert await storage.sync(uri, str(back)) == ALL
    assert await storage.sync(str(back), uri) == NOTHING
    local.put({"config.json": b"[]"})
    assert await storage.sync(local.uri, uri) == Synced(1, 2, 0)
    assert await storage.sync(uri, str(back)) == Synced(1, 2, 0)
    assert files_in(back) == {**TREE, "config.json": b"[]"}


async def test_to_and_from_azure(azurite: AzureService, local: Store, tmp_path: Path) -> None:
    storage, config = AsyncStorage(), azurite.config()
    uri, back = f"azure://{new_container(azurite)}/m", tmp_path / "back"
    assert await storage.sync(local.uri, uri, config=config) == ALL
    assert await storage.sync(local.uri, uri, config=config) == NOTHING
    assert await storage.sync(uri, local.uri, config=config) == NOTHING
    assert await storage.sync(uri, str(back), config=config) == ALL
    local.put({"config.json": b"[]"})
    assert await storage.sync(local.uri, uri, config=config) == Synced(1, 2, 0)
    assert await storage.sync(uri, str(back), config=config) == Synced(1, 2, 0)
    assert files_in(back) == {**TREE, "config.json": b"[]"}


@pytest.mark.parametrize("changed", ["source", "destination"])
async def test_a_changed_file_whose_time_was_put_back_is_copied(local: Store, tmp_path: Path, changed: str) -> None:
    target = directory(tmp_path / "to")
    await synced(local, target)
    rewritten(Path((local if changed == "source" else target).uri, "config.json"), b"[]")
    assert await synced(local, target) == Synced(1, 2, 0)
    assert target.content() == local.content()


async def test_files_of_another_version_directory_are_copied(tmp_path: Path) -> None:
    """Two training runs have files with the same names, sizes and times."""
    one, two, target = (directory(tmp_path / name) for name in ("v1", "v2", "serving"))
    one.put({"model": b"v1"})
    two.put({"model": b"v2"})
    for store in (one, two):
        written_at(store.uri, LONG_AGO)
    for source in (one, two, one):
        assert await synced(source, target) == Synced(1, 0, 0)
        assert target.content() == source.content()


async def test_a_directory_that_takes_the_place_of_another(local: Store, tmp_path: Path) -> None:
    target, other = directory(tmp_path / "to"), directory(tmp_path / "other")
    await synced(local, target)
    other.put({path: bytes(reversed(data)) for path, data in TREE.items()})
    Path(target.uri).rename(tmp_path / "old")
    Path(other.uri).rename(target.uri)
    assert await synced(local, target) == ALL
    assert target.content() == TREE


async def test_other_owners_modes_and_times_are_no_other_bytes(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    """If a checksum is recorded, such a file is read and kept."""
    source, target = prefix(seaweedfs, make_bucket(seaweedfs), "m"), directory(tmp_path / "to")
    source.put(TREE)
    await synced(source, target)
    for path in TREE:
        Path(target.uri, path).chmod(0o640)
    written_at(target.uri, LONG_AGO)
    assert await synced(source, target) == NOTHING
    rewritten(Path(target.uri, "config.json"), b"[]")
    assert await synced(source, target) == Synced(1, 2, 0)
    assert target.content() == TREE


async def test_what_another_tool_has_copied_is_adopted_by_its_content(local: Store, tmp_path: Path) -> None:
    target = directory(tmp_path / "to")
    target.put(TREE)
    assert await synced(local, target, dry_run=True) == ALL
    assert await synced(local, target, checksum=True) == NOTHING
    assert await synced(local, target) == NOTHING
    assert await synced(target, local) == NOTHING


async def test_by_size_alone(local: Store, tmp_path: Path) -> None:
    target = directory(tmp_path / "to")
    target.put({**{path: bytes(len(data)) for path, data in TREE.items()}, "config.json": b"{...}"})
    assert await synced(local, target, size_only=True) == Synced(1, 2, 0)
    # Copies are recorded, but equal sizes are not recorded as equal bytes.
    assert await synced(local, target) == Synced(2, 1, 0)
    assert target.content() == TREE
    with pytest.raises(InvalidConfig, match="exclude each other"):
        await synced(local, target, size_only=True, checksum=True)


async def test_equal_names_at_two_services(seaweedfs: S3Service, moto: S3Service) -> None:
    """Two services may use the same bucket names, keys and versions."""
    name = f"same-name-{uuid.uuid4().hex}"
    for service, data in ((seaweedfs, b"one of them"), (moto, b"two of them")):
        client(service).create_bucket(Bucket=name)
        put_objects(service, name, {"m/a": data}, part_size=KiB)
    stores = [prefix(service, name, "m") for service in (seaweedfs, moto)]
    assert await synced(stores[0], stores[1]) == Synced(1, 0, 0)
    assert stores[1].content() == {"a": b"one of them"}
    put_objects(moto, name, {"m/a": b"two of them"}, part_size=KiB)
    assert await synced(stores[0], stores[1]) == Synced(1, 0, 0)
    assert await synced(stores[0], stores[1]) == Synced(0, 1, 0)


async def test_a_revision_with_the_same_files_copies_nothing(hub: FakeHub, tmp_path: Path) -> None:
    files = {"README.md": b"old", "config.json": b"{}", "model.safetensors": pattern(12 * KiB)}
    repo = hub.repo("owner/name", files)
    repo.commit(files, "v2")
    repo.commit({**files, "README.md": b"new"}, "v3")
    repo.commit({**files, "model.safetensors": bytes(12 * KiB)}, "v4")
    dest = str(tmp_path / "model")
    for revision, copied in (("main", 3), ("v2", 0), ("v3", 1), ("v4", 2), ("main", 1)):
        assert (await AsyncStorage().sync(f"hf://owner/name:{revision}", dest, config=hub.config)).copied == copied
        assert files_in(dest) == repo.files(revision)


async def test_what_landed_before_a_failure_is_recorded(tmp_path: Path) -> None:
    objects = {"m/a": b"aaaa", "m/b": b"bbbb", "m/c": b"cccc"}
    down = True

    def broken(asked: Asked) -> Reply | None:
        return failure(400, "Broken") if down and asked.path.endswith("/m/c") else None

    with FakeS3({"b": objects}, instead=broken) as server:
        dest = tmp_path / "there"
        dest.mkdir()
        with pytest.raises(ServiceError):
            await AsyncStorage(Limits(connections=1)).sync("s3://b/m", str(dest), config=server.config)
        down = False
        assert await AsyncStorage().sync("s3://b/m", str(dest), config=server.config) == Synced(1, 2, 0)
        assert await AsyncStorage().sync("s3://b/m", str(dest), config=server.config) == NOTHING


async def test_without_a_place_for_the_record_all_is_copied(local: Store, tmp_path: Path) -> None:
    target, storage = directory(tmp_path / "to"), AsyncStorage(environ={})
    for _ in range(2):
        assert await storage.sync(local.uri, target.uri) == ALL
    assert target.content() == TREE


@pytest.mark.parametrize("trouble", ["damaged", "locked", "a file", "others can write", "full"])
async def test_a_record_that_cannot_be_used_costs_copies_and_a_warning(
    local: Store,
    tmp_path: Path,
    state: Path,
    trouble: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    target = directory(tmp_path / "to")
    await synced(local, target)
    (path,) = state.iterdir()
    other = sqlite3.connect(path, isolation_level=None)
    if trouble == "damaged":
        path.write_bytes(b"no database")
    elif trouble == "locked":
        monkeypatch.setattr(sync_index, "_BUSY_TIMEOUT", 0.0)
        other.execute("BEGIN EXCLUSIVE")
    elif trouble == "a file":
        path.unlink()
        state.rmdir()
        state.write_bytes(b"")
    elif trouble == "others can write":
        state.chmod(0o777)
    else:
        monkeypatch.setattr(
            sync_index, "_SCHEMA", f"PRAGMA max_page_count = 1; {sync_index._SCHEMA} CREATE TABLE more (a);"
        )
    local.put({"config.json": b"[]"})
    try:
        done = await synced(local, target)
    finally:
        other.close()
    assert done in (ALL, Synced(1, 2, 0))
    assert done == ALL or trouble == "full"
    assert target.content() == local.content()
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "may copy more than necessary" in warning.getMessage()


async def test_a_dry_run_records_nothing(local: Store, tmp_path: Path, state: Path) -> None:
    assert await synced(local, directory(tmp_path / "to"), dry_run=True) == ALL
    assert not state.exists()


async def test_a_failed_sync_to_a_new_directory_goes_on(tmp_path: Path) -> None:
    """Files finished by an earlier run count as copied."""
    objects = {f"m/{name}": pattern(300 * KiB) for name in "abcd"}
    down = True

    def broken(asked: Asked) -> Reply | None:
        return failure(400, "Broken") if down and asked.path.endswith("/m/d") else None

    with FakeS3({"b": objects}, instead=broken) as server:
        with pytest.raises(StorageError):
            await AsyncStorage().sync("s3://b/m", str(tmp_path / "to"), config=server.config)
        down = False
        assert await AsyncStorage().sync("s3://b/m", str(tmp_path / "to"), config=server.config) == Synced(4, 0, 0)
        assert await AsyncStorage().sync("s3://b/m", str(tmp_path / "to"), config=server.config) == Synced(0, 4, 0)
