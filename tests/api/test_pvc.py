"""`pvc://`: Kubernetes volumes mounted as local directories."""

import os
import tempfile
from pathlib import Path

import pytest

from sealift import (
    AsyncStorage,
    InvalidConfig,
    ModelMissingError,
    PVCConfig,
    S3Config,
    Storage,
    StorageOperations,
    UnsafeKey,
)
from sealift.backends import open_backend, pvc
from sealift.instance import Instance
from sealift.types import Limits, MiB
from sealift.uri import parse
from tests.api.helpers import all_in, config_of, files_in
from tests.api.servers import pattern
from tests.contract.suite import keys
from tests.services.s3 import MakeBucket, S3Service, get_objects, put_objects

TREE = {"config.json": b"{}", "deep/er/weights": pattern(9 * MiB + 7), "empty": b""}


@pytest.fixture
def claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the claim `models`, which contains a model."""
    root = tmp_path / "volume"
    for path, data in TREE.items():
        (root / "iris" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "iris" / path).write_bytes(data)
    monkeypatch.setenv("SEALIFT_PVC_MOUNTS", f"models={root}, other=/nowhere")
    return root


@pytest.mark.anyio
class TestReading:
    @pytest.mark.parametrize("form", ["pvc://models/iris", "pvc://models/iris/"])
    async def test_no_destination_is_the_path_itself(
        self, claim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no temporary directory is needed"))
        before = files_in(tmp_path)
        assert await AsyncStorage().download(form) == f"{claim}/iris"
        assert await AsyncStorage().download("pvc://models/iris/config.json") == f"{claim}/iris/config.json"
        assert await AsyncStorage().download("pvc://models") == str(claim)
        assert files_in(tmp_path) == before

    async def test_a_copy_of_a_file_and_of_a_directory(self, claim: Path, tmp_path: Path) -> None:
        storage = AsyncStorage()
        assert await storage.download("pvc://models/iris/empty", f"{tmp_path}/a/") == f"{tmp_path}/a/empty"
        await storage.download("pvc://models/iris", tmp_path / "b")
        assert (files_in(tmp_path / "a"), files_in(tmp_path / "b")) == ({"empty": b""}, TREE)

    async def test_questions(self, claim: Path) -> None:
        storage = AsyncStorage()
        assert sorted(await storage.list_objects("pvc://models/iris")) == sorted(TREE)
        assert await storage.list_objects("pvc://models/iris/empty") == ["empty"]
        assert await storage.read("pvc://models/iris/config.json") == b"{}"
        told = await storage.get_object_metadata("pvc://models/iris/config.json")
        assert (told["uri"], told["type"], told["size"]) == ("pvc://models/iris/config.json", "object", 2)
        assert (await storage.get_object_metadata("pvc://models/iris"))["type"] == "prefix"
        assert storage.is_local("pvc://models/iris")

    @pytest.mark.parametrize("dest", [None, "dest"])
    async def test_what_is_not_in_it(self, claim: Path, tmp_path: Path, dest: str | None) -> None:
        with pytest.raises(ModelMissingError, match="download pvc://models/nothing: .*does not exist") as caught:
            await AsyncStorage().download("pvc://models/nothing", dest and tmp_path / dest)
        assert f"{claim}/nothing" in str(caught.value)
        assert os.listdir(tmp_path) == ["volume"]

    @pytest.mark.parametrize("key", ["../secret", "iris/../../secret", "iris/..", "/etc/passwd"])
    async def test_keys_cannot_leave_it(self, claim: Path, tmp_path: Path, key: str) -> None:
        (tmp_path / "secret").write_bytes(b"secret")
        storage, uri = AsyncStorage(), f"pvc://models/{key}"
        for call in (
            lambda: storage.download(uri),
            lambda: storage.download(uri, tmp_path / "copy"),
            lambda: storage.read(uri),
            lambda: storage.list_objects(uri),
            lambda: storage.upload(tmp_path / "secret", uri),
            lambda: storage.delete(uri, recursive=True),
            lambda: storage.delete_object(uri),
        ):
            with pytest.raises(UnsafeKey, match="would leave"):
                await call()
        assert set(files_in(tmp_path)) == {"secret", *(f"volume/iris/{path}" for path in TREE)}

    async def test_links_in_it_are_followed(self, claim: Path, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "weights").write_bytes(b"elsewhere")
        (claim / "iris" / "link").symlink_to(tmp_path / "outside")
        await AsyncStorage().download("pvc://models/iris", tmp_path / "copy")
        assert files_in(tmp_path / "copy") == {**TREE, "link/weights": b"elsewhere"}


@pytest.mark.anyio
class TestWriting:
    async def test_from_and_to_a_bucket(self, claim: Path, seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
        bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
        storage = AsyncStorage()
        assert await storage.upload("pvc://models/iris", f"s3://{bucket}/up", config=config)
        assert get_objects(seaweedfs, bucket) == {f"up/{path}": data for path, data in TREE.items()}
        there = await storage.copy(f"s3://{bucket}/up", "pvc://models/down", config=config)
        assert there == f"{claim}/down"
        assert files_in(claim / "down") == TREE
        put_objects(seaweedfs, bucket, {"one": b"one"})
        assert await storage.copy(f"s3://{bucket}/one", "pvc://models/down/", config=config) == f"{claim}/down/one"
        done = await storage.sync(f"s3://{bucket}/up", "pvc://models/down", config=config, delete=True, checksum=True)
        assert (done.copied, done.kept, done.deleted) == (0, 3, 1)
        assert files_in(claim / "down") == TREE
        assert not (claim / ".sealift").exists()

    async def test_from_and_to_this_machine(self, claim: Path, tmp_path: Path) -> None:
        storage = AsyncStorage()
        (tmp_path / "file").write_bytes(b"new")
        await storage.upload(tmp_path / "file", "pvc://models/new/")
        await storage.copy("pvc://models/iris", "pvc://models/copy")
        await storage.copy("pvc://models/new/file", str(tmp_path / "back"))
        assert files_in(claim / "copy") == TREE
        assert (files_in(claim / "new"), (tmp_path / "back").read_bytes()) == ({"file": b"new"}, b"new")
        with pytest.raises(InvalidConfig, match="one contains the other"):
            await storage.copy("pvc://models/iris", f"{claim}/iris/below")

    async def test_a_failed_copy_leaves_nothing(self, claim: Path, tmp_path: Path) -> None:
        before = all_in(tmp_path)
        with pytest.raises(ModelMissingError):
            await AsyncStorage().copy(f"{tmp_path}/missing", "pvc://models/new")
        assert all_in(tmp_path) == before

    async def test_deletion(self, claim: Path) -> None:
        storage = AsyncStorage()
        assert await storage.delete_object("pvc://models/iris/empty")
        assert not await storage.delete_object("pvc://models/iris/empty")
        assert await storage.delete("pvc://models/iris", recursive=True) == 2
        assert list(claim.iterdir()) == []


@pytest.mark.anyio
class TestMounts:
    async def test_the_configuration_goes_before_the_environment(self, claim: Path, tmp_path: Path) -> None:
        (tmp_path / "mine").write_bytes(b"mine")
        config = PVCConfig({"models": str(tmp_path)})
        assert await AsyncStorage().download("pvc://models/mine", None, config=config) == f"{tmp_path}/mine"

    async def test_the_environment_of_the_instance(self, tmp_path: Path) -> None:
        (tmp_path / "mine").write_bytes(b"mine")
        storage = AsyncStorage(environ={"SEALIFT_PVC_MOUNTS": f"a={tmp_path}"})
        assert await storage.download("pvc://a/mine") == f"{tmp_path}/mine"

    async def test_the_usual_place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pvc, "_MOUNTS", str(tmp_path))
        (tmp_path / "models" / "iris").mkdir(parents=True)
        (tmp_path / "models" / "iris" / "k").write_bytes(b"k")
        assert await AsyncStorage().read("pvc://models/iris/k") == b"k"

    async def test_the_volume_itself_is_mounted_at_the_usual_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pvc, "_MOUNTS", "/proc")  # a mount on every Linux
        assert await AsyncStorage().download("pvc://models/version") == "/proc/version"

    async def test_not_mounted(self, claim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pvc, "_MOUNTS", str(tmp_path))
        with pytest.raises(ModelMissingError) as caught:
            await AsyncStorage().download("pvc://none/iris")
        for text in (
            "'none'",
            f"{tmp_path}/none is not a directory",
            f"{tmp_path} is not a mount point",
            "SEALIFT_PVC_MOUNTS",
        ):
            assert text in str(caught.value)
        with pytest.raises(ModelMissingError, match="/nowhere is not a directory") as caught:
            await AsyncStorage().download("pvc://other/iris")
        assert "is not a mount point" not in str(caught.value)

    async def test_a_configuration_of_another_service(self, claim: Path) -> None:
        with pytest.raises(InvalidConfig, match="S3Config is not for pvc://"):
            await AsyncStorage().download("pvc://models/iris", None, config=S3Config())

    @pytest.mark.parametrize("text", ["models", "models=relative", "models=", "models=/a,other"])
    async def test_a_list_of_mounts_that_is_none(self, text: str) -> None:
        with pytest.raises(InvalidConfig, match=r"SEALIFT_PVC_MOUNTS|absolute path"):
            await AsyncStorage(environ={"SEALIFT_PVC_MOUNTS": text}).download("pvc://models/iris")


def test_the_same_without_a_loop(claim: Path, tmp_path: Path) -> None:
    assert Storage.download("pvc://models/iris") == f"{claim}/iris"
    assert Storage.upload(claim / "iris", "pvc://models/second")
    assert files_in(claim / "second") == TREE
    assert sorted(StorageOperations.list_objects("pvc://models/second")) == sorted(TREE)
    assert StorageOperations.delete_object("pvc://models/second/empty")


@pytest.mark.anyio
async def test_the_backend_knows_keys_relative_to_the_claim(claim: Path) -> None:
    async with Instance(Limits()) as instance:
        backend = await open_backend(parse("pvc://models/whatever"), None, instance)
        assert await keys(backend, "") == {f"iris/{path}" for path in TREE}
        await backend.put("new/key", memoryview(b"x"))
        with pytest.raises(UnsafeKey):
            await backend.stat("../volume/iris/empty")
        await backend.aclose()
    assert (claim / "new/key").read_bytes() == b"x"
