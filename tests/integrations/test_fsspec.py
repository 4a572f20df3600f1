"""sealift as an fsspec filesystem: protocols, configurations, listings, progress."""

import json
import pickle
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.callbacks import Callback
from upath import UPath

from sealift import AccessDenied, InvalidConfig, S3Config, UnsupportedOperation, WriteOptions
from sealift.integrations.fsspec import S3FileSystem, SealiftFileSystem, register
from sealift.integrations.fsspec.path import PROTOCOLS, SealiftPath
from sealift.types import MiB
from tests.api.servers import FakeS3, pattern
from tests.api.stores import objects_in
from tests.services.s3 import MakeBucket, S3Service, client, put_objects

OBJECTS = {"m/a": b"a", "m/deep/b": b"bb", "m/deep/er/c": b"ccc", "m2": b"2", "m/void/": b""}


@pytest.fixture
def bucket(seaweedfs: S3Service, make_bucket: MakeBucket) -> str:
    name = make_bucket(seaweedfs)
    put_objects(seaweedfs, name, OBJECTS)
    return name


@pytest.fixture
def options(seaweedfs: S3Service) -> dict[str, Any]:
    """Storage options, as a user of pandas passes them."""
    return {
        "access_key_id": seaweedfs.access_key,
        "secret_access_key": seaweedfs.secret_key,
        "endpoint_url": seaweedfs.endpoint,
    }


@pytest.fixture
def fs(options: dict[str, Any]) -> Any:
    return fsspec.filesystem("sealift+s3", **options)


def test_listings(fs: Any, bucket: str) -> None:
    assert fs.ls(bucket, detail=False) == [f"{bucket}/m", f"{bucket}/m2"]
    assert fs.ls(f"{bucket}/m", detail=False) == [f"{bucket}/m/{name}" for name in ("a", "deep", "void")]
    assert fs.ls(f"{bucket}/m/a", detail=False) == [f"{bucket}/m/a"]
    kinds = {entry["name"]: (entry["type"], entry["size"]) for entry in fs.ls(f"sealift+s3://{bucket}/m/")}
    assert kinds == {
        f"{bucket}/m/a": ("file", 1), f"{bucket}/m/deep": ("directory", 0), f"{bucket}/m/void": ("directory", 0),
    }  # fmt: skip
    assert fs.find(f"{bucket}/m") == [f"{bucket}/m/{name}" for name in ("a", "deep/b", "deep/er/c")]
    assert fs.find(f"{bucket}/m", maxdepth=2) == [f"{bucket}/m/a", f"{bucket}/m/deep/b"]
    assert fs.find(f"{bucket}/m/a") == [f"{bucket}/m/a"]
    assert fs.find(f"{bucket}/none") == []
    directories = {f"{bucket}/m", f"{bucket}/m/deep", f"{bucket}/m/deep/er", f"{bucket}/m/void"}
    assert set(fs.find(f"{bucket}/m", withdirs=True)) - set(fs.find(f"{bucket}/m")) == directories
    assert fs.glob(f"{bucket}/m/*/b") == [f"{bucket}/m/deep/b"]
    assert fs.glob(f"{bucket}/**/c") == [f"{bucket}/m/deep/er/c"]
    assert [(path, sorted(files)) for path, _, files in fs.walk(f"{bucket}/m/deep")] == [
        (f"{bucket}/m/deep", ["b"]), (f"{bucket}/m/deep/er", ["c"]),
    ]  # fmt: skip
    assert fs.du(f"{bucket}/m") == 6
    with pytest.raises(FileNotFoundError):
        fs.ls(f"{bucket}/none")
    assert bucket in fs.ls("", detail=False)
    with pytest.raises(UnsupportedOperation, match="buckets"):
        fs.find("")


def test_facts(fs: Any, bucket: str) -> None:
    info = fs.info(f"{bucket}/m/deep/b")
    assert (info["name"], info["type"], info["size"]) == (f"{bucket}/m/deep/b", "file", 2)
    assert fs.modified(f"{bucket}/m/deep/b") == info["last_modified"]
    assert info["etag"]
    assert fs.info(f"{bucket}/m") == {"name": f"{bucket}/m", "type": "directory", "size": 0}
    assert (fs.isfile(f"{bucket}/m/a"), fs.isdir(f"{bucket}/m/a"), fs.exists(f"{bucket}/m/a")) == (True, False, True)
    assert (fs.isfile(f"{bucket}/m"), fs.isdir(f"{bucket}/m"), fs.isdir(bucket)) == (False, True, True)
    assert (fs.exists(f"{bucket}/none"), fs.isdir(f"{bucket}/none"), fs.isdir("")) == (False, False, True)
    assert fs.size(f"{bucket}/m/deep/b") == 2
    with pytest.raises(FileNotFoundError):
        fs.info(f"{bucket}/none")


