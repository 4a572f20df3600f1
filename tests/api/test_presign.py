"""`presign`: URLs that give access to one object, tried by a client without credentials."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from sealift import (
    AsyncStorage,
    AzureConfig,
    GCSConfig,
    InvalidConfig,
    InvalidURI,
    Limits,
    S3Config,
    Storage,
    UnsupportedOperation,
)
from sealift.backends.gcs.presign import presigned_url
from sealift.config import StorageConfig
from sealift.wire import Origin
from tests.api.helpers import config_of, shows
from tests.api.servers import FakeS3, elsewhere
from tests.services.azurite import AzureService, new_container, signature
from tests.services.azurite import get_object as get_azure
from tests.services.azurite import put_objects as put_azure
from tests.services.gcs import GCSService
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.gcs import put_objects as put_gcs
from tests.services.google import Google
from tests.services.s3 import ODD_KEYS, MakeBucket, S3Service, get_object, put_objects

pytestmark = pytest.mark.anyio


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as reply:
        body: bytes = reply.read()
        return body


def store(url: str, data: bytes, **headers: str) -> int:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    with urllib.request.urlopen(
        urllib.request.Request(url, data, fields | {"Content-Type": ""}, method="PUT"), timeout=30
    ) as reply:
        status: int = reply.status
        return status


def status_of(url: str, method: str = "GET") -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30) as reply:
            status: int = reply.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


class TestS3:
    @pytest.fixture(params=["seaweedfs", "moto"])
    def service(self, request: pytest.FixtureRequest) -> S3Service:
        service: S3Service = request.getfixturevalue(request.param)
        return service

    async def test_reading(self, service: S3Service, make_bucket: MakeBucket) -> None:
        bucket = make_bucket(service)
        put_objects(service, bucket, {key: key.encode() for key in ODD_KEYS})
        async with AsyncStorage() as storage:
            for key in ODD_KEYS:
                url = await storage.presign(f"s3://{bucket}/{key}", config=config_of(service))
                assert fetch(url) == key.encode(), key

    async def test_writing(self, service: S3Service, make_bucket: MakeBucket) -> None:
        bucket = make_bucket(service)
        url = await AsyncStorage().presign(f"s3://{bucket}/a/new", "PUT", config=config_of(service))
        assert store(url, b"written") == 200
        assert get_object(service, bucket, "a/new") == b"written"

    async def test_it_is_for_one_object_and_one_method(self, seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
        bucket = make_bucket(seaweedfs)
        put_objects(seaweedfs, bucket, {"k": b"x", "other": b"secret"})
        url = await AsyncStorage().presign(f"s3://{bucket}/k", "GET", 60, config=config_of(seaweedfs))
        assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["60"]
        assert seaweedfs.keys.secret_key not in url
        assert status_of(url) == 200
        assert status_of(url.replace("/k?", "/other?")) == 403
        assert status_of(url, "DELETE") == 403
        assert status_of(url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")) == 403

    async def test_without_credentials(self, seaweedfs: S3Service) -> None:
        anonymous = S3Config(anonymous=True, endpoint_url=seaweedfs.endpoint)
        with pytest.raises(InvalidConfig, match="cannot be signed without credentials"):
            await AsyncStorage().presign("s3://bucket/k", config=anonymous)

    async def test_no_request_is_sent_to_a_service_with_one_region(self) -> None:
        with FakeS3({"b": {}}) as server:
            url = await AsyncStorage().presign("s3://b/k", config=server.config)
            assert url.startswith(f"{server.endpoint}/b/k?")
            assert server.asked == []

    def test_without_a_loop(self, seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
        bucket = make_bucket(seaweedfs)
        put_objects(seaweedfs, bucket, {"k": b"x"})
        assert fetch(Storage.presign(f"s3://{bucket}/k", config=config_of(seaweedfs))) == b"x"


class TestGoogle:
    @pytest.fixture
    def google(self) -> Iterator[Google]:
        with Google() as google:
            yield google

    async def test_reading(self, google: Google, gcs: GCSService, tmp_path: Path) -> None:
        bucket = new_gcs_bucket(gcs, "presign")
        put_gcs(gcs, bucket, {"a/b c+d": b"bytes"})
        key = google.service_account(tmp_path / "key.json")
        config = GCSConfig(service_account_key=key, endpoint_url=gcs.endpoint)
        url = await AsyncStorage().presign(f"gs://{bucket}/a/b c+d", config=config)
        assert fetch(url) == b"bytes"
        assert google.private_key() not in url

    @pytest.mark.parametrize("method", ["GET", "PUT"])
    @pytest.mark.parametrize("key", ["k", "a/b c+d%20.bin", "späße/~x", "a//b?c#d&e=f"])
    def test_the_same_url_as_google_s(self, google: Google, tmp_path: Path, method: str, key: str) -> None:
        from google.cloud.storage import _signing
        from google.oauth2 import service_account

        account = json.loads(Path(google.service_account(tmp_path / "key.json")).read_text())
        credentials = service_account.Credentials.from_service_account_info(account)
        now, resource = datetime(2026, 11, 28, 12, 30, 5, tzinfo=UTC), f"/models/{quote(key, safe='/~')}"
        theirs = _signing.generate_signed_url_v4(
            credentials, resource, 600, method=method, _request_timestamp=now.strftime("%Y%m%dT%H%M%SZ")
        )
        origin = Origin.of("https://storage.googleapis.com")
        assert presigned_url(origin, resource, account, method, 600, now) == theirs

    async def test_other_credentials_cannot_sign(self, google: Google, tmp_path: Path) -> None:
        user = google.authorized_user(tmp_path / "user.json")
        for config in (
            GCSConfig(anonymous=True, endpoint_url=google.endpoint),
            google.config(service_account_key=user),
        ):
            with pytest.raises(UnsupportedOperation, match="only the key of a service account can sign"):
                await AsyncStorage().presign("gs://models/k", config=config)


class TestAzure:
    async def test_reading_and_writing(self, azurite: AzureService) -> None:
        container, config = new_container(azurite), azurite.config()
        put_azure(azurite, container, {"a/b c+d": b"bytes"})
        async with AsyncStorage() as storage:
            assert fetch(await storage.presign(f"azure://{container}/a/b c+d", config=config)) == b"bytes"
            url = await storage.presign(f"azure://{container}/new", "PUT", 60, config=config)
        assert store(url, b"written", x_ms_blob_type="BlockBlob") == 201
        assert get_azure(azurite, container, "new") == b"written"
        assert status_of(url) == 403
        assert azurite.keys["models"] not in url

    async def test_other_credentials_cannot_sign(self, azurite: AzureService) -> None:
        container, endpoint = new_container(azurite), azurite.endpoint()
        sas = signature(azurite, container, "r")
        for config in (
            AzureConfig("models", sas_token=sas, endpoint_url=endpoint),
            AzureConfig("models", anonymous=True, endpoint_url=endpoint),
        ):
            with pytest.raises(UnsupportedOperation, match="only an account key or an identity can sign") as caught:
                await AsyncStorage().presign(f"azure://{container}/k", config=config)
            assert shows(caught.value, sas) == []

    async def test_a_key_that_is_not_valid(self, azurite: AzureService) -> None:
        wrong = AzureConfig("models", account_key="not!base64", endpoint_url=azurite.endpoint())
        with pytest.raises(InvalidConfig, match="not valid Base64") as caught:
            await AsyncStorage().presign("azure://container/k", config=wrong)
        assert shows(caught.value, "not!base64") == []


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/k", "hf://owner/name/k", "/tmp/k"])
async def test_storages_without_urls(uri: str) -> None:
    with pytest.raises(UnsupportedOperation, match="presigned URLs"):
        await AsyncStorage(Limits(attempts=1)).presign(uri)


CONFIGS: dict[str, StorageConfig] = {
    "s3": S3Config("A", "secret", endpoint_url="http://127.0.0.1:1"),
    "azure": AzureConfig("models", account_key="c2VjcmV0", endpoint_url="http://127.0.0.1:1/models"),
}


@pytest.mark.parametrize("scheme", CONFIGS)
@pytest.mark.parametrize(
    ("key", "arguments", "error", "message"),
    [
        ("", {}, InvalidURI, "not for a prefix"),
        ("models/", {}, InvalidURI, "not for a prefix"),
        ("k", {"method": "DELETE"}, InvalidConfig, "method='DELETE' is not supported"),
        ("k", {"expires_in": 0}, InvalidConfig, "expires_in=0 is not a whole number"),
        ("k", {"expires_in": 1.5}, InvalidConfig, "expires_in=1.5 is not a whole number"),
        ("k", {"expires_in": -5}, InvalidConfig, "at least 1"),
    ],
)
async def test_invalid_arguments(
    scheme: str, key: str, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        await AsyncStorage().presign(f"{scheme}://bucket/{key}", **arguments, config=CONFIGS[scheme])


async def test_no_longer_than_a_week() -> None:
    with pytest.raises(InvalidConfig, match="more than S3 allows"):
        await AsyncStorage().presign("s3://bucket/k", expires_in=604_801, config=CONFIGS["s3"])


async def test_the_region_of_the_bucket_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Amazon would redirect the request, for which the signature is not valid."""
    from sealift.backends.s3.bucket import Bucket
    from sealift.wire import Response

    sent: list[str] = []

    async def send(self: Bucket, method: str, key: str | None, *args: Any, **options: Any) -> Response:
        sent.append(method)
        reply = elsewhere("eu-west-1", 301)
        headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
        await self._current.refresh(Response(301, headers, reply.body), self._access)
        return Response(200, [])

    monkeypatch.setattr(Bucket, "send", send)
    config = S3Config("AKIA", "secret", region="us-east-1")
    url = await AsyncStorage().presign("s3://some-bucket/k", config=config)
    assert sent == ["HEAD"]
    assert url.startswith("https://some-bucket.s3.eu-west-1.amazonaws.com/k?")
    assert "%2Feu-west-1%2Fs3%2Faws4_request" in url
