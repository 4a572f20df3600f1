import json
from datetime import datetime
from pathlib import Path

from .conftest import Invoke


def test_ls_prints_relative_paths(invoke: Invoke, bucket: str) -> None:
    result = invoke("ls", f"s3://{bucket}/llama")
    assert result.exit_code == 0
    assert sorted(result.stdout.splitlines()) == ["config.json", "model-1.bin", "model-2.bin", "tokenizer/vocab.json"]
    assert result.stderr == ""


def test_ls_of_an_object(invoke: Invoke, bucket: str) -> None:
    assert invoke("ls", f"s3://{bucket}/iris.joblib").stdout == "iris.joblib\n"


def test_ls_of_names_that_are_not_text(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "caf\udce9").touch()
    assert invoke("ls", "d").stdout_bytes == b"caf\xe9\n"


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
