import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from .conftest import OBJECTS, Invoke


def test_ls_prints_relative_paths(invoke: Invoke, bucket: str) -> None:
    result = invoke("ls", f"s3://{bucket}/llama")
    assert result.exit_code == 0
    assert sorted(result.stdout.splitlines()) == ["config.json", "model-1.bin", "model-2.bin", "tokenizer/"]
    assert result.stderr == ""
    everything = invoke("ls", "-r", f"s3://{bucket}/llama").stdout.splitlines()
    assert sorted(everything) == ["config.json", "model-1.bin", "model-2.bin", "tokenizer/vocab.json"]


def test_ls_of_an_object(invoke: Invoke, bucket: str) -> None:
    assert invoke("ls", f"s3://{bucket}/iris.joblib").stdout == "iris.joblib\n"


def test_ls_of_a_bucket(invoke: Invoke, bucket: str) -> None:
    for uri in (f"s3://{bucket}", f"s3://{bucket}/"):
        assert sorted(invoke("ls", uri).stdout.splitlines()) == ["iris.joblib", "llama-2/", "llama/"]
        assert sorted(invoke("ls", "-r", uri).stdout.splitlines()) == sorted(OBJECTS)


def test_ls_of_the_buckets(invoke: Invoke, bucket: str) -> None:
    assert bucket in invoke("ls", "s3://").stdout.splitlines()
    lines = [json.loads(line) for line in invoke("ls", "--json", "s3://").stdout.splitlines()]
    assert {"bucket": bucket, "uri": f"s3://{bucket}/"} in lines
    result = invoke("ls", "hf://")
    assert result.exit_code != 0
    assert "hf:// has no buckets to list" in result.stderr


def test_ls_with_patterns(invoke: Invoke, bucket: str) -> None:
    chosen = ("--include", "*.json", "--include", "model-*", "--exclude", "tokenizer/*", "--exclude", "*-2.bin")
    assert sorted(invoke("ls", f"s3://{bucket}/llama", *chosen).stdout.splitlines()) == ["config.json", "model-1.bin"]


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("llama/*.json", ["config.json", "tokenizer/vocab.json"]),
        ("llama/model-[2].bin", ["model-2.bin"]),
        ("llama*/config.json", ["llama-2/config.json", "llama/config.json"]),
        ("llama/*.onnx", []),
    ],
)
def test_ls_of_a_pattern(invoke: Invoke, bucket: str, pattern: str, paths: list[str]) -> None:
    result = invoke("ls", f"s3://{bucket}/{pattern}")
    assert sorted(result.stdout.splitlines()) == paths
    assert result.exit_code == 0, result.stderr


def test_ls_in_long(invoke: Invoke, bucket: str) -> None:
    lines = [line.split() for line in invoke("ls", "-rl", f"s3://{bucket}/llama").stdout.splitlines()]
    assert sorted((path, size) for size, _, path in lines) == [
        ("config.json", "13"),
        ("model-1.bin", "300000"),
        ("model-2.bin", "200000"),
        ("tokenizer/vocab.json", "2"),
    ]
    ages = [datetime.now(UTC) - datetime.fromisoformat(time) for _, time, _ in lines]
    assert all(abs(age) < timedelta(hours=1) for age in ages)


def test_ls_in_long_with_units(invoke: Invoke, bucket: str) -> None:
    lines = [line.split() for line in invoke("ls", "-lh", f"s3://{bucket}/llama").stdout.splitlines()]
    found = {line[-1]: " ".join(line[:-2]) for line in lines}
    assert found == {"config.json": "13 B", "model-1.bin": "300.0 kB", "model-2.bin": "200.0 kB", "tokenizer/": "-"}


def test_ls_in_json(invoke: Invoke, bucket: str) -> None:
    level = map(json.loads, invoke("ls", "--json", f"s3://{bucket}/llama/").stdout.splitlines())
    (prefix,) = (line for line in level if line["type"] == "prefix")
    assert (prefix["key"], prefix["path"], prefix["size"]) == ("llama/tokenizer/", "tokenizer/", None)
    lines = map(json.loads, invoke("ls", "-r", "--json", f"s3://{bucket}/llama/").stdout.splitlines())
    found = {line["path"]: line for line in lines}
    line = found["tokenizer/vocab.json"]
    assert line.keys() == {"key", "path", "type", "size", "modified", "etag"}
    assert line["type"] == "object"
    assert (line["key"], line["size"]) == ("llama/tokenizer/vocab.json", 2)
    assert line["etag"] == f'"{hashlib.md5(b"[]").hexdigest()}"'
    assert datetime.fromisoformat(line["modified"]).tzinfo is not None


def test_ls_of_many(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(3000):
        (tmp_path / "many" / f"{number:05}").touch()
    assert invoke("ls", "many").stdout.splitlines() == [f"{number:05}" for number in range(3000)]


def test_ls_of_names_that_are_not_unicode(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "caf\udce9").touch()
    assert invoke("ls", "d").stdout_bytes == b"caf\xe9\n"


@pytest.mark.parametrize("form", ["{}", "file://{}", "file:{}", "FILE:{}"])
def test_forms_of_local_paths(invoke: Invoke, tmp_path: Path, form: str) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "m.bin").write_bytes(b"real")
    assert invoke("ls", form.format(tmp_path / "d")).stdout == "m.bin\n"
    copied = invoke("cp", "-v", form.format(tmp_path / "d" / "m.bin"), form.format(tmp_path / "copy.bin"))
    assert copied.exit_code == 0
    assert f"{tmp_path}/copy.bin" in copied.output
    assert "file:" not in "".join(line for line in copied.output.splitlines() if " INFO " not in line).lower()
    assert (tmp_path / "copy.bin").read_bytes() == b"real"


def test_a_uri_with_a_missing_slash_is_not_a_path(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"real")
    result = invoke("cp", str(tmp_path / "m.bin"), "s3:/bucket/m.bin")
    assert result.exit_code != 0
    assert "a slash is missing after s3: (s3://…, or ./s3:… for a local file)" in result.stderr
    assert not (tmp_path / "s3:").exists()


def test_stat_of_an_object(invoke: Invoke, bucket: str) -> None:
    result = invoke("stat", f"s3://{bucket}/llama/model-1.bin")
    assert result.exit_code == 0
    assert result.stderr == ""
    facts = dict(line.split(maxsplit=1) for line in result.stdout.replace("modified time", "modified").splitlines())
    assert facts["uri"] == f"s3://{bucket}/llama/model-1.bin"
    assert facts["type"] == "object"
    assert facts["size"] == "300,000 bytes (300.0 kB)"
    assert datetime.fromisoformat(facts["modified"]).tzinfo is not None
    assert "crc64nvme=" in facts["checksums"]
    assert "metadata" not in facts


def test_stat_of_a_prefix(invoke: Invoke, bucket: str) -> None:
    assert "prefix" in invoke("stat", f"s3://{bucket}/llama/").stdout


def test_stat_as_json(invoke: Invoke, bucket: str) -> None:
    facts = json.loads(invoke("stat", "--json", f"s3://{bucket}/iris.joblib").stdout)
    assert facts["size"] == 10
    assert facts["type"] == "object"
    assert datetime.fromisoformat(facts["modified_time"]).tzinfo is not None
    assert facts["metadata"] == {}