def test_bytes(fs: Any, bucket: str, seaweedfs: S3Service) -> None:
    data = pattern(2000)
    fs.pipe_file(f"{bucket}/new", data)
    assert fs.cat_file(f"{bucket}/new") == data
    for start, end in ((None, 5), (5, None), (5, 10), (-5, None), (-10, -5), (5, -5), (0, 0), (1990, 3000)):
        assert fs.cat_file(f"{bucket}/new", start, end) == data[start:end]
    assert fs.cat([f"{bucket}/m/a", f"{bucket}/m/deep/b"]) == {f"{bucket}/m/a": b"a", f"{bucket}/m/deep/b": b"bb"}
    assert fs.cat_ranges([f"{bucket}/new"] * 2, [0, 7], [5, 9]) == [data[:5], data[7:9]]
    with fs.open(f"{bucket}/new", "wb") as file:
        file.write(b"newer")
    with fs.open(f"{bucket}/new") as file:
        assert file.read() == b"newer"
    with fs.open(f"{bucket}/t", "w", encoding="utf-8") as text:
        text.write("ü")
    with fs.open(f"{bucket}/t", "r", encoding="utf-8") as text:
        assert text.read() == "ü"
    fs.rm_file(f"{bucket}/t")
    with pytest.raises(FileNotFoundError):
        fs.rm_file(f"{bucket}/t")
    fs.mv(f"{bucket}/new", f"{bucket}/moved")
    fs.cp_file(f"{bucket}/moved", f"{bucket}/m/copy")
    fs.rm(f"{bucket}/m/deep", recursive=True)
    left = {"m/a": b"a", "m/void/": b"", "m2": b"2", "moved": b"newer", "m/copy": b"newer"}
    assert objects_in(seaweedfs, bucket) == left
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{bucket}/none", recursive=True)
    with pytest.raises((ValueError, NotImplementedError)):
        fs.open(f"{bucket}/m2", "ab")
    with fs.transaction, pytest.raises(NotImplementedError, match="transactions"):
        fs.open(f"{bucket}/m2", "wb")


def test_one_level_is_listed_with_one_request() -> None:
    objects = {"a": b"a", "a/b": b""} | {f"deep/{number}": b"" for number in range(5000)}
    with FakeS3({"b": objects}) as server:
        fs = fsspec.filesystem("sealift+s3", config=server.config)
        assert [(entry["name"], entry["type"]) for entry in fs.ls("b")] == [("b/a", "file"), ("b/deep", "directory")]
        assert len(server.asked) == 1


def test_options_of_files(fs: Any, bucket: str, seaweedfs: S3Service) -> None:
    with fs.open(f"{bucket}/m/new", "wb", write_options=WriteOptions(cache_control="no-store"), timeout=60) as file:
        file.write(b"new")
    assert client(seaweedfs).head_object(Bucket=bucket, Key="m/new")["CacheControl"] == "no-store"
    with pytest.raises(InvalidConfig, match="version_id"):
        fs.open(f"{bucket}/m/new", "wb", version_id="1")


class Counted(Callback):
    """Records what is reported."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0

    def relative_update(self, inc: int = 1) -> None:
        self.done += inc


def test_progress(fs: Any, bucket: str, tmp_path: Path) -> None:
    data = pattern(9 * MiB)
    (tmp_path / "m").write_bytes(data)
    sent, received = Counted(), Counted()
    fs.put_file(str(tmp_path / "m"), f"{bucket}/large", callback=sent)
    fs.get_file(f"{bucket}/large", str(tmp_path / "copy"), callback=received)
    assert (tmp_path / "copy").read_bytes() == data
    assert (sent.size, sent.done) == (received.size, received.done) == (len(data), len(data))


def test_protocols(bucket: str, options: dict[str, Any], tmp_path: Path) -> None:
    with fsspec.open(f"sealift+s3://{bucket}/m/deep/b", **options) as file:
        assert file.read() == b"bb"
    config = S3Config(**options)
    generic = fsspec.filesystem("sealift", config=config)
    assert isinstance(generic, SealiftFileSystem)
    assert generic.cat_file(f"s3://{bucket}/m/a") == b"a"
    assert generic.ls(f"s3://{bucket}/m/deep", detail=False) == [f"s3://{bucket}/m/deep/b", f"s3://{bucket}/m/deep/er"]
    generic.get(f"s3://{bucket}/m/deep", str(tmp_path / "deep"), recursive=True)
    assert (tmp_path / "deep" / "er" / "c").read_bytes() == b"ccc"
    local = fsspec.filesystem("sealift+file")
    assert local.find(str(tmp_path)) == [f"{tmp_path}/deep/b", f"{tmp_path}/deep/er/c"]
    assert fsspec.filesystem("sealift").cat_file(f"{tmp_path}/deep/b") == b"bb"
    local.mkdir(f"{tmp_path}/new")
    assert local.isdir(f"{tmp_path}/new")
    local.rmdir(f"{tmp_path}/new")
    assert not local.exists(f"{tmp_path}/new")


@pytest.fixture
def registered() -> Iterator[None]:
    """Restores fsspec's registry."""
    classes = sys.modules["fsspec.registry"]._registry  # `fsspec.registry` is a read-only view of it
    before = dict(classes)
    yield
    classes.clear()
    classes.update(before)


