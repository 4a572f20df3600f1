"""Files of the cache that were changed, lost or damaged."""

import json
import os
from pathlib import Path

import pytest

from sealift import Storage
from sealift.cache import eviction
from sealift.cache.directory import CacheDirectory
from sealift.cache.maintenance import verify
from tests.api.helpers import files_in
from tests.api.servers import FakeS3, Reply
from tests.facade.scripts import run

from .conftest import OBJECTS
from .reading import bodies, inode, snapshot_of, snapshots
from .test_download import IRIS

MODEL = OBJECTS["iris/model.bin"]


def damage(path: Path, *, hidden: bool = False) -> None:
    """Change a byte; hidden: without any trace."""
    before = path.stat()
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\xff")
    if hidden:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_that_was_changed_is_replaced(server: FakeS3) -> None:
    root = Path(Storage.download("s3://b/iris/", config=server.config))
    damage(root / "model.bin")
    (root / "config.json").unlink()
    (root / "mine").write_bytes(b"no part of it")
    assert Storage.download("s3://b/iris/", config=server.config) == str(root)
    assert {**files_in(root), "mine": b""} == {**IRIS, "mine": b""}
    assert bodies(server).count("iris/model.bin") == 2
    assert bodies(server).count("iris/deep/vocab.json") == 1
    assert Path(Storage.download("s3://b/copy/model.bin", config=server.config)).read_bytes() == MODEL


def test_verify_finds_what_left_no_trace(server: FakeS3, cache_directory: Path) -> None:
    root = Path(Storage.download("s3://b/iris/", config=server.config))
    other = Path(Storage.download("s3://b/copy/model.bin", config=server.config))
    assert inode(root / "model.bin") == inode(other)
    damage(root / "model.bin", hidden=True)
    (root / "config.json").unlink()
    cache = CacheDirectory(str(cache_directory))
    found = {os.path.relpath(each.path, cache.file("snapshots")): each.result for each in verify(cache)}
    results = {name.partition("/")[2]: result for name, result in found.items()}
    assert results["deep/vocab.json"] == "intact"
    assert results["config.json"] == "missing"
    assert list(found.values()).count("damaged") == 2, "both names of the file"
    assert not (root / "model.bin").exists()
    assert [path.name for path in (cache_directory / "v1/damaged").rglob("*") if path.is_file()] == ["model.bin"] * 2
    assert files_in(Storage.download("s3://b/iris/", config=server.config)) == IRIS
    assert Path(Storage.download("s3://b/copy/model.bin", config=server.config)).read_bytes() == MODEL
    assert {each.result for each in verify(cache) if not each.path.endswith("/empty")} == {"intact"}


@pytest.mark.parametrize("lost", [False, True])
def test_after_a_crash_of_the_machine_unsynced_bytes_are_not_trusted(
    server: FakeS3, cache_directory: Path, lost: bool
) -> None:
    """Bytes that the disk may have lost are downloaded again, though size and time of the file are right.

    The record of the files may be lost, too.
    """
    root = Path(Storage.download("s3://b/iris/", config=server.config))
    snapshot = snapshot_of(str(root), cache_directory)
    path = cache_directory / f"v1/manifests/{snapshot}.json"
    wait_for_sync(path)
    facts = json.loads(path.read_bytes())
    path.write_text("" if lost else json.dumps(facts | {"boot": "the boot before", "created": 1.0}))
    damage(root / "model.bin", hidden=True)
    for boot in (cache_directory / "v1/boots").iterdir():
        boot.unlink()
    assert files_in(Storage.download("s3://b/iris/", config=server.config)) == IRIS
    assert Path(Storage.download("s3://b/copy/model.bin", config=server.config)).read_bytes() == MODEL


