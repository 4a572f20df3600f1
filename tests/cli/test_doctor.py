"""`sealift doctor`."""

import base64
import json
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services import azurite as microsoft
from tests.services import gcs as google
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.http_server import Asked, OddServer, Reply, good
from tests.services.hub import GRANTED, FakeHub
from tests.services.registry import PASSWORD, USER, FakeRegistry
from tests.services.s3 import S3Service

from .conftest import Invoke
from .program import run


def findings(output: str) -> dict[str, str]:
    """The details, by check."""
    return {line["check"]: line["detail"] for line in map(json.loads, output.splitlines())}


def test_a_prefix(invoke: Invoke, bucket: str, seaweedfs: S3Service) -> None:
    result = invoke("doctor", "--json", f"s3://{bucket}/llama/")
    assert result.exit_code == 0, result.stderr
    found = findings(result.stdout)
    assert found["endpoint"] == f"{seaweedfs.endpoint}/{bucket} (AWS_ENDPOINT_URL)"
    assert found["credentials"] == f"access key ****{seaweedfs.access_key[-4:]} (AWS_ACCESS_KEY_ID)"
    assert "clocks agree" in found["connection"]
    assert found["read"].startswith(f"may list s3://{bucket}/llama/; may read 'llama/")
    assert seaweedfs.secret_key not in result.output


def test_an_object_as_text(invoke: Invoke, bucket: str) -> None:
    result = invoke("doctor", f"s3://{bucket}/iris.joblib")
    assert result.exit_code == 0, result.stderr
    assert "\nok     read            may read 'iris.joblib' (10 bytes)\n" in result.stdout


def test_what_is_missing(invoke: Invoke, bucket: str) -> None:
    result = invoke("doctor", f"s3://{bucket}/none")
    assert result.exit_code == exit_codes.NOT_FOUND
    assert "\nFAILED read " in result.stdout
    assert "none" in result.stderr


def test_wrong_keys(invoke: Invoke, bucket: str) -> None:
    result = invoke("doctor", f"s3://{bucket}/iris.joblib", AWS_SECRET_ACCESS_KEY="wrong-secret")
    assert result.exit_code == exit_codes.ACCESS_DENIED
    assert "wrong-secret" not in result.output


def test_no_server(invoke: Invoke) -> None:
    result = invoke("doctor", "s3://b/k", "--endpoint-url", "http://127.0.0.1:1", "--patience", "0")
    assert result.exit_code == exit_codes.FAILURE
    assert "FAILED connection" in result.stdout
    assert "http://127.0.0.1:1/b (the configuration)" in result.stdout


def test_a_profile(bucket: str, seaweedfs: S3Service, tmp_path: Path) -> None:
    """In a child process, because the SDK reads the files of the profile in the event loop."""
    (tmp_path / "config").write_text(f"[profile weed]\nendpoint_url = {seaweedfs.endpoint}\n")
    (tmp_path / "keys").write_text(
        f"[weed]\naws_access_key_id = {seaweedfs.access_key}\naws_secret_access_key = {seaweedfs.secret_key}\n"
    )
    files = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys")}
    done = run("doctor", "--json", "--profile", "weed", f"s3://{bucket}/", environ=files)
    assert done.returncode == 0, done.stderr
    found = findings(done.stdout)
    assert found["endpoint"].endswith("(the profile 'weed')")
    assert found["credentials"].endswith("(shared-credentials-file)")


def test_no_credentials(bucket: str, seaweedfs: S3Service, tmp_path: Path) -> None:
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
    done = run("doctor", "--endpoint-url", seaweedfs.endpoint, f"s3://{bucket}/", environ=nowhere)
    assert done.returncode == exit_codes.ACCESS_DENIED
    assert "no credentials" in done.stdout


@pytest.fixture
def slow_clock() -> Iterator[OddServer]:
    """A server whose clock is ten minutes ahead."""

    def answer(asked: Asked) -> Reply:
        return good(asked, b"model", Date=formatdate(4e9, usegmt=True))

    with OddServer(answer) as server:
        yield server


