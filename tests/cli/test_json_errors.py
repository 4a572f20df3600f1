"""With --json, an error is a JSON object on stderr."""

import json

import pytest

from sealift.cli import exit_codes

from .conftest import Invoke


def test_an_error_of_the_storage(invoke: Invoke, bucket: str) -> None:
    result = invoke("cp", "--json", f"s3://{bucket}/none", "m")
    error = json.loads(result.stderr.splitlines()[-1])
    assert result.exit_code == error["exit_code"] == exit_codes.NOT_FOUND
    assert (error["action"], error["error"], error["operation"]) == ("error", "ModelMissingError", "copy")
    assert error["uri"].startswith(f"s3://{bucket}/none")
    assert error["message"]
    assert error["retryable"] is False


@pytest.mark.parametrize("command", [("ls", "--json"), ("stat", "--json"), ("rm", "--json")])
def test_each_command(invoke: Invoke, bucket: str, command: tuple[str, ...]) -> None:
    result = invoke(*command, f"s3://{bucket}/none")
    assert json.loads(result.stderr.splitlines()[-1])["exit_code"] == result.exit_code == exit_codes.NOT_FOUND


def test_wrong_usage(invoke: Invoke) -> None:
    result = invoke("cp", "--json", "s3://b/k", "m", "--header", "A: b")
    error = json.loads(result.stderr.splitlines()[-1])
    assert (result.exit_code, error["error"]) == (exit_codes.USAGE, "UsageError")


def test_without_the_option(invoke: Invoke, bucket: str) -> None:
    assert invoke("cp", f"s3://{bucket}/none", "m").stderr.splitlines()[-1].startswith("error: ")