def test_a_process_that_ends_before_its_download_is_on_the_disk(
    server: FakeS3, here: Path, cache_directory: Path
) -> None:
    """The next use syncs it."""
    program = """
        import threading, sealift.cache.fill, sealift.cache.syncing
        sealift.cache.syncing.sync_tree = lambda *args, **kwargs: threading.Event().wait()
        with Storage.cached("s3://b/iris/", config=config) as path:
            say(path)
    """
    status, (path,), complaints = run(program, here, server, environ={"SEALIFT_CACHE": str(cache_directory)})
    assert (status, complaints) == (0, "")
    manifest = cache_directory / f"v1/manifests/{snapshot_of(path, cache_directory)}.json"
    assert json.loads(manifest.read_bytes())["boot"] != ""
    server.asked.clear()
    assert Storage.download("s3://b/iris/", config=server.config) == path
    assert bodies(server) == []
    wait_for_sync(manifest)


def wait_for_sync(manifest: Path) -> None:
    """Wait until the files are on the disk."""
    import time

    end = time.monotonic() + 30
    while json.loads(manifest.read_bytes())["boot"]:
        assert time.monotonic() < end, "it was never synced"
        time.sleep(0.01)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"uri": 1}'])
def test_a_damaged_record_costs_a_request_or_a_download(server: FakeS3, cache_directory: Path, content: bytes) -> None:
    Storage.download("s3://b/iris/", config=server.config)
    for kind in ("manifests", "requests"):
        for record in (cache_directory / "v1" / kind).iterdir():
            record.write_bytes(content)
    assert files_in(Storage.download("s3://b/iris/", config=server.config)) == IRIS
    assert files_in(Storage.download("s3://b/iris/", config=server.config, offline=True)) == IRIS


def test_the_cache_was_removed(server: FakeS3, cache_directory: Path) -> None:
    """By somebody who does not know that this process uses it."""
    import shutil

    Storage.download("s3://b/iris/", config=server.config)
    shutil.rmtree(cache_directory)
    assert files_in(Storage.download("s3://b/iris/", config=server.config)) == IRIS
    (snapshot,) = snapshots(cache_directory)
    assert len(os.listdir(cache_directory / "v1/leases" / snapshot)) == 1


def test_durable(server: FakeS3, cache_directory: Path) -> None:
    path = Storage.download("s3://b/iris/", config=server.config, durability="fsync")
    facts = json.loads((cache_directory / f"v1/manifests/{snapshot_of(path, cache_directory)}.json").read_bytes())
    assert facts["boot"] == ""


def test_an_etag_that_is_not_an_md5_is_no_damage(cache_directory: Path) -> None:
    """Such is that of an object that is encrypted with a KMS key."""
    data = b"x" * 5000
    encrypted = {
        "ETag": f'"{"a" * 32}"',
        "x-amz-server-side-encryption": "aws:kms",
        "Last-Modified": "Tue, 01 Sep 2020 10:20:30 GMT",
    }
    with FakeS3({"b": {"m": data}}, instead=lambda asked: Reply(200, data, encrypted)) as server:
        path = Path(Storage.download("s3://b/m", config=server.config))
    cache = CacheDirectory(str(cache_directory))
    assert [each.result for each in verify(cache)] == ["recorded"]
    assert [each.result for each in verify(cache)] == ["intact"]
    damage(path, hidden=True)
    assert [each.result for each in verify(cache)] == ["damaged"]


def test_what_is_verified_stays(server: FakeS3, cache_directory: Path) -> None:
    """What is evicted while the rest is read is not missing."""
    for key in ("iris/config.json", "copy/model.bin"):
        with Storage.cached(f"s3://b/{key}", config=server.config):
            pass
    cache = CacheDirectory(str(cache_directory))
    kept, gone = (snapshot for _, snapshot in eviction.snapshots(cache))
    checking = verify(cache)
    assert next(checking).result == "intact"
    assert not eviction.evict(cache, kept)
    assert eviction.evict(cache, gone)
    assert list(checking) == []
    assert eviction.evict(cache, kept)
