"""The arguments of `kserve_storage`: paths as objects, and what is neither a URI nor a path."""

import os
from pathlib import Path
from typing import Any

import pytest

from sealift import InvalidConfig, LocalIOError
from sealift.integrations.kserve.kserve_storage import Storage
from tests.kserve.outcome import tree


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local model, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"weights")
    return tmp_path / "model"


def test_paths_are_returned_as_they_were_given(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert Storage.download(model, out) is out
    assert Storage.download(f"file://{model}", Path("relative")) == Path("relative")
    assert Storage.download_files([model, str(model)], [out, "other/"]) == [out, "other/"]
    assert Storage.download(model) == str(model)
    for directory in (out, tmp_path / "relative", tmp_path / "other"):
        assert tree(str(directory)) == {"model.bin": "weights"}


@pytest.mark.parametrize("uri", [None, 5, b"s3://b/m", ["s3://b/m"], {"uri": "s3://b/m"}])
def test_a_uri_of_another_type(uri: Any, tmp_path: Path) -> None:
    """With kserve-storage, an AttributeError; here a RuntimeError, as all failures."""
    out = tmp_path / "out"
    for call in (lambda: Storage.download(uri, str(out)), lambda: Storage.download_files([uri], [str(out)])):
        with pytest.raises(InvalidConfig, match="uri=… is of type") as caught:
            call()
        assert isinstance(caught.value, RuntimeError)
    assert not out.exists()


@pytest.mark.parametrize("out_dir", [5, b"out", ["out"], "", "a\0b"])
def test_a_directory_that_is_none(out_dir: Any, model: Path) -> None:
    with pytest.raises(InvalidConfig, match="out_dir=… is of type|is an empty path|a NUL character"):
        Storage.download(model, out_dir)
    assert os.listdir(model.parent) == ["model"]


@pytest.mark.parametrize("arguments", [("s3://b/m", "/out"), (None, ["/out"]), (["s3://b/m"], "/out")])
def test_no_lists(arguments: Any) -> None:
    with pytest.raises(InvalidConfig, match="source_uris=…|out_dirs=…"):
        Storage.download_files(*arguments)


@pytest.mark.parametrize("patterns", [5, [5], b"*.bin", [None]])
def test_patterns_of_another_type(patterns: Any, model: Path) -> None:
    for name in ("allow_patterns", "ignore_patterns"):
        with pytest.raises(InvalidConfig, match=f"{name}=…"):
            Storage.download(model, "out", **{name: patterns})


def test_a_file_in_the_place_of_the_directory(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a file")
    with pytest.raises(LocalIOError, match="cannot create the directory"):
        Storage.download(model, "file")
    assert (tmp_path / "file").read_bytes() == b"a file"
