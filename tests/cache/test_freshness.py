"""When the service is asked, and offline mode."""

import os
import shutil
import time
from pathlib import Path

import pytest

from sealift import Event, InvalidConfig, ModelMissingError, Storage, UnsupportedOperation
from sealift.cache.requests import request_id
from sealift.config import AzureConfig, HDFSConfig, OCIConfig, StorageConfig
from sealift.operations.call_options import CallOptions
from sealift.uri import parse
from tests.api.helpers import files_in
from tests.api.servers import FakeS3

from .conftest import OBJECTS
from .test_damage import wait_for_sync
from .test_download import IRIS, outcomes

URI = "s3://b/iris/model.bin"


def age(cache: Path, seconds: float) -> None:
    """Let the service have been asked some seconds ago."""
    for name in os.listdir(cache / "v1/requests"):
        then = time.time() - seconds
        os.utime(cache / "v1/requests" / name, (then, then))


def test_when_the_service_is_asked(server: FakeS3, cache_directory: Path) -> None:
    old = Storage.download(URI, config=server.config)
    server.replace("b", "iris/model.bin", b"new")
    assert Storage.download(URI, config=server.config, revalidate="never") == old
    assert Storage.download(URI, config=server.config, revalidate=60) == old
    age(cache_directory, 59)
    assert Storage.download(URI, config=server.config, revalidate=60) == old
    age(cache_directory, 61)
    assert Path(Storage.download(URI, config=server.config, revalidate=60)).read_bytes() == b"new"


def test_a_clock_that_was_set_back_is_not_trusted(server: FakeS3, cache_directory: Path) -> None:
    Storage.download(URI, config=server.config)
    server.replace("b", "iris/model.bin", b"new")
    age(cache_directory, -3600)
    assert Path(Storage.download(URI, config=server.config, revalidate=60)).read_bytes() == b"new"


def test_a_version_id_is_never_checked_twice(server: FakeS3) -> None:
    path = Storage.download(URI, config=server.config, version_id="v1")
    server.asked.clear()
    assert Storage.download(URI, config=server.config, version_id="v1") == path
    assert server.asked == []


def test_the_version_that_each_new_object_replaces_is_checked(server: FakeS3) -> None:
    Storage.download(URI, config=server.config, version_id="null")
    server.replace("b", "iris/model.bin", b"new")
    assert Path(Storage.download(URI, config=server.config, version_id="null")).read_bytes() == b"new"


@pytest.mark.parametrize("variable", [False, True])
def test_offline(server: FakeS3, monkeypatch: pytest.MonkeyPatch, variable: bool) -> None:
    """No connection is opened, even where the object is missing; and that is named."""
    path = Storage.download("s3://b/iris/", config=server.config)
    server.asked.clear()
    if variable:
        monkeypatch.setenv("SEALIFT_OFFLINE", "1")
    offline = None if variable else True
    assert Storage.download("s3://b/iris/", config=server.config, offline=offline) == path
    with Storage.cached("s3://b/iris/", config=server.config, offline=offline) as same:
        assert files_in(same) == IRIS
    with pytest.raises(ModelMissingError, match="s3://b/copy/.*not .*in the cache.*offline mode"):
        Storage.download("s3://b/copy/", config=server.config, offline=offline)
    with pytest.raises(ModelMissingError):
        Storage.download("s3://b/iris/", config=server.config, offline=offline, allow_patterns="*.bin")
    if variable:
        with pytest.raises(UnsupportedOperation, match="SEALIFT_OFFLINE"):
            Storage.read(URI, config=server.config)
    assert server.asked == []


def test_other_credentials_see_the_same_but_another_endpoint_does_not(server: FakeS3) -> None:
    Storage.download(URI, config=server.config)
    with FakeS3({"b": OBJECTS}) as other, pytest.raises(ModelMissingError):
        Storage.download(URI, config=other.config, offline=True)


