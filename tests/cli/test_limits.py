"""Limits from environment variables and options."""

import pytest

from sealift import Limits
from sealift.cli import exit_codes
from sealift.cli.settings import Settings
from sealift.types import MiB

from .conftest import Invoke


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
    options = Settings(memory=MiB, retries=0, connections=3, patience=0.5)
    assert limits(options) == Limits(memory=MiB, attempts=1, connections=3, per_host=3, patience=0.5)


def test_a_variable_that_cannot_be_used_is_a_usage_error(invoke: Invoke, bucket: str) -> None:
    result = invoke("ls", f"s3://{bucket}/", SEALIFT_MEMORY="much")
    assert result.exit_code == exit_codes.USAGE
    assert result.stderr == (
        "error: the environment variable SEALIFT_MEMORY is 'much' "
        "(set it to a size in bytes such as 256MiB, more than 0)\n"
    )
