"""Several sources, and patterns in them."""

import json
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services.s3 import MakeBucket, S3Service, put_objects

from .conftest import OBJECTS, Invoke, below, files, objects_in, tree


def test_several_objects(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "local").write_bytes(b"local")
    result = invoke("cp", f"s3://{bucket}/iris.joblib", f"s3://{bucket}/llama/config.json", "local", "there")
    assert (result.exit_code, result.stdout.split()) == (0, ["there/iris.joblib", "there/config.json", "there/local"])
    expected = {"iris.joblib": OBJECTS["iris.joblib"], "config.json": OBJECTS["llama/config.json"], "local": b"local"}
    assert files(tmp_path / "there") == expected


def test_several_files_to_a_prefix(
    invoke: Invoke, seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    bucket = make_bucket(seaweedfs)
    tree(tmp_path, {"a": b"a", "b": b"b"})
    assert invoke("cp", "a", "b", f"s3://{bucket}/new/").exit_code == 0
    assert objects_in(seaweedfs, bucket) == {"new/a": b"a", "new/b": b"b"}


def test_several_prefixes_keep_their_names(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    result = invoke("cp", "-r", f"s3://{bucket}/llama", f"s3://{bucket}/llama-2/", f"s3://{bucket}/iris.joblib", "to/")
    assert result.exit_code == 0, result.stderr
    expected = {key: data for key, data in OBJECTS.items() if key != "iris.joblib"}
    assert files(tmp_path / "to") == {**expected, "iris.joblib": OBJECTS["iris.joblib"]}


@pytest.mark.parametrize("dest", ["file", "missing", "s3://bucket/key"])
def test_several_sources_need_a_directory(invoke: Invoke, bucket: str, tmp_path: Path, dest: str) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    result = invoke("cp", f"s3://{bucket}/iris.joblib", f"s3://{bucket}/llama/config.json", dest)
    assert result.exit_code == exit_codes.USAGE
    assert "must be a directory" in result.stderr
    assert files(tmp_path) == {"file": b"kept"}


def test_sources_of_one_name_are_refused(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    tree(tmp_path, {"a/config.json": b"a", "b/config.json": b"b"})
    for sources in (
        (f"s3://{bucket}/llama/config.json", f"s3://{bucket}/llama-2/config.json"),
        ("a/config.json", "b/config.json"),
        ("-r", f"s3://{bucket}/llama", f"s3://{bucket}/llama/"),
    ):
        result = invoke("cp", *sources, "to/")
        assert result.exit_code == exit_codes.USAGE
        assert "would both become" in result.stderr
    assert not (tmp_path / "to").exists()


def test_one_failure_fails_the_command(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    result = invoke("cp", f"s3://{bucket}/none", f"s3://{bucket}/iris.joblib", "to/")
    assert result.exit_code == exit_codes.NOT_FOUND
    assert "none" in result.stderr


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("llama/*.json", {"config.json", "tokenizer/vocab.json"}),  # "*" also matches "/", as in --include
        ("llama/model-[1].bin", {"model-1.bin"}),
        ("llama/tok*/vocab.json", {"tokenizer/vocab.json"}),
        ("llama*/config.json", {"llama/config.json", "llama-2/config.json"}),
    ],
)
def test_patterns(invoke: Invoke, bucket: str, tmp_path: Path, pattern: str, paths: set[str]) -> None:
    result = invoke("cp", f"s3://{bucket}/{pattern}", "to")
    assert result.exit_code == 0, result.stderr
    assert files(tmp_path / "to").keys() == paths


def test_local_paths_are_no_patterns(invoke: Invoke, tmp_path: Path) -> None:
    """The shell replaces them; a file name may contain any of these characters."""
    tree(tmp_path, {"model-[1].bin": b"1", "model-1.bin": b"other"})
    assert invoke("cp", "model-[1].bin", "to").exit_code == 0
    assert (tmp_path / "to").read_bytes() == b"1"


def test_an_object_of_this_very_name_wins(
    invoke: Invoke, seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"a[1].bin": b"itself", "a1.bin": b"other"})
    assert invoke("cp", f"s3://{bucket}/a[1].bin", "to").exit_code == 0
    assert files(tmp_path) == {"to": b"itself"}


def test_a_pattern_that_matches_nothing(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    result = invoke("cp", f"s3://{bucket}/llama/*.onnx", "to")
    assert result.exit_code == exit_codes.NOT_FOUND
    assert files(tmp_path) == {}


def test_a_pattern_and_include(invoke: Invoke, bucket: str) -> None:
    result = invoke("cp", f"s3://{bucket}/llama/*.json", "to", "--include", "*.bin")
    assert result.exit_code == exit_codes.USAGE
    assert "--include" in result.stderr


def test_the_query_of_a_url_is_no_pattern(invoke: Invoke) -> None:
    result = invoke("cp", "http://127.0.0.1:1/model?name=[x]", "to/", "--patience", "0")
    assert result.exit_code == exit_codes.FAILURE
    assert "127.0.0.1:1" in result.stderr


def test_json_names_each_source(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    result = invoke("cp", "--json", f"s3://{bucket}/iris.joblib", f"s3://{bucket}/llama/*.bin", "to/")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    copies = {line["source"]: line["target"] for line in lines if line["action"] == "copy"}
    assert copies == {
        f"s3://{bucket}/iris.joblib": "to/iris.joblib",
        f"s3://{bucket}/llama/model-1.bin": "to/model-1.bin",
        f"s3://{bucket}/llama/model-2.bin": "to/model-2.bin",
    }
    assert lines[-1]["copied"] == 3
    assert files(tmp_path / "to").keys() == {"iris.joblib", *(key for key in below("llama/") if key.endswith(".bin"))}
