"""`sealift cp --unpack`, and `pvc://` URIs."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services.s3 import S3Service, put_objects

from .conftest import Invoke, below, files, tree


@pytest.fixture
def archive(seaweedfs: S3Service, bucket: str) -> str:
    """The URI of an archive with the objects under llama/."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as packed:
        for path, data in below("llama/").items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    put_objects(seaweedfs, bucket, {"llama.tar.gz": body.getvalue()})
    return f"s3://{bucket}/llama.tar.gz"


@pytest.mark.parametrize("dest", ["models/llama", "models/llama/", "."])
def test_an_archive(invoke: Invoke, archive: str, tmp_path: Path, dest: str) -> None:
    result = invoke("cp", "--unpack", archive, dest)
    assert (result.exit_code, result.stdout) == (0, f"{dest}\n")
    assert files(tmp_path / dest) == below("llama/")


def test_patterns_select_archive_entries(invoke: Invoke, archive: str, tmp_path: Path) -> None:
    result = invoke("cp", "--unpack", "--json", archive, "here", "--include", "*.json")
    output = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["action"], line.get("source"), line["target"]) for line in output] == [
        ("copy", archive, "here"),
        ("summary", None, "here"),
    ]
    assert files(tmp_path / "here") == {path: data for path, data in below("llama/").items() if path.endswith(".json")}


def test_a_file_that_is_not_an_archive(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    result = invoke("cp", "--unpack", f"s3://{bucket}/iris.joblib", "here")
    assert result.exit_code == exit_codes.FAILURE
    assert "the file is not an archive" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("s3://b/k",), ("here", "--dry-run")])
def test_unpack_needs_a_local_directory(invoke: Invoke, archive: str, arguments: tuple[str, ...]) -> None:
    result = invoke("cp", "--unpack", archive, *arguments)
    assert result.exit_code == exit_codes.USAGE
    assert "--unpack needs a local directory" in result.stderr


def test_volumes(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    tree(tmp_path / "volume", {"old/kept": b"kept"})
    mounts = {"SEALIFT_PVC_MOUNTS": f"models={tmp_path}/volume"}
    result = invoke("cp", "-r", "--json", f"s3://{bucket}/llama", "pvc://models/new", **mounts)
    targets = {json.loads(line)["target"] for line in result.stdout.splitlines()}
    assert targets == {"pvc://models/new", *(f"pvc://models/new/{path}" for path in below("llama/"))}
    assert files(tmp_path / "volume") == {"old/kept": b"kept", **{f"new/{k}": v for k, v in below("llama/").items()}}
    assert invoke("cp", f"s3://{bucket}/iris.joblib", "pvc://models/old", **mounts).stdout == (
        "pvc://models/old/iris.joblib\n"
    )
    assert invoke("ls", "pvc://models/old", **mounts).stdout.split() == ["iris.joblib", "kept"]
    assert invoke("cat", "pvc://models/old/kept", **mounts).stdout == "kept"
    assert invoke("cp", "pvc://models/old/kept", "copy", **mounts).stdout == "copy\n"
    assert invoke("rm", "-r", "--json", "pvc://models/new", **mounts).exit_code == 0
    assert set(files(tmp_path / "volume")) == {"old/kept", "old/iris.joblib"}


def test_a_volume_that_is_not_mounted(invoke: Invoke, bucket: str) -> None:
    result = invoke("cp", f"s3://{bucket}/iris.joblib", "pvc://none/x")
    assert result.exit_code == exit_codes.NOT_FOUND
    assert "'none' is not mounted" in result.stderr