@pytest.mark.parametrize(
    ("uri", "changed"),
    [
        ("hdfs://models/m", HDFSConfig(namenode="http://other:9870")),
        ("hdfs://models/m", {"HDFS_NAMENODE": "http://other:9870"}),
        ("oci://registry/m", OCIConfig(platform="linux/arm64")),
        ("oci://registry/m", {"DOCKER_DEFAULT_PLATFORM": "linux/arm64"}),
        ("modelscope://o/m", {"MODELSCOPE_ENDPOINT": "http://other"}),
        ("az://models/m", {"AZURE_STORAGE_SERVICE_ENDPOINT": "http://other"}),
        ("az://models/m", AzureConfig(connection_string="AccountName=other;AccountKey=a2V5")),
        ("s3://b/m", {"AWS_CONFIG_FILE": "/other"}),
        ("s3://b/m", {"S3_ENDPOINT": "http://other"}),
    ],
)
def test_what_a_uri_names_depends_on_the_service(uri: str, changed: StorageConfig | dict[str, str]) -> None:
    config, environ = (None, changed) if isinstance(changed, dict) else (changed, {})
    location = parse(uri)
    assert request_id(location, None, {}, CallOptions()) != request_id(location, config, environ, CallOptions())


def test_of_several_caches_the_latest_answer_counts(
    server: FakeS3, monkeypatch: pytest.MonkeyPatch, cache_directory: Path, tmp_path: Path
) -> None:
    """An older version in a read-only cache does not come back offline."""
    Storage.download(URI, config=server.config)
    shutil.copytree(cache_directory, tmp_path / "shared")
    monkeypatch.setenv("SEALIFT_CACHE_READ", str(tmp_path / "shared"))
    server.replace("b", "iris/model.bin", b"new")
    new = Storage.download(URI, config=server.config)
    assert Storage.download(URI, config=server.config, offline=True) == new
    assert Storage.download(URI, config=server.config, revalidate="never") == new


def test_read_only_caches_are_searched_first(
    server: FakeS3, monkeypatch: pytest.MonkeyPatch, cache_directory: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    with monkeypatch.context() as filling:
        filling.setenv("SEALIFT_CACHE", str(shared))
        there = Storage.download("s3://b/iris/", config=server.config)
    for manifest in (shared / "v1/manifests").iterdir():
        wait_for_sync(manifest)
    before = {path: path.stat().st_mtime_ns for path in shared.rglob("*")}
    monkeypatch.setenv("SEALIFT_CACHE_READ", f"{tmp_path}/none:{shared}")
    server.asked.clear()
    assert Storage.download("s3://b/iris/", config=server.config) == there
    assert len(server.asked) == 1
    assert Storage.download("s3://b/iris/", config=server.config, offline=True) == there
    other = Storage.download("s3://b/copy/", config=server.config)
    assert cache_directory in Path(other).parents
    assert {path: path.stat().st_mtime_ns for path in shared.rglob("*")} == before


def test_offline_with_a_destination(server: FakeS3, tmp_path: Path) -> None:
    """The files come from the cache, too, and never from the service."""
    Storage.download("s3://b/iris/", config=server.config)
    asked = len(server.asked)
    path = Storage.download("s3://b/iris/", tmp_path / "to", config=server.config, offline=True)
    assert files_in(path) == IRIS
    with pytest.raises(ModelMissingError, match="offline mode"):
        Storage.download("s3://b/copy/", tmp_path / "other", config=server.config, offline=True)
    with pytest.raises(InvalidConfig, match="offline=True cannot be combined with cache=False"):
        Storage.download("s3://b/iris/", tmp_path / "other", config=server.config, offline=True, cache=False)
    assert len(server.asked) == asked
    assert not (tmp_path / "other").exists()
    assert Storage.download(tmp_path / "to", tmp_path / "third", offline=True) == str(tmp_path / "third")


@pytest.mark.parametrize("home", [None, "/proc/nobody"])
def test_read_only_caches_of_a_user_who_cannot_write_to_any(
    server: FakeS3, monkeypatch: pytest.MonkeyPatch, cache_directory: Path, tmp_path: Path, home: str | None
) -> None:
    """As in a container without HOME, or with a read-only one."""
    there = Storage.download("s3://b/iris/", config=server.config)
    monkeypatch.delenv("SEALIFT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("SEALIFT_CACHE_READ", str(cache_directory))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server.asked.clear()
    events: list[Event] = []
    assert Storage.download("s3://b/iris/", config=server.config, on_event=events.append) == there
    assert outcomes(events) == ["hit"]
    assert len(server.asked) == 1
    assert Storage.download("s3://b/iris/", config=server.config, offline=True) == there
    with pytest.raises(ModelMissingError, match=f"in the cache {cache_directory}"):
        Storage.download("s3://b/copy/", config=server.config, offline=True)
    other = Storage.download("s3://b/copy/", config=server.config)
    assert tmp_path in Path(other).parents
