"""Options for every service, and what they may be used with."""

from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services import azurite as microsoft
from tests.services import gcs as google
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.http_server import Asked, OddServer, Reply, good
from tests.services.hub import GRANTED, FakeHub

from .conftest import Invoke


def test_a_header_is_sent(invoke: Invoke, tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        return good(asked, b"model") if asked.headers.get("authorization") == "Bearer secret" else Reply(401)

    with OddServer(answer) as server:
        assert invoke("cp", f"{server.url}/m", "m").exit_code == exit_codes.ACCESS_DENIED
        result = invoke("cp", f"{server.url}/m", "m", "--header", "Authorization: Bearer secret")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "m").read_bytes() == b"model"


def test_a_header_that_is_not_one_is_not_repeated(invoke: Invoke) -> None:
    result = invoke("cp", "http://127.0.0.1:1/m", "m", "--header", "Bearer secret")
    assert result.exit_code == exit_codes.USAGE
    assert "--header" in result.stderr
    assert "secret" not in result.stderr


def test_a_token_and_an_endpoint_of_a_hub(invoke: Invoke, tmp_path: Path) -> None:
    with FakeHub() as hub:
        hub.repo("owner/gated", {"config.json": b"{}"}, access="gated")
        uri, endpoint = "hf://owner/gated/config.json", ("--endpoint-url", hub.endpoint)
        assert invoke("cp", uri, "m", *endpoint).exit_code == exit_codes.ACCESS_DENIED
        result = invoke("cp", uri, "m", *endpoint, "--token", GRANTED)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "m").read_bytes() == b"{}"


def test_a_revision_of_a_repository(invoke: Invoke) -> None:
    with FakeHub() as hub:
        repo = hub.repo("owner/name", {"config.json": b"{}"})
        repo.commit({"config.json": b"new", "x/a": b"a"}, "feature/x")
        hub_options = ("--endpoint-url", hub.endpoint, "--revision", "feature/x")
        assert invoke("cat", "hf://owner/name/config.json", *hub_options).stdout == "new"
        assert invoke("ls", "-r", "hf://owner/name", *hub_options).stdout.split() == ["config.json", "x/a"]
        assert invoke("cat", "hf://owner/name@feature%2Fx/config.json", *hub_options).stdout == "new"
        result = invoke("cat", "hf://owner/name@main/config.json", *hub_options)
        assert result.exit_code == exit_codes.USAGE
        assert "--revision is 'feature/x', but hf://owner/name:main/config.json names 'main'" in result.stderr
        # "x/" is the directory of the key here, not the end of the name of a branch.
        missing = invoke("cat", "hf://owner/name/x/a", "--endpoint-url", hub.endpoint, "--revision", "feature")
        assert missing.exit_code == exit_codes.NOT_FOUND
        wrong = invoke("cat", "hf://owner/name/x/a", "--endpoint-url", hub.endpoint, "--revision", "a..b")
        assert wrong.exit_code == exit_codes.USAGE
        assert "--revision 'a..b' is not a valid Git name" in wrong.stderr


def test_the_environments_token_is_not_sent_to_another_hub(invoke: Invoke) -> None:
    with FakeHub() as hub:
        hub.repo("owner/name", {"config.json": b"{}"})
        result = invoke("cat", "hf://owner/name/config.json", "--endpoint-url", hub.endpoint, HF_TOKEN=GRANTED)
        assert result.exit_code == 0, result.stderr
        assert all("authorization" not in asked.headers for asked in hub.asked)


def test_an_endpoint_of_google(invoke: Invoke, gcs: GCSService, tmp_path: Path) -> None:
    bucket = google.new_bucket(gcs)
    google.put_objects(gcs, bucket, {"m": b"model"})
    result = invoke("cp", f"gs://{bucket}/m", "m", "--endpoint-url", gcs.endpoint, "--anonymous")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "m").read_bytes() == b"model"


def test_an_account_of_azure(invoke: Invoke, azurite: AzureService, tmp_path: Path) -> None:
    container = microsoft.new_container(azurite, public=True)
    microsoft.put_objects(azurite, container, {"m": b"model"})
    options = ("--endpoint-url", azurite.endpoint(), "--account", microsoft.ACCOUNT, "--anonymous")
    result = invoke("cp", f"azure://{container}/m", "m", *options)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "m").read_bytes() == b"model"


@pytest.mark.parametrize(
    ("option", "uri", "needed"),
    [
        (("--region", "x"), "gs://b/k", "s3://"),
        (("--token", "x"), "s3://b/k", "hf://"),
        (("--revision", "x"), "s3://b/k", "hf://"),
        (("--header", "A: b"), "azure://container/k", "http://"),
        (("--account", "x"), "hf://owner/name/k", "azure://"),
        (("--project", "x"), "/tmp/k", "gs://"),
        (("--endpoint-url", "http://127.0.0.1:1"), "https://example.com/k", "s3://"),
        (("--anonymous",), "/tmp/k", "s3://"),
    ],
)
def test_an_option_of_another_service(invoke: Invoke, option: tuple[str, ...], uri: str, needed: str) -> None:
    result = invoke("stat", uri, *option)
    assert result.exit_code == exit_codes.USAGE
    assert option[0] in result.stderr
    assert needed in result.stderr


def test_help_groups_the_options(invoke: Invoke) -> None:
    text = invoke("cp", "--help").stdout
    assert text.index("\nOptions:") < text.index("\nServices:") < text.index("--endpoint-url URL")
    assert text.index("\nLimits:") < text.index("--part-size")
