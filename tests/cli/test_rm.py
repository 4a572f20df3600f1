import json
from pathlib import Path

from sealift.cli import exit_codes
from tests.services.s3 import S3Service

from .conftest import OBJECTS, Invoke, files, objects_in, tree


def test_objects(invoke: Invoke, seaweedfs: S3Service, bucket: str) -> None:
    result = invoke("rm", f"s3://{bucket}/iris.joblib", f"s3://{bucket}/llama/config.json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("removed 2 objects in ")
    assert objects_in(seaweedfs, bucket).keys() == OBJECTS.keys() - {"iris.joblib", "llama/config.json"}


def test_a_prefix(invoke: Invoke, seaweedfs: S3Service, bucket: str) -> None:
    assert invoke("rm", "-r", f"s3://{bucket}/llama").exit_code == 0
    assert objects_in(seaweedfs, bucket).keys() == {"llama-2/config.json", "iris.joblib"}


def test_patterns(invoke: Invoke, seaweedfs: S3Service, bucket: str) -> None:
    chosen = ("--include", "*.bin", "--exclude", "*-2*")
    assert invoke("rm", "-r", f"s3://{bucket}/llama/", *chosen).stderr.startswith("removed 1 object in ")
    assert objects_in(seaweedfs, bucket).keys() == OBJECTS.keys() - {"llama/model-1.bin"}


def test_a_directory(invoke: Invoke, tmp_path: Path) -> None:
    tree(tmp_path, {"models/a/b": b"b", "models/c": b"c", "beside": b"beside"})
    assert invoke("rm", "-r", "models").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beside"]


def test_a_prefix_needs_r(invoke: Invoke, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    tree(tmp_path, {"models/a": b"a"})
    for uri in (f"s3://{bucket}/llama", f"s3://{bucket}/", "models"):
        result = invoke("rm", uri)
        assert (result.exit_code, result.stdout) == (exit_codes.USAGE, "")
        assert result.stderr.endswith("(use -r to include everything under it)\n")
    assert objects_in(seaweedfs, bucket) == OBJECTS
    assert files(tmp_path) == {"models/a": b"a"}


def test_a_dry_run_changes_nothing(invoke: Invoke, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    tree(tmp_path, {"models/a": b"a"})
    result = invoke("rm", "-rn", f"s3://{bucket}/llama-2", f"s3://{bucket}/iris.joblib", "models")
    assert result.stdout.splitlines() == [
        f"would remove s3://{bucket}/llama-2/config.json",
        f"would remove s3://{bucket}/iris.joblib",
        "would remove models/a",
    ]
    assert result.stderr == "would remove 3 objects\n"
    assert objects_in(seaweedfs, bucket) == OBJECTS
    assert files(tmp_path) == {"models/a": b"a"}


def test_json(invoke: Invoke, bucket: str) -> None:
    result = invoke("rm", "-r", "--json", f"s3://{bucket}/llama-2")
    line, summary = map(json.loads, result.stdout.splitlines())
    assert line == {"action": "remove", "target": f"s3://{bucket}/llama-2/config.json", "dry_run": False}
    assert summary.pop("seconds") >= 0
    assert summary == {"action": "summary", "removed": 1, "dry_run": False}


def test_verbose_reports_each_object(invoke: Invoke, bucket: str) -> None:
    lines = invoke("rm", "-rv", f"s3://{bucket}/llama-2").stderr.splitlines()
    assert lines[0] == f"s3://{bucket}/llama-2/config.json: removed"


def test_it_stops_at_the_first_failure(invoke: Invoke, seaweedfs: S3Service, bucket: str) -> None:
    result = invoke("rm", f"s3://{bucket}/missing", f"s3://{bucket}/iris.joblib")
    assert result.exit_code == exit_codes.NOT_FOUND
    assert objects_in(seaweedfs, bucket) == OBJECTS


def test_a_pattern_in_the_uri_removes_nothing(invoke: Invoke, seaweedfs: S3Service, bucket: str) -> None:
    for uri in (f"s3://{bucket}/llama/*.bin", f"s3://{bucket}/llama/model-[1].bin"):
        result = invoke("rm", uri)
        assert result.exit_code == exit_codes.NOT_FOUND
        assert "--include" in result.stderr
    assert objects_in(seaweedfs, bucket) == OBJECTS
