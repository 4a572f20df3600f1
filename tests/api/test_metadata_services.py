"""Metadata services that do not answer at first, or never."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sealift import AccessDenied, AsyncStorage, GCSConfig, Limits, S3Config
from sealift.runtime.cloud_machine import cloud_of_machine
from tests.api.servers import Asked, FakeS3, Reply
from tests.services.google import Google

pytestmark = pytest.mark.anyio


@pytest.fixture
def fake() -> Iterator[FakeS3]:
    with FakeS3({"models": {"m": b"m"}}) as server:
        yield server


def keys() -> Reply:
    until = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    told = {"AccessKeyId": "ASIA", "SecretAccessKey": "one", "Token": "two", "Expiration": until, "Code": "Success"}
    return Reply(200, json.dumps(told).encode())


@pytest.mark.parametrize("busy", [503, 429])
async def test_an_instance_metadata_service_that_is_busy_at_first(
    fake: FakeS3, monkeypatch: pytest.MonkeyPatch, busy: int
) -> None:
    def metadata(asked: Asked) -> Reply:
        if asked.method == "PUT":
            return Reply(200, b"a-session")
        if len(service.asked) < 6:
            return Reply(busy)
        return keys() if asked.path.endswith("/server") else Reply(200, b"server")

    with FakeS3({}, instead=metadata) as service:
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.endpoint)
        config = S3Config(endpoint_url=fake.endpoint)
        assert await AsyncStorage().read("s3://models/m", config=config) == b"m"


async def test_an_instance_without_a_role_is_not_asked_again(fake: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeS3({}, instead=lambda asked: Reply(404)) as service:
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.endpoint)
        with pytest.raises(AccessDenied, match="no credentials for S3 were found"):
            await AsyncStorage().read("s3://models/m", config=S3Config(endpoint_url=fake.endpoint))
        assert len(service.asked) <= 2


async def test_a_container_s_service_that_is_busy_at_first(fake: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK asks three times, and sealift again."""

    def metadata(asked: Asked) -> Reply:
        return Reply(500) if len(service.asked) < 4 else keys()

    with FakeS3({}, instead=metadata) as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.endpoint}/v2/credentials")
        assert await AsyncStorage().read("s3://models/m", config=S3Config(endpoint_url=fake.endpoint)) == b"m"


async def test_a_metadata_server_of_google_that_is_busy_at_first(tmp_path: Path) -> None:
    busy = [Reply(503)] * 3

    def instead(asked: Asked) -> Reply | None:
        return busy.pop() if busy and "computeMetadata" in asked.target else None

    with Google({"m": b"m"}, instead=instead) as google:
        environ = {"GCE_METADATA_HOST": google.host, "HOME": str(tmp_path)}
        assert await AsyncStorage(environ=environ).read("gs://models/m", config=google.config()) == b"m"
    assert not busy


async def test_no_metadata_server_of_google(tmp_path: Path) -> None:
    environ = {"GCE_METADATA_HOST": "127.0.0.1:1", "HOME": str(tmp_path)}
    storage = AsyncStorage(Limits(patience=0.5), environ=environ)
    with pytest.raises(AccessDenied, match="no credentials for Google Cloud Storage were found"):
        await storage.read("gs://models/m", config=GCSConfig())


@pytest.mark.parametrize(
    ("files", "cloud"),
    [
        ({}, None),
        ({"class/dmi/id/sys_vendor": "QEMU\n", "class/dmi/id/product_name": "Standard PC\n"}, None),
        ({"class/dmi/id/sys_vendor": "Amazon EC2\n"}, "aws"),
        ({"hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef\n"}, "aws"),
        ({"class/dmi/id/product_name": "Google Compute Engine\n"}, "google"),
        ({"class/dmi/id/chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77\n"}, "azure"),
        ({"class/dmi/id/sys_vendor": "\xff\xfe"}, None),
    ],
)
def test_the_cloud_of_a_machine(tmp_path: Path, files: dict[str, str], cloud: str | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cloud_of_machine(str(tmp_path)) == cloud
