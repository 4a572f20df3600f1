import json
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services.s3 import S3Service, client

from .conftest import OBJECTS, Invoke, below, files, objects_in, tree


def test_an_object(invoke: Invoke, seaweedfs: S3Service, bucket: str) -> None:
    result = invoke("mv", f"s3://{bucket}/iris.joblib", f"s3://{bucket}/old/")
    assert (result.exit_code, result.stdout) == (0, f"s3://{bucket}/old/iris.joblib\n")
    assert result.stderr.splitlines()[-1].startswith("moved 1 object, 10 B in ")
    there = objects_in(seaweedfs, bucket)
    assert there["old/iris.joblib"] == OBJECTS["iris.joblib"]
    assert "iris.joblib" not in there


def test_a_prefix_to_a_directory(invoke: Invoke, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    result = invoke("mv", "-r", f"s3://{bucket}/llama", "llama")
    assert (result.exit_code, result.stdout) == (0, "llama\n")
    assert files(tmp_path / "llama") == below("llama/")
    assert objects_in(seaweedfs, bucket).keys() == {"llama-2/config.json", "iris.joblib"}


def test_a_rename_on_the_disk(invoke: Invoke, tmp_path: Path) -> None:
    tree(tmp_path, {"models/a/b": b"b", "models/c": b"cc"})
    result = invoke("mv", "-r", "models", "renamed")
    assert (result.exit_code, result.stdout) == (0, "renamed\n")
    assert result.stderr.splitlines()[-1].startswith("moved 2 objects, 3 B in ")
    assert files(tmp_path) == {"renamed/a/b": b"b", "renamed/c": b"cc"}


def test_several_sources(invoke: Invoke, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    tree(tmp_path, {"local": b"local", "dir/a": b"a"})
    result = invoke("mv", "-r", f"s3://{bucket}/iris.joblib", f"s3://{bucket}/llama-2/", "local", "dir", "to/")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == ["to/iris.joblib", "to/llama-2/", "to/local", "to/dir/"]
    assert "moved 4 objects" in result.stderr
    assert files(tmp_path) == {
        "to/iris.joblib": OBJECTS["iris.joblib"], "to/llama-2/config.json": b"{}",
        "to/local": b"local", "to/dir/a": b"a",
    }  # fmt: skip
    assert objects_in(seaweedfs, bucket).keys() == {key for key in OBJECTS if key.startswith("llama/")}


def test_a_pattern(invoke: Invoke, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    result = invoke("mv", f"s3://{bucket}/llama/*.bin", "to")
    assert result.exit_code == 0, result.stderr
    moved = {"llama/model-1.bin", "llama/model-2.bin"}
    assert {f"llama/{path}" for path in files(tmp_path / "to")} == moved
    assert objects_in(seaweedfs, bucket).keys() == OBJECTS.keys() - moved


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("iris.joblib", "to/"), "missing argument"),
        (("s3://BUCKET/iris.joblib", "s3://BUCKET/llama/config.json", "to"), "must be a directory"),
        (
            ("s3://BUCKET/llama/config.json", "s3://BUCKET/llama-2/config.json", "to/"),
            "would both become 'config.json'",
        ),
        (("-r", "s3://BUCKET/llama", "s3://BUCKET/llama/", "to/"), "would both become 'llama'"),
        (("s3://BUCKET/llama/*.bin", "s3://BUCKET/iris.joblib", "to/"), "a pattern must be the only SRC"),
        (("s3://BUCKET/llama/*.bin", "to/", "--include", "*1*"), "cannot be combined"),
    ],
)
def test_sources_that_are_refused(
    invoke: Invoke, seaweedfs: S3Service, bucket: str, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    given = arguments[:1] if message == "missing argument" else arguments
    result = invoke("mv", *(each.replace("BUCKET", bucket) for each in given))
    assert result.exit_code == exit_codes.USAGE
    assert message in result.stderr
    assert objects_in(seaweedfs, bucket) == OBJECTS
    assert files(tmp_path) == {}


def test_one_source_that_is_missing(invoke: Invoke, seaweedfs: S3Service, bucket: str) -> None:
    result = invoke("mv", f"s3://{bucket}/missing", f"s3://{bucket}/iris.joblib", f"s3://{bucket}/to/")
    assert result.exit_code == exit_codes.NOT_FOUND
    there = objects_in(seaweedfs, bucket)
    assert OBJECTS["iris.joblib"] in {there.get("iris.joblib"), there.get("to/iris.joblib")}


def test_a_prefix_needs_r(invoke: Invoke, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    tree(tmp_path, {"models/a": b"a"})
    for uri in (f"s3://{bucket}/llama", "models"):
        result = invoke("mv", uri, "elsewhere")
        assert result.exit_code == exit_codes.USAGE
        assert result.stderr.endswith("(use -r to include everything under it)\n")
    assert objects_in(seaweedfs, bucket) == OBJECTS
    assert files(tmp_path) == {"models/a": b"a"}


def test_a_dry_run_changes_nothing(invoke: Invoke, seaweedfs: S3Service, bucket: str) -> None:
    result = invoke("mv", "-rn", f"s3://{bucket}/llama-2", f"s3://{bucket}/llama-3")
    assert result.stdout == f"would move s3://{bucket}/llama-2/config.json to s3://{bucket}/llama-3/config.json\n"
    assert result.stderr == "would move 1 object, 2 B\n"
    assert objects_in(seaweedfs, bucket) == OBJECTS


def test_what_exists_stays_at_both_ends(invoke: Invoke, seaweedfs: S3Service, bucket: str) -> None:
    to = f"s3://{bucket}/llama-2"
    result = invoke("mv", "-r", "--existing", "fail", f"s3://{bucket}/llama", to)
    assert (result.exit_code, objects_in(seaweedfs, bucket)) == (exit_codes.FAILURE, OBJECTS)
    assert "'llama-2/config.json' exists already; nothing was written" in result.stderr
    result = invoke("mv", "-r", "--skip-existing", "--content-type", "a/b", f"s3://{bucket}/llama", to)
    assert result.exit_code == 0, result.stderr
    assert "moved 3 objects" in result.stderr
    assert "kept 1 existing" in result.stderr
    there = objects_in(seaweedfs, bucket)
    assert there.keys() == {
        "llama/config.json", "llama-2/config.json", "llama-2/model-1.bin", "llama-2/model-2.bin",
        "llama-2/tokenizer/vocab.json", "iris.joblib",
    }  # fmt: skip
    assert there["llama-2/config.json"] == OBJECTS["llama-2/config.json"]
    assert client(seaweedfs).head_object(Bucket=bucket, Key="llama-2/model-1.bin")["ContentType"] == "a/b"


def test_the_rest_is_moved(invoke: Invoke, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    tree(tmp_path, {"models/a": b"a"})
    (tmp_path / "models/broken").symlink_to("nowhere")
    result = invoke("mv", "-r", "models", f"s3://{bucket}/new")
    assert result.exit_code == exit_codes.FAILURE
    assert files(tmp_path) == {"models/a": b"a"}
    result = invoke("mv", "-r", "--on-error", "continue", "models", f"s3://{bucket}/new")
    assert result.exit_code == exit_codes.FAILURE
    assert "moved everything but: broken: " in result.stderr
    assert files(tmp_path) == {}
    assert objects_in(seaweedfs, bucket)["new/a"] == b"a"


def test_json(invoke: Invoke, bucket: str) -> None:
    result = invoke("mv", "-r", "--json", f"s3://{bucket}/llama-2", f"s3://{bucket}/llama-3")
    line, summary = map(json.loads, result.stdout.splitlines())
    assert line["action"] == "move"
    assert (line["source"], line["target"]) == (
        f"s3://{bucket}/llama-2/config.json",
        f"s3://{bucket}/llama-3/config.json",
    )
    assert (summary["action"], summary["moved"], summary["size"]) == ("summary", 1, 2)


def test_patterns(invoke: Invoke, seaweedfs: S3Service, bucket: str) -> None:
    assert invoke("mv", "-r", f"s3://{bucket}/llama", f"s3://{bucket}/x", "--include", "*.bin").exit_code == 0
    there = objects_in(seaweedfs, bucket).keys()
    assert {"x/model-1.bin", "x/model-2.bin", "llama/config.json"} <= there
    assert not {"llama/model-1.bin", "x/config.json"} & there


def test_nothing_there(invoke: Invoke, bucket: str) -> None:
    assert invoke("mv", f"s3://{bucket}/missing", "x").exit_code == exit_codes.NOT_FOUND
