"""Local paths as `os.PathLike`, wherever a call accepts a local path."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, InvalidURI, Storage, StorageOperations, Synced
from tests.api.helpers import files_in
from tests.api.stores import Store, prefix
from tests.services.s3 import MakeBucket, S3Service

pytestmark = pytest.mark.anyio

PATHS = {"uri", "src", "dest", "src_uri", "dest_uri", "items", "uris"}


class OwnPath:
    """A path of another library."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


@pytest.fixture
def store(seaweedfs: S3Service, make_bucket: MakeBucket) -> Store:
    return prefix(seaweedfs, make_bucket(seaweedfs), "p")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "m").write_bytes(b"m")
    (tmp_path / "tree" / "deep" / "n").write_bytes(b"nn")
    return tmp_path / "tree"


@pytest.mark.parametrize("kind", [Path, OwnPath])
async def test_to_and_from_a_bucket(store: Store, tree: Path, tmp_path: Path, kind: Callable[[Path], Any]) -> None:
    async with AsyncStorage(config=store.config) as storage:
        await storage.upload(kind(tree), store.uri)
        await storage.copy(kind(tree), f"{store.uri}/copy/")
        assert await storage.sync(kind(tree), f"{store.uri}/sync/") == Synced(2, 0, 0)
        assert await storage.copy_object(kind(tree / "m"), f"{store.uri}/one")
        assert await storage.upload_many([(kind(tree / "m"), f"{store.uri}/two")]) == [True]
        assert await storage.copy_many([(kind(tree / "m"), f"{store.uri}/three")]) == [f"{store.uri}/three"]
        both = {"m": b"m", "deep/n": b"nn"}
        assert store.content() == {
            f"{start}{path}": data for start in ("", "copy/", "sync/") for path, data in both.items()
        } | {"one": b"m", "two": b"m", "three": b"m"}

        out = tmp_path / "out"
        assert await storage.download(f"{store.uri}/sync/", kind(out / "1")) == f"{out}/1"
        assert await storage.copy(f"{store.uri}/sync/", kind(out / "2")) == f"{out}/2"
        assert await storage.sync(f"{store.uri}/sync/", kind(out / "3")) == Synced(2, 0, 0)
        await storage.copy_object(f"{store.uri}/sync/", kind(out / "4"))
        assert await storage.download_many([(f"{store.uri}/sync/", kind(out / "5"))]) == [f"{out}/5"]
        await storage.copy_many([(f"{store.uri}/sync/", kind(out / "6"))])
        assert files_in(out) == {f"{number}/{path}": data for number in range(1, 7) for path, data in both.items()}


@pytest.mark.parametrize("kind", [Path, OwnPath])
async def test_calls_about_a_local_path(tree: Path, tmp_path: Path, kind: Callable[[Path], Any]) -> None:
    storage, buffer = AsyncStorage(), bytearray(2)
    assert await storage.download(kind(tree)) == str(tree)
    assert await storage.download(kind(tree), kind(tmp_path / "copy")) == f"{tmp_path}/copy"
    assert await storage.download_many([kind(tree), (kind(tree / "m"), kind(tmp_path / "one"))]) == [
        str(tree), f"{tmp_path}/one",
    ]  # fmt: skip
    assert await storage.upload(kind(tree / "m"), kind(tmp_path / "two"))
    assert sorted(await storage.list_objects(kind(tree))) == ["deep/n", "m"]
    assert len([each async for each in storage.objects(kind(tree))]) == 2
    assert (await storage.get_object_metadata(kind(tree / "m")))["size"] == 1
    assert await storage.read(kind(tree / "m")) == b"m"
    assert await storage.read_into(kind(tree / "deep" / "n"), buffer) == 2
    assert [chunk async for chunk in storage.open(kind(tree / "m"))] == [b"m"]
    assert await storage.read_many([kind(tree / "m")]) == [b"m"]
    assert await storage.delete_object(kind(tmp_path / "one"))
    assert await storage.delete_many([kind(tmp_path / "two")]) == [True]
    assert await storage.delete(kind(tmp_path / "copy"), recursive=True) == 2
    assert await storage.abort_uploads(kind(tree)) == 0
    assert storage.is_local(kind(tree))
    assert storage.get_storage_spec(kind(tree)) == {"type": "file", "path": str(tree)}
    assert files_in(tmp_path) == {"tree/m": b"m", "tree/deep/n": b"nn"}


async def test_paths_that_are_no_text(tree: Path) -> None:
    with pytest.raises(InvalidURI, match="must be a str or a path, not bytes"):
        await AsyncStorage().download(os.fsencode(tree))  # type: ignore[arg-type]
    with os.scandir(os.fsencode(tree)) as entries:
        entry = next(entries)
    with pytest.raises(InvalidURI, match="must be a str or a path, not bytes"):
        await AsyncStorage().read(entry)  # type: ignore[arg-type]


async def test_a_uri_in_a_path_object() -> None:
    """`Path` removes one of the slashes; the error says so, and nothing is read from a local directory "s3:"."""
    with pytest.raises(InvalidURI, match="a slash is missing after s3:"):
        await AsyncStorage().download(Path("s3://bucket/key"))


@pytest.mark.parametrize("kind", [AsyncStorage, Storage, StorageOperations])
def test_each_verb_accepts_path_objects(kind: type) -> None:
    """Also the verbs that are not called above."""
    for name, method in inspect.getmembers(kind, callable):
        if name.startswith("_"):
            continue
        for parameter in inspect.signature(method).parameters.values():
            if parameter.name in PATHS:
                assert "PathLike" in str(parameter.annotation), f"{name}({parameter.name})"
