"""Local paths and file:// URIs as a source."""

import os
import tempfile
from pathlib import Path

import pytest

from sealift import AsyncStorage, LocalIOError, ModelMissingError, S3Config, Storage, StorageOperations
from sealift.types import MiB
from tests.api.helpers import all_in, files_in
from tests.api.servers import pattern

pytestmark = pytest.mark.anyio

TREE = {"config.json": b"{}", "deep/er/weights": pattern(3 * MiB + 7), "empty": b"", ".hidden": b"h"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    for path, data in TREE.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}", "file://localhost{}/"])
async def test_no_destination_is_the_path_itself(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no temporary directory is needed"))
    before = files_in(tmp_path)
    assert await AsyncStorage().download(form.format(model)) == str(model)
    assert await AsyncStorage().download(form.format(model).rstrip("/") + "/config.json") == f"{model}/config.json"
    assert files_in(tmp_path) == before


async def test_a_relative_path(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model)
    assert await AsyncStorage().download("config.json") == f"{model}/config.json"
    assert await AsyncStorage().download("./deep/../deep") == f"{model}/deep"
    assert await AsyncStorage().list_objects("deep") == ["er/weights"]


@pytest.mark.parametrize("dest", [None, "dest"])
@pytest.mark.parametrize("form", ["{}/nothing", "file://{}/nothing/", "{}/config.json/", "{}/config.json/below"])
async def test_missing(model: Path, tmp_path: Path, form: str, dest: str | None) -> None:
    uri = form.format(model)
    with pytest.raises(ModelMissingError) as caught:
        await AsyncStorage().download(uri, dest and tmp_path / dest)
    assert uri.removeprefix("file://") in str(caught.value)
    assert os.listdir(tmp_path) == ["model"]


async def test_copy_a_file(model: Path, tmp_path: Path) -> None:
    dest = tmp_path / "a" / "copy"
    assert await AsyncStorage().download(str(model / "deep/er/weights"), dest) == str(dest)
    assert dest.read_bytes() == TREE["deep/er/weights"]
    assert all_in(tmp_path / "a") == {"copy"}
    into = await AsyncStorage().download(str(model / "empty"), f"{tmp_path}/b/")
    assert into == f"{tmp_path}/b/empty"
    assert files_in(tmp_path / "b") == {"empty": b""}


async def test_copy_a_directory(model: Path, tmp_path: Path) -> None:
    dest = tmp_path / "copy"
    assert await AsyncStorage().download(f"file://{model}", dest) == str(dest)
    assert files_in(dest) == TREE
    assert all_in(tmp_path) == {"model", "copy"} | {
        f"{root}/{path}" for root in ("model", "copy") for path in (*TREE, "deep", "deep/er")
    }


async def test_copy_onto_itself(model: Path) -> None:
    await AsyncStorage().download(str(model / "config.json"), model / "config.json")
    await AsyncStorage().download(str(model), model)
    await AsyncStorage().download(str(model), model / "below")
    assert files_in(model) == {**TREE, **{f"below/{path}": data for path, data in TREE.items()}}


async def test_links_are_followed(model: Path, tmp_path: Path) -> None:
    """Including two links to the same directory."""
    (tmp_path / "outside").write_bytes(b"outside")
    (model / "link").symlink_to(tmp_path / "outside")
    (model / "latest").symlink_to("deep")
    (model / "stable").symlink_to("latest")
    await AsyncStorage().download(str(model), tmp_path / "copy")
    weights = {f"{name}/er/weights": TREE["deep/er/weights"] for name in ("latest", "stable")}
    assert files_in(tmp_path / "copy") == {**TREE, **weights, "link": b"outside"}
    assert not (tmp_path / "copy" / "link").is_symlink()


async def test_file_uris_are_percent_encoded(tmp_path: Path) -> None:
    name = "a b%20c?d#e+ü.bin"
    (tmp_path / name).write_bytes(b"odd")
    uri = f"file://{tmp_path}/a%20b%2520c%3Fd%23e+%C3%BC.bin"
    assert await AsyncStorage().download(uri) == f"{tmp_path}/{name}"
    assert await AsyncStorage().download(uri, f"{tmp_path}/copy/") == f"{tmp_path}/copy/{name}"
    assert await AsyncStorage().download(f"{tmp_path}/{name}", tmp_path / "plain") == f"{tmp_path}/plain"
    assert files_in(tmp_path) == {name: b"odd", f"copy/{name}": b"odd", "plain": b"odd"}
    assert (await AsyncStorage().get_object_metadata(f"{tmp_path}/{name}"))["uri"] == uri
    assert await AsyncStorage().list_objects(uri) == [name]


async def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    source = os.fsencode(tmp_path) + b"/source"
    os.mkdir(source)
    with open(source + b"/bad\xff\xfe", "wb") as file:
        file.write(b"bytes")
    await AsyncStorage().download(str(tmp_path / "source"), tmp_path / "copy")
    assert os.listdir(os.fsencode(tmp_path) + b"/copy") == [b"bad\xff\xfe"]
    (listed,) = await AsyncStorage().list_objects(str(tmp_path / "source"))
    assert os.fsencode(listed) == b"bad\xff\xfe"


async def test_home(bare_environment: Path) -> None:
    (bare_environment / "model").write_bytes(b"m")
    assert await AsyncStorage().download("~/model") == f"{bare_environment}/model"


async def test_patterns(model: Path, tmp_path: Path) -> None:
    await AsyncStorage().download(str(model), tmp_path / "copy", allow_patterns=["deep/*", "*.json"])
    assert set(files_in(tmp_path / "copy")) == {"config.json", "deep/er/weights"}
    with pytest.raises(ModelMissingError, match="patterns"):
        await AsyncStorage().download(str(model), tmp_path / "none", allow_patterns="*.onnx")


async def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for dest in (None, tmp_path / "copy"):
        with pytest.raises(LocalIOError, match="not a regular file"):
            await AsyncStorage().download(str(tmp_path / "pipe"), dest)


async def test_temporary_files_of_others_are_no_objects(model: Path, tmp_path: Path) -> None:
    (model / ".sealift").mkdir()
    (model / ".sealift" / "abc.part").write_bytes(b"half")
    assert sorted(await AsyncStorage().list_objects(str(model))) == sorted(TREE)
    await AsyncStorage().download(str(model), tmp_path / "copy")
    assert files_in(tmp_path / "copy") == TREE
    assert (model / ".sealift" / "abc.part").exists()


def test_the_same_without_a_loop(model: Path, tmp_path: Path) -> None:
    assert Storage.download(str(model)) == str(model)
    assert Storage.download(str(model), tmp_path / "copy", config=S3Config()) == str(tmp_path / "copy")
    assert files_in(tmp_path / "copy") == TREE
    assert sorted(StorageOperations.list_objects(f"file://{model}")) == sorted(TREE)
    assert StorageOperations.get_object_metadata(str(model / "empty"))["size"] == 0
