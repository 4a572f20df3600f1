"""A download repeated with complete files costs a listing or a HEAD, and no body; a changed file is fetched again."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, Event, Limits
from sealift.backends.local import origins
from sealift.types import KiB
from tests.api.helpers import all_in, config_of, files_in
from tests.api.servers import FakeS3, pattern
from tests.services.s3 import MakeBucket, S3Service, put_objects

pytestmark = pytest.mark.anyio

PART = 256 * KiB
TREE = {"config.json": b"{}", "deep/weights": pattern(3 * PART), "empty": b""}
OBJECTS = {f"p/{path}": data for path, data in TREE.items()}
LIMITS = Limits(part_size=PART, attempts=1)


def bodies(server: FakeS3, since: int) -> list[str]:
    """Keys of the bodies requested, without repetitions."""
    asked = [each for each in server.asked[since:] if each.method == "GET" and not each.query.get("list-type")]
    return sorted({each.path.removeprefix("/b/") for each in asked})


async def fetched(server: FakeS3, uri: str, dest: Path, **options: Any) -> list[str]:
    """Download, and return the keys whose bodies were requested."""
    since = len(server.asked)
    await AsyncStorage(LIMITS).download(uri, dest, config=server.config, **options)
    return bodies(server, since)


@pytest.mark.parametrize("existed", [True, False], ids=["into an existing directory", "to a new directory"])
async def test_a_prefix(tmp_path: Path, existed: bool) -> None:
    dest = tmp_path / "models"
    if existed:
        dest.mkdir()
    events: list[Event] = []
    with FakeS3({"b": OBJECTS}) as server:
        assert await fetched(server, "s3://b/p/", dest) == ["p/config.json", "p/deep/weights"]
        since = len(server.asked)
        assert await fetched(server, "s3://b/p/", dest, on_event=events.append) == []
        assert [each.query.get("list-type") for each in server.asked[since:]] == ["2"]
    assert files_in(dest) == TREE
    assert all_in(tmp_path) == {"models", *(f"models/{path}" for path in {*TREE, "deep"})}
    size = sum(map(len, TREE.values()))
    for kind in ("listed", "resumed", "progress"):
        assert sum(event.size for event in events if event.kind == kind) == size
    assert sum(event.kind == "object" for event in events) == len(TREE)


@pytest.mark.parametrize("size", [PART, 3 * PART], ids=["one part", "several parts"])
async def test_an_object(tmp_path: Path, size: int) -> None:
    with FakeS3({"b": {"m": pattern(size)}}) as server:
        assert await fetched(server, "s3://b/m", tmp_path / "m") == ["m"]
        since = len(server.asked)
        assert await fetched(server, "s3://b/m", tmp_path / "m") == []
        assert [each.method for each in server.asked[since:]] == ["HEAD"]
    assert files_in(tmp_path) == {"m": pattern(size)}


def overwritten(path: Path) -> None:
    path.write_bytes(bytes(reversed(path.read_bytes())))


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def copied(path: Path) -> None:
    """A copy with its times and attributes, such as a backup restores, may be of another version."""
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    os.setxattr(copy, "user.sealift.origin", os.getxattr(path, "user.sealift.origin"))
    os.utime(copy, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    copy.replace(path)


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


CHANGES: list[Callable[[Path], None]] = [overwritten, truncated, Path.touch, copied, linked, Path.unlink]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("path", ["config.json", "deep/weights"])
async def test_a_file_that_was_changed(tmp_path: Path, change: Callable[[Path], None], path: str) -> None:
    with FakeS3({"b": OBJECTS}) as server:
        await fetched(server, "s3://b/p/", tmp_path)
        change(tmp_path / path)
        assert await fetched(server, "s3://b/p/", tmp_path) == [f"p/{path}"]
        assert await fetched(server, "s3://b/p/", tmp_path) == []
    assert files_in(tmp_path).items() >= TREE.items()


async def test_an_object_that_was_changed(tmp_path: Path) -> None:
    with FakeS3({"b": OBJECTS}) as server:
        await fetched(server, "s3://b/p/", tmp_path)
        server.replace("b", "p/config.json", b"[]")
        assert await fetched(server, "s3://b/p/", tmp_path) == ["p/config.json"]
    assert files_in(tmp_path)["config.json"] == b"[]"


async def test_the_same_key_of_another_bucket(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": b"one"}, "c": {"m": b"one"}}) as server:
        await fetched(server, "s3://b/m", tmp_path / "m")
        since = len(server.asked)
        await fetched(server, "s3://c/m", tmp_path / "m")
        assert [each.method for each in server.asked[since:]] == ["HEAD", "GET"]


async def test_with_another_verification(tmp_path: Path) -> None:
    """The bytes may not have been compared with a checksum."""
    with FakeS3({"b": {"m": b"one"}}) as server:
        await fetched(server, "s3://b/m", tmp_path / "m", verify=False)
        assert await fetched(server, "s3://b/m", tmp_path / "m") == ["m"]
        assert await fetched(server, "s3://b/m", tmp_path / "m") == []


async def test_a_directory_that_was_moved(tmp_path: Path) -> None:
    with FakeS3({"b": OBJECTS}) as server:
        await fetched(server, "s3://b/p/", tmp_path / "one")
        (tmp_path / "one").rename(tmp_path / "two")
        assert await fetched(server, "s3://b/p/", tmp_path / "two") == []


@pytest.mark.parametrize(("durability", "again"), [("rename", ["m"]), ("fsync", [])])
async def test_after_a_crash_of_the_machine_only_synced_files_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, again: list[str]
) -> None:
    with FakeS3({"b": {"m": b"one"}}) as server:
        await fetched(server, "s3://b/m", tmp_path / "m", durability=durability)
        boot = tmp_path / "boot_id"
        boot.write_text("another\n")
        monkeypatch.setattr(origins, "_BOOT_ID", str(boot))
        assert await fetched(server, "s3://b/m", tmp_path / "m") == again


@pytest.mark.parametrize(("reason", "level"), [(errno.EOPNOTSUPP, "INFO"), (errno.ENOSPC, "WARNING")])
async def test_where_files_have_no_extended_attributes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, reason: int, level: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(reason, os.strerror(reason))

    caplog.set_level("INFO", "sealift.backends.local.origins")

    monkeypatch.setattr(os, "setxattr", refuse)
    with FakeS3({"b": OBJECTS}) as server:
        await fetched(server, "s3://b/p/", tmp_path)
        assert await fetched(server, "s3://b/p/", tmp_path) == ["p/config.json", "p/deep/weights"]
    assert files_in(tmp_path) == TREE
    logged = {record.levelname for record in caplog.records if "files cannot be marked" in record.getMessage()}
    assert logged == {level}


async def test_with_other_patterns(tmp_path: Path) -> None:
    with FakeS3({"b": OBJECTS}) as server:
        await fetched(server, "s3://b/p/", tmp_path, ignore_patterns=["config.json"])
        assert await fetched(server, "s3://b/p/", tmp_path) == ["p/config.json"]


async def test_a_sync_that_compares_checksums_copies_what_differs(tmp_path: Path) -> None:
    """A file whose bytes were changed behind its time is found by its content."""
    with FakeS3({"b": {"p/m": b"one"}}) as server:
        storage = AsyncStorage(LIMITS)
        await storage.sync("s3://b/p/", str(tmp_path), config=server.config)
        before = (tmp_path / "m").stat()
        (tmp_path / "m").write_bytes(b"two")
        os.utime(tmp_path / "m", ns=(before.st_atime_ns, before.st_mtime_ns))
        await storage.sync("s3://b/p/", str(tmp_path), config=server.config, checksum=True)
    assert files_in(tmp_path) == {"m": b"one"}


async def test_a_real_service(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {f"p/{number:03}": bytes([number]) * 1000 for number in range(200)})
    events: list[Event] = []
    storage = AsyncStorage()
    await storage.download(f"s3://{bucket}/p/", tmp_path / "new", config=config_of(seaweedfs))
    before = {path: path.stat().st_ino for path in (tmp_path / "new").iterdir()}
    await storage.download(f"s3://{bucket}/p/", tmp_path / "new", config=config_of(seaweedfs), on_event=events.append)
    assert {path: path.stat().st_ino for path in (tmp_path / "new").iterdir()} == before
    assert sum(event.size for event in events if event.kind == "resumed") == 200_000
