"""`sealift config show`."""

import json
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services.hub import GRANTED
from tests.services.s3 import S3Service

from .conftest import Invoke


def settings(output: str) -> dict[str, tuple[str, str | None]]:
    """Value and source of each setting."""
    lines = [json.loads(line) for line in output.splitlines()]
    assert all(line.keys() == {"setting", "value", "source"} for line in lines)
    return {line["setting"]: (line["value"], line["source"]) for line in lines}


def test_limits_and_where_they_come_from(invoke: Invoke) -> None:
    result = invoke(
        "config", "show", "--json", "--bwlimit", "1.5MB", "--connections", "3", "--retries", "0",
        SEALIFT_MEMORY="64MiB", SEALIFT_BANDWIDTH="1GiB", SEALIFT_PATIENCE="7.5", SEALIFT_MIN_THROUGHPUT="1500",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = settings(result.stdout)
    assert found["memory"] == ("64MiB", "SEALIFT_MEMORY")
    assert found["bandwidth"] == ("1500000B/s", "--bwlimit")
    assert found["connections"] == found["per_host"] == ("3", "--connections")
    assert found["attempts"] == ("1", "--retries")
    assert found["patience"] == ("7.5 s", "SEALIFT_PATIENCE")
    assert found["min_throughput"] == ("1500B/s", "SEALIFT_MIN_THROUGHPUT")
    assert found["part_size"] == ("by the object's size", "the default")
    assert found["idle_timeout"] == ("30 s", "the default")


def test_the_process_and_its_proxies(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke(
        "config", "show", "--json", SEALIFT_LOOP="asyncio", SEALIFT_USER_AGENT="team-a/1", XDG_STATE_HOME=str(tmp_path),
        https_proxy="http://user:Pa55word@proxy:3128", NO_PROXY="127.0.0.1,.corp", SEALIFT_PVC_MOUNTS="models=/mnt/m",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = settings(result.stdout)
    assert found["event loop"] == ("asyncio", "SEALIFT_LOOP")
    assert found["state directory"] == (f"{tmp_path}/sealift", "XDG_STATE_HOME")
    assert found["https proxy"] == ("proxy:3128", "https_proxy")
    assert found["http proxy"] == ("none", None)
    assert found["no proxy for"] == ("127.0.0.1, .corp", "NO_PROXY")
    assert found["user agent"][0].endswith(" team-a/1")
    assert found["volumes"] == ("models=/mnt/m", "SEALIFT_PVC_MOUNTS")
    assert "Pa55word" not in result.output


def test_the_service_of_a_uri(invoke: Invoke, seaweedfs: S3Service) -> None:
    result = invoke("config", "show", "--json", "s3://models/llama/", AWS_REGION="eu-west-1")
    assert result.exit_code == 0, result.stderr
    found = settings(result.stdout)
    assert found["URI"] == ("s3://models/llama/", None)
    assert found["endpoint"] == (f"{seaweedfs.endpoint}/models", "AWS_ENDPOINT_URL")
    assert found["region"] == ("eu-west-1", "AWS_REGION")
    assert found["credentials"] == (f"access key ****{seaweedfs.access_key[-4:]}", "AWS_ACCESS_KEY_ID")
    assert seaweedfs.secret_key not in result.output


def test_options_of_the_service(invoke: Invoke) -> None:
    result = invoke(
        "config", "show", "--json", "s3://models/", "--endpoint-url", "http://127.0.0.1:1", AWS_REGION="eu-west-1"
    )
    found = settings(result.stdout)
    assert found["endpoint"] == ("http://127.0.0.1:1/models", "the configuration")
    assert found["region"] == ("eu-west-1", "AWS_REGION")
    found = settings(invoke("config", "show", "--json", "hf://owner/name", "--revision", "v1", HF_TOKEN=GRANTED).stdout)
    assert found["revision"] == ("v1", "the configuration")
    assert found["credentials"] == ("token", "HF_TOKEN")


def test_as_text(invoke: Invoke) -> None:
    result = invoke("config", "show", "hf://owner/name@v1", SEALIFT_PROCESSES="0", HF_TOKEN=GRANTED)
    assert result.exit_code == 0, result.stderr
    assert "\nprocesses        0 (SEALIFT_PROCESSES)\n" in result.stdout
    assert "\nrevision         v1 (the URI)\n" in result.stdout
    assert GRANTED not in result.output


@pytest.mark.parametrize("uri", ["/tmp", "https://example.com/m", "oci://127.0.0.1:5000/m:v1"])
def test_a_storage_without_a_configuration(invoke: Invoke, uri: str) -> None:
    assert invoke("config", "show", uri).exit_code == 0


def test_options_of_services_need_a_uri(invoke: Invoke) -> None:
    result = invoke("config", "show", "--endpoint-url", "http://127.0.0.1:1")
    assert result.exit_code == exit_codes.USAGE
    assert "--endpoint-url: options of services need a URI" in result.stderr


def test_a_variable_that_cannot_be_used(invoke: Invoke) -> None:
    result = invoke("config", "show", SEALIFT_MEMORY="much")
    assert result.exit_code == exit_codes.USAGE
    assert "SEALIFT_MEMORY is 'much'" in result.stderr


def test_without_a_command_it_shows_the_help(invoke: Invoke) -> None:
    result = invoke("config")
    assert (result.exit_code, result.stdout) == (exit_codes.USAGE, "")
    assert "\n  show  Show the settings" in result.stderr


def test_a_uri_that_is_not_valid(invoke: Invoke) -> None:
    result = invoke("config", "show", "azure://c/x")
    assert (result.exit_code, result.stdout) == (exit_codes.USAGE, "")
    assert "'c' is not a valid container name" in result.stderr