def test_the_clock(invoke: Invoke, slow_clock: OddServer) -> None:
    result = invoke("doctor", f"{slow_clock.url}/model")
    assert result.exit_code == exit_codes.FAILURE
    assert "FAILED connection" in result.stdout
    assert "behind that of 127.0.0.1" in result.stdout
    assert "may read 'model'" in result.stdout  # the other checks are made nevertheless


@pytest.mark.parametrize("date", ["yesterday", "Mon, 99 Foo 2026 99:99:99 GMT", ""])
def test_a_date_that_cannot_be_read(invoke: Invoke, date: str) -> None:
    with OddServer(lambda asked: good(asked, b"model", Date=date)) as server:
        result = invoke("doctor", f"{server.url}/model")
    assert result.exit_code == 0, result.output
    assert " ms\n" in result.stdout
    assert "may read 'model'" in result.stdout


def test_a_server_without_ranges(invoke: Invoke) -> None:
    """It can be read nevertheless."""
    with OddServer(lambda asked: Reply(200, b"model")) as server:
        result = invoke("doctor", f"{server.url}/model")
    assert result.exit_code == 0, result.output
    assert (
        "may read 'model' (5 bytes), in order only: the server sent the whole file instead of a range" in result.stdout
    )


def test_the_patience_of_the_environment(invoke: Invoke) -> None:
    result = invoke("doctor", "s3://b/k", "--endpoint-url", "http://127.0.0.1:1", SEALIFT_PATIENCE="0")
    assert "FAILED read" in result.stdout
    assert "given up after" not in result.stdout  # nothing was tried again


def test_the_hub(invoke: Invoke) -> None:
    with FakeHub() as hub:
        hub.repo("owner/name", {"config.json": b"{}"})
        result = invoke("doctor", "--json", "hf://owner/name", HF_TOKEN=GRANTED, HF_ENDPOINT=hub.endpoint)
    assert result.exit_code == 0, result.stderr
    assert findings(result.stdout)["credentials"] == "token (HF_TOKEN)"
    assert GRANTED not in result.output


def test_a_registry(invoke: Invoke, tmp_path: Path) -> None:
    with FakeRegistry("token") as registry:
        registry.repository("team/model").put_model({"config.json": b"{}"})
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.host(): {"auth": auth}}}))
        result = invoke("doctor", "--json", registry.uri("team/model"), DOCKER_CONFIG=str(tmp_path))
    assert result.exit_code == 0, result.stderr
    found = findings(result.stdout)
    assert found["endpoint"] == f"http://{registry.host()}"
    assert found["credentials"] == f"{USER} ({tmp_path / 'config.json'})"
    assert not any(secret in result.output for secret in (PASSWORD, auth))


def test_google(invoke: Invoke, gcs: GCSService) -> None:
    bucket = google.new_bucket(gcs)
    google.put_objects(gcs, bucket, {"m": b"model"})
    result = invoke("doctor", "--json", f"gs://{bucket}/m", **gcs.environ)
    assert result.exit_code == 0, result.stderr
    assert findings(result.stdout)["credentials"] == "none: requests are anonymous"


def test_azure(invoke: Invoke, azurite: AzureService) -> None:
    container = microsoft.new_container(azurite)
    microsoft.put_objects(azurite, container, {"m": b"model"})
    config = azurite.config()
    variables = {
        "AZURE_STORAGE_ACCOUNT": microsoft.ACCOUNT,
        "AZURE_STORAGE_KEY": config.account_key or "",
        "AZURE_STORAGE_SERVICE_ENDPOINT": azurite.endpoint(),
    }
    result = invoke("doctor", "--json", f"azure://{container}/m", **variables)
    assert result.exit_code == 0, result.stderr
    assert findings(result.stdout)["credentials"] == "account key"
    assert (config.account_key or "-") not in result.output


def test_the_disk(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"model")
    result = invoke("doctor", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    assert "may read" in result.stdout