def test_in_place_of_other_packages(bucket: str, options: dict[str, Any], registered: None) -> None:
    register("s3")
    assert type(fsspec.filesystem("s3")) is S3FileSystem
    with fsspec.open(f"s3://{bucket}/m/a", **options) as file:
        assert file.read() == b"a"
    with pytest.raises(InvalidConfig, match="'ftp' is not a protocol"):
        register("ftp")


@pytest.mark.parametrize("protocol", ["s3", "sealift+s3"])
def test_universal_pathlib(bucket: str, options: dict[str, Any], registered: None, protocol: str) -> None:
    if protocol == "s3":
        register("s3")
    path = UPath(f"{protocol}://{bucket}/m", **options)
    assert type(path.fs) is S3FileSystem
    assert sorted(each.name for each in path.iterdir()) == ["a", "deep", "void"]
    assert (path / "deep" / "b").read_bytes() == b"bb"
    (path / "new.json").write_text(json.dumps([1]))
    assert json.loads((path / "new.json").read_text()) == [1]
    assert (path / "deep").is_dir()
    (path / "new.json").unlink()
    assert not (path / "new.json").exists()


def test_paths_of_protocols_with_a_plus(bucket: str, options: dict[str, Any], tmp_path: Path) -> None:
    """Without `register`, and beside the paths of s3fs."""
    path = UPath(f"sealift+s3://{bucket}/m", **options)
    assert type(path) is SealiftPath
    assert type(UPath("s3://b/k")) is not SealiftPath
    below = path / "deep" / "b"
    assert (str(below), below.name, below.parent) == (f"sealift+s3://{bucket}/m/deep/b", "b", path / "deep")
    assert below == path.joinpath("deep", "b") == UPath(path, "deep/b") == pickle.loads(pickle.dumps(below))
    files = sorted(str(each) for each in path.rglob("*") if each.is_file())
    assert files == [f"{path}/{name}" for name in ("a", "deep/b", "deep/er/c")]
    assert UPath(below).read_bytes() == b"bb"
    with pytest.raises(ValueError, match="incompatible"):
        _ = path / UPath("memory:///x")
    local = UPath(f"sealift+file://{tmp_path}") / "new" / "a"
    local.parent.mkdir()
    local.write_text("a")
    assert (tmp_path / "new" / "a").read_text() == "a"
    assert UPath("sealift+hf://owner/name/config.json").parts[1:] == ("owner", "name", "config.json")


def test_entry_points_of_all_protocols() -> None:
    found = {each.name: each.value for each in entry_points(group="universal_pathlib.implementations")}
    names = {each.name for each in entry_points(group="fsspec.specs") if each.name.startswith("sealift+")}
    assert set(PROTOCOLS) == names
    assert {name: value for name, value in found.items() if name in names} == dict.fromkeys(
        PROTOCOLS, "sealift.integrations.fsspec.path:SealiftPath"
    )


def test_instances_with_different_secrets_are_different(seaweedfs: S3Service, options: dict[str, Any]) -> None:
    """fsspec compares arguments by their text, which does not show secrets."""
    right = S3Config(**options)
    wrong = S3Config(**{**options, "secret_access_key": "wrong"})
    first, second = fsspec.filesystem("sealift+s3", config=right), fsspec.filesystem("sealift+s3", config=wrong)
    assert first is not second
    assert first != second
    assert first == fsspec.filesystem("sealift+s3", config=right)
    assert pickle.loads(pickle.dumps(first)) == first
    assert options["secret_access_key"] not in repr(first)


def test_wrong_keys(bucket: str, options: dict[str, Any]) -> None:
    fs = fsspec.filesystem("sealift+s3", **{**options, "secret_access_key": "wrong"})
    with pytest.raises(AccessDenied):
        fs.cat_file(f"{bucket}/m/a")


def test_options_that_do_not_exist() -> None:
    with pytest.raises(InvalidConfig, match="key, secret"):
        fsspec.filesystem("sealift+s3", key="a", secret="b")
    with pytest.raises(InvalidConfig, match="pass config="):
        fsspec.filesystem("sealift", endpoint_url="http://127.0.0.1:1")


@pytest.mark.anyio
async def test_in_an_event_loop() -> None:
    with FakeS3({"b": {"m": pattern(3 * MiB), "p/a": b"a"}}) as server:
        fs = S3FileSystem(config=server.config, asynchronous=True)
        assert await fs._cat_file("b/p/a") == b"a"
        assert await fs._find("b") == ["b/m", "b/p/a"]
        file = await fs.open_async("b/m")
        assert file.size == 3 * MiB
        assert await file.read(10) == pattern(10)
        await file.close()
