"""Files of the cache that were changed, lost or damaged."""

import json
import os
from pathlib import Path

import pytest

from sealift import Storage
from sealift.cache.directory import CacheDirectory
from sealift.cache.maintenance import verify
from tests.api.helpers import files_in
from tests.api.servers import FakeS3

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
    assert {each.result for each in verify(cache)} == {"intact"}


def test_after_a_crash_of_the_machine_unsynced_bytes_are_not_trusted(server: FakeS3, cache_directory: Path) -> None:
    """Bytes that the disk may have lost are downloaded again, though size and time of the file are right."""
    root = Path(Storage.download("s3://b/iris/", config=server.config))
    snapshot = snapshot_of(str(root), cache_directory)
    path = cache_directory / f"v1/manifests/{snapshot}.json"
    wait_for_sync(path)
    facts = json.loads(path.read_bytes())
    path.write_text(json.dumps(facts | {"boot": "the boot before", "created": 1.0}))
    damage(root / "model.bin", hidden=True)
    for boot in (cache_directory / "v1/boots").iterdir():
        boot.unlink()
    assert files_in(Storage.download("s3://b/iris/", config=server.config)) == IRIS
    assert Path(Storage.download("s3://b/copy/model.bin", config=server.config)).read_bytes() == MODEL


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
