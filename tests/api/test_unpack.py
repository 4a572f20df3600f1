"""`download(unpack=True)`: extract archives from any source to the disk."""

import gzip
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import anyio
import pytest

from sealift import (
    ArchiveError,
    AsyncStorage,
    Event,
    InvalidConfig,
    LocalIOError,
    ModelMissingError,
    PVCConfig,
    S3Config,
    Storage,
    UnsafeKey,
)
from sealift.archives import unpack as archive
from sealift.types import MiB
from tests.api.helpers import all_in, config_of, files_in, visible_in
from tests.api.servers import pattern
from tests.services.s3 import MakeBucket, S3Service, put_objects

pytestmark = pytest.mark.anyio

TREE = {"config.json": b"{}", "deep/er/weights": pattern(12 * MiB + 7), "empty": b"", "other.json": b"[]"}


def tar(files: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return body.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return body.getvalue()


@pytest.fixture
def bucket(seaweedfs: S3Service, make_bucket: MakeBucket) -> str:
    return make_bucket(seaweedfs)


@pytest.fixture
def config(seaweedfs: S3Service) -> S3Config:
    return config_of(seaweedfs)


@pytest.fixture
def put(seaweedfs: S3Service, bucket: str) -> Callable[[str, bytes], str]:
    """Store an object and return its URI."""

    def put(key: str, data: bytes) -> str:
        put_objects(seaweedfs, bucket, {key: data}, checksum="CRC64NVME")
        return f"s3://{bucket}/{key}"

    return put


Put = Callable[[str, bytes], str]


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("model.tar", lambda tree: tar(tree, "w:")),
        ("model.tar.gz", tar),
        ("model.tar.xz", lambda tree: tar({**tree, "deep/er/weights": b"small"}, "w:xz")),
        ("model.zip", zipped),
        ("a name that says nothing", zipped),
    ],
)
async def test_from_a_bucket(
    put: Put, config: S3Config, tmp_path: Path, name: str, pack: Callable[[Mapping[str, bytes]], bytes]
) -> None:
    tree = {**TREE, "deep/er/weights": b"small"} if name.endswith("xz") else TREE
    uri = put(f"models/{name}", pack(tree))
    dest = tmp_path / "new" / "model"
    assert await AsyncStorage().download(uri, dest, config=config, unpack=True) == str(dest)
    assert files_in(dest) == tree
    assert all_in(tmp_path / "new") == {"model"} | {f"model/{path}" for path in (*tree, "deep", "deep/er")}


