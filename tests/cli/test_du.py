import json
from pathlib import Path

from sealift.cli import exit_codes

from .conftest import OBJECTS, Invoke, below, tree


def test_a_prefix_and_an_object(invoke: Invoke, bucket: str) -> None:
    result = invoke("du", f"s3://{bucket}/llama", f"s3://{bucket}/iris.joblib", f"s3://{bucket}")
    assert result.exit_code == 0
    assert [line.split(maxsplit=3) for line in result.stdout.splitlines()] == [
        [str(sum(map(len, below("llama/").values()))), "4", "objects", f"s3://{bucket}/llama"],
        ["10", "1", "object", f"s3://{bucket}/iris.joblib"],
        [str(sum(map(len, OBJECTS.values()))), "6", "objects", f"s3://{bucket}"],
    ]


def test_units(invoke: Invoke, bucket: str) -> None:
    assert invoke("du", "-h", f"s3://{bucket}/llama").stdout.split()[:2] == ["500.0", "kB"]


def test_patterns(invoke: Invoke, bucket: str) -> None:
    result = invoke("du", f"s3://{bucket}/llama", "--include", "*.bin", "--exclude", "*-2.bin")
    assert result.stdout.split()[:3] == ["300000", "1", "object"]
    result = invoke("du", f"s3://{bucket}/llama/*.bin", "--exclude", "*-2.bin")
    assert result.stdout.split() == ["300000", "1", "object", f"s3://{bucket}/llama/*.bin"]
    result = invoke("du", f"s3://{bucket}/llama/*.bin", "--include", "*.bin")
    assert (result.exit_code, "--include" in result.stderr) == (exit_codes.USAGE, True)


def test_json(invoke: Invoke, bucket: str) -> None:
    line = json.loads(invoke("du", "--json", f"s3://{bucket}/llama-2").stdout)
    assert line == {"uri": f"s3://{bucket}/llama-2", "size": 2, "objects": 1, "unknown": 0}


def test_a_directory(invoke: Invoke, tmp_path: Path) -> None:
    tree(tmp_path, {"d/a": b"aa", "d/deep/b": b"b"})
    (tmp_path / "d/empty").mkdir()
    (tmp_path / "d/broken").symlink_to("nowhere")
    result = invoke("du", "d")
    assert result.stdout.split() == ["3", "2", "objects", "d"]
    assert result.stderr.startswith("skipped: d/broken: link to nowhere")


def test_nothing_there(invoke: Invoke, bucket: str) -> None:
    assert invoke("du", f"s3://{bucket}/missing").exit_code == exit_codes.NOT_FOUND
