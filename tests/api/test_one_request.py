"""A small object of which nothing is known is found and read with one request."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sealift import (
    AsyncStorage,
    AzureConfig,
    GCSConfig,
    IntegrityError,
    Limits,
    ModelMissingError,
    S3Config,
    UnsupportedOperation,
)
from sealift.types import KiB, MiB
from tests.api.rewriter import Header, rewriting
from tests.api.servers import Asked, FakeS3, Reply, failure, pattern
from tests.services.azurite import AzureService, new_container
from tests.services.azurite import put_objects as put_azure
from tests.services.gcs import GCSService
from tests.services.gcs import client as google_client
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.s3 import MakeBucket, S3Service, put_objects

pytestmark = pytest.mark.anyio

SMALL = pattern(100 * KiB + 7)
Config = S3Config | GCSConfig | AzureConfig | None


@dataclass(slots=True)
class Cloud:
    """An object at `uri`, behind a proxy that counts requests."""

    uri: str
    config: Config = None
    environ: dict[str, str] | None = None
    requests: list[list[Header]] = field(default_factory=list)

    def rewrite(self, headers: list[Header]) -> list[Header]:
        self.requests.append(headers)
        return headers

    def storage(self) -> AsyncStorage:
        return AsyncStorage(environ=self.environ)


@pytest.fixture(params=["s3", "gs", "az"])
def cloud(request: pytest.FixtureRequest, make_bucket: MakeBucket) -> Iterator[Cloud]:
    cloud = Cloud("")
    if request.param == "s3":
        s3: S3Service = request.getfixturevalue("seaweedfs")
        bucket = make_bucket(s3)
        put_objects(s3, bucket, {"k": SMALL, "p/a": b"a"})
        with rewriting(s3.endpoint, cloud.rewrite) as url:
            cloud.config = S3Config(s3.keys.access_key, s3.keys.secret_key, endpoint_url=url)
            cloud.uri = f"s3://{bucket}/k"
            yield cloud
    elif request.param == "gs":
        gcs: GCSService = request.getfixturevalue("gcs")
        bucket = new_gcs_bucket(gcs, "one-request")
        google_client(gcs).bucket(bucket).blob("k").upload_from_string(SMALL)
        with rewriting(gcs.endpoint, cloud.rewrite) as url:
            cloud.environ = {"STORAGE_EMULATOR_HOST": url}
            cloud.uri = f"gs://{bucket}/k"
            yield cloud
    else:
        azure: AzureService = request.getfixturevalue("azurite")
        container = new_container(azure)
        put_azure(azure, container, {"k": SMALL})
        with rewriting(azure.url, cloud.rewrite) as url:
            cloud.config = AzureConfig("models", azure.keys["models"], endpoint_url=f"{url}/models")
            cloud.uri = f"az://{container}/k"
            yield cloud


async def test_read(cloud: Cloud) -> None:
    assert await cloud.storage().read(cloud.uri, config=cloud.config) == SMALL
    assert len(cloud.requests) == 1


Call = Callable[[FakeS3, Path], Awaitable[bytes]]


async def read(server: FakeS3) -> bytes:
    return await AsyncStorage(Limits(part_size=MiB)).read("s3://b/k", config=server.config)


async def test_an_empty_object() -> None:
    with FakeS3({"b": {"k": b""}}) as server:
        assert await read(server) == b""
        assert [asked.method for asked in server.asked] == ["GET"]


async def test_a_large_object_is_read_in_pinned_parts() -> None:
    data = pattern(3 * MiB + 5)
    with FakeS3({"b": {"k": data}}) as server:
        assert await read(server) == data
        first, *parts = server.asked
    assert "range" not in first.headers
    assert len(parts) == 4
    assert all("range" in part.headers and part.headers["if-match"] for part in parts)


async def test_damaged_bytes_are_read_again() -> None:
    damaged = bytes([SMALL[0] ^ 1]) + SMALL[1:]
    tag = f'"{hashlib.md5(SMALL).hexdigest()}"'

    def instead(asked: Asked) -> Reply | None:
        first = len(server.asked) == 1
        return Reply(200, damaged, {"ETag": tag}) if first else Reply(200, SMALL, {"ETag": tag})

    with FakeS3({"b": {"k": SMALL}}, instead=instead) as server:
        assert await read(server) == SMALL
        assert len(server.asked) == 2


async def test_bytes_that_stay_damaged() -> None:
    def instead(asked: Asked) -> Reply | None:
        return Reply(200, SMALL, {"ETag": f'"{"0" * 32}"'})

    with FakeS3({"b": {"k": SMALL}}, instead=instead) as server:
        with pytest.raises(IntegrityError):
            await read(server)


async def test_a_missing_object() -> None:
    with FakeS3({"b": {"other": b"x"}}) as server:
        with pytest.raises(ModelMissingError, match="no object 'k'"):
            await read(server)


async def test_an_archived_object() -> None:
    def instead(asked: Asked) -> Reply | None:
        return failure(403, "InvalidObjectState") if asked.path == "/b/k" else None

    with FakeS3({"b": {"k": SMALL}}, instead=instead) as server:
        with pytest.raises(UnsupportedOperation, match="archived"):
            await read(server)
        assert len(server.asked) == 1