async def test_from_this_machine(tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(zipped(TREE))
    for number, uri in enumerate((f"{tmp_path}/model.zip", f"file://{tmp_path}/model.zip", "pvc://claim/model.zip")):
        mounts = PVCConfig({"claim": str(tmp_path)}) if uri.startswith("pvc") else None
        await AsyncStorage().download(uri, tmp_path / f"{number}", config=mounts, unpack=True)
        assert files_in(tmp_path / f"{number}") == TREE
    assert all_in(tmp_path) >= {"model.zip"}
    assert not (tmp_path / ".sealift").exists()


async def test_without_a_cache_no_destination_is_a_temporary_directory(
    put: Put, config: S3Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "local.tgz").write_bytes(tar(TREE))
    for uri in (put("model.tgz", tar(TREE)), f"{tmp_path}/local.tgz"):
        path = await AsyncStorage().download(uri, None, config=config, unpack=True, cache=False)
        assert os.path.dirname(path) == str(tmp_path)
        assert files_in(path) == TREE
        assert sorted(os.listdir(path)) == ["config.json", "deep", "empty", "other.json"]


@pytest.mark.parametrize("slash", ["", "/"])
async def test_into_a_directory_that_is_there(put: Put, config: S3Config, tmp_path: Path, slash: str) -> None:
    (tmp_path / "config.json").write_bytes(b"old")
    (tmp_path / "kept").write_bytes(b"kept")
    await AsyncStorage().download(put("model.tgz", tar(TREE)), f"{tmp_path}{slash}", config=config, unpack=True)
    assert files_in(tmp_path) == {**TREE, "kept": b"kept"}
    assert all_in(tmp_path) == {*TREE, "kept", "deep", "deep/er"}


async def test_a_file_in_place_of_the_directory(put: Put, config: S3Config, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    with pytest.raises(LocalIOError, match="is a file, but an archive holds many files"):
        await AsyncStorage().download(put("model.tgz", tar(TREE)), tmp_path / "file", config=config, unpack=True)
    assert files_in(tmp_path) == {"file": b"precious"}


async def test_patterns_choose_from_the_archive(put: Put, config: S3Config, tmp_path: Path) -> None:
    uri = put("model.tgz", tar(TREE))
    storage = AsyncStorage()
    await storage.download(
        uri, tmp_path / "m", config=config, unpack=True, allow_patterns="*.json", ignore_patterns="other*"
    )
    assert files_in(tmp_path / "m") == {"config.json": b"{}"}
    with pytest.raises(ModelMissingError, match="4 entries match the patterns"):
        await storage.download(uri, tmp_path / "none", config=config, unpack=True, allow_patterns="*.onnx")
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize(
    ("data", "error", "cause"),
    [
        (b"{}", ArchiveError, "the file is not an archive"),
        (b"", ArchiveError, "the file is not an archive"),
        (gzip.compress(b"weights" * 1000), ArchiveError, "compressed, but not a tar archive"),
        (tar(TREE)[:-20_000], ArchiveError, "damaged"),
        (tar({"a": b"x", "../evil": b"x"}), UnsafeKey, r"'\.\./evil' would be written outside"),
        (zipped({"a": b"x", "/etc/evil": b"x"}), UnsafeKey, "'/etc/evil' would be written outside"),
        (gzip.compress(tar({"zeros": bytes(80 * MiB)}, "w:")), ArchiveError, "more than 200 times"),
    ],
    ids=["text", "empty", "gzip", "cut", "tar", "zip", "bomb"],
)
@pytest.mark.parametrize("there", [False, True])
async def test_a_failure_leaves_nothing(
    put: Put, config: S3Config, tmp_path: Path, data: bytes, error: type[Exception], cause: str, there: bool
) -> None:
    if there:
        (tmp_path / "dest").mkdir()
    uri = put("model", data)
    with pytest.raises(error, match=cause) as caught:
        await AsyncStorage().download(uri, tmp_path / "dest", config=config, unpack=True)
    assert uri in str(caught.value)
    assert all_in(tmp_path) == ({"dest"} if there else set())


async def test_a_failure_leaves_no_temporary_directory(
    put: Put, config: S3Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ArchiveError):
        await AsyncStorage().download(put("model", b"{}"), None, config=config, unpack=True, cache=False)
    assert os.listdir(tmp_path) == []


async def test_a_prefix_is_no_archive(put: Put, config: S3Config, tmp_path: Path) -> None:
    uri = put("models/a.tgz", tar(TREE)).removesuffix("/a.tgz")
    with pytest.raises(InvalidConfig, match="is a prefix, not an archive"):
        await AsyncStorage().download(uri, tmp_path / "m", config=config, unpack=True)
    with pytest.raises(ModelMissingError):
        await AsyncStorage().download(f"{uri}/b.tgz", tmp_path / "m", config=config, unpack=True)
    assert os.listdir(tmp_path) == []


async def test_a_cancelled_call_leaves_nothing_that_looks_whole(
    put: Put, config: S3Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Cancelled while the first file is created: unpacking stops after the current step."""
    monkeypatch.setattr("sealift.archives.unpack._STEP", MiB)
    begun, cancelled, made = threading.Event(), threading.Event(), []
    create = archive._create

    def wait_and_create(path: str) -> IO[bytes]:
        begun.set()
        assert cancelled.wait(60)
        made.append(path)
        return create(path)

    monkeypatch.setattr(archive, "_create", wait_and_create)
    uri = put("model.tgz", tar({f"{number}": pattern(2 * MiB) for number in range(20)}))
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: AsyncStorage().download(uri, tmp_path / "m", config=config, unpack=True))
        assert await anyio.to_thread.run_sync(begun.wait, 60)
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.3)  # the loop passes the cancellation on to the task that unpacks
        cancelled.set()
    assert len(made) == 1
    assert visible_in(tmp_path) == set()
    await AsyncStorage().download(uri, tmp_path / "m", config=config, unpack=True)
    assert len(files_in(tmp_path / "m")) == 20
    assert os.listdir(tmp_path) == ["m"]


async def test_events_tell_of_the_archive(put: Put, config: S3Config, tmp_path: Path) -> None:
    events: list[Event] = []
    data = tar(TREE)
    await AsyncStorage().download(
        put("model.tgz", data), tmp_path / "m", config=config, unpack=True, on_event=events.append
    )
    assert [event.kind for event in events if event.kind != "progress"] == ["listed", "object"]
    assert (events[-1].key, events[-1].size, events[-1].verified) == ("model.tgz", len(data), "crc64nvme")


def test_without_a_loop(put: Put, config: S3Config, tmp_path: Path) -> None:
    path = Storage.download(put("model.zip", zipped(TREE)), tmp_path / "m", config=config, unpack=True)
    assert path == str(tmp_path / "m")
    assert files_in(path) == TREE
