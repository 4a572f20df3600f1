"""The Content-Type of objects of which only the name is known."""

import mimetypes

import pytest

from sealift.engine.content_types import properties_by_name
from sealift.types.properties import NO_PROPERTIES


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors", "model.ONNX", "llama.gguf", "a/b/pytorch_model.bin", "x.pt", "x.pth", "x.ckpt", "x.h5",
        "x.keras", "x.tflite", "x.pb", "x.npy", "x.npz", "x.pkl", "x.joblib", "x.model", "x.plan", "x.engine", "x.mar",
    ],
)  # fmt: skip
def test_model_files_are_bytes(name: str) -> None:
    assert properties_by_name(name).content_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("config.json", "application/json"),
        ("README.md", "text/markdown"),
        ("merges.txt", "text/plain"),
        ("config.yaml", "application/yaml"),
        ("config.yml", "application/yaml"),
        ("model.tar", "application/x-tar"),
        ("model.zip", "application/zip"),
        ("model.py", "text/x-python"),
        ("page.html", "text/html"),
    ],
)
def test_by_extension(name: str, expected: str) -> None:
    assert properties_by_name(name).content_type == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.tar.gz", "application/gzip"),
        ("model.tgz", "application/gzip"),
        ("page.html.gz", "application/gzip"),
        ("page.html.bz2", "application/x-bzip2"),
        ("page.html.xz", "application/x-xz"),
        ("config.json.zst", "application/zstd"),
    ],
)
def test_a_compressed_file_has_its_own_type(name: str, expected: str) -> None:
    assert properties_by_name(name).content_type == expected


@pytest.mark.parametrize(
    "name", ["LICENSE", "a.html/weights", "model.unknown", ".html", "html", "a/", "", "x.html?v=1"]
)
def test_an_unknown_name_has_none(name: str) -> None:
    assert properties_by_name(name) is NO_PROPERTIES


def test_tables_of_the_program_do_not_change_the_types_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mimetypes.types_map, ".gguf", "text/html")
    assert properties_by_name("other.gguf").content_type == "application/octet-stream"
