"""Limits from environment variables and options."""

import time
from pathlib import Path

import pytest

from sealift import Limits
from sealift.cli import exit_codes
from sealift.cli.settings import Settings
from sealift.types import MiB

from .conftest import OBJECTS, Invoke


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALIFT_MEMORY", "64MiB")
    monkeypatch.setenv("SEALIFT_ATTEMPTS", "7")
    monkeypatch.setenv("SEALIFT_PER_HOST", "9")
    monkeypatch.setenv("SEALIFT_PATIENCE", "5")


def limits(settings: Settings) -> Limits:
    return settings.storage()._lifetime.limits


def test_variables_set_the_limits() -> None:
    assert limits(Settings()) == Limits(memory=64 * MiB, attempts=7, per_host=9, patience=5.0)


def test_options_take_precedence() -> None:
    options = Settings(memory=MiB, retries=0, connections=3, patience=0.5, bwlimit=2 * MiB)
    chosen = Limits(memory=MiB, attempts=1, connections=3, per_host=3, patience=0.5, bandwidth=2 * MiB)
    assert limits(options) == chosen


def test_the_bandwidth_of_a_command(invoke: Invoke, bucket: str, tmp_path: Path) -> None:
    began = time.monotonic()
    result = invoke("cp", "--bwlimit", "1MB", f"s3://{bucket}/llama/model-1.bin", "model")
    assert result.exit_code == exit_codes.OK, result.stderr
    assert (tmp_path / "model").read_bytes() == OBJECTS["llama/model-1.bin"]
    assert time.monotonic() - began > len(OBJECTS["llama/model-1.bin"]) / 1e6 - 0.11
    assert invoke("cp", "--bwlimit", "0", f"s3://{bucket}/llama/model-1.bin", "x").exit_code == exit_codes.USAGE


def test_a_variable_that_cannot_be_used_is_a_usage_error(invoke: Invoke, bucket: str) -> None:
    result = invoke("ls", f"s3://{bucket}/", SEALIFT_MEMORY="much")
    assert result.exit_code == exit_codes.USAGE
    assert result.stderr == (
        "error: the environment variable SEALIFT_MEMORY is 'much' "
        "(set it to a size in bytes such as 256MiB, more than 0)\n"
    )
