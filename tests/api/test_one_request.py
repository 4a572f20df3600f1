"""A small object of which nothing is known is found and read with one request."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sealift import (
    AsyncStorage,
    AzureConfig,
    Event,
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


async def test_download(cloud: Cloud, tmp_path: Path) -> None:
    events: list[Event] = []
    await cloud.storage().download(cloud.uri, tmp_path / "k", cloud.config, on_event=events.append)
    assert (tmp_path / "k").read_bytes() == SMALL
    assert len(cloud.requests) == 1
    assert [event.kind for event in events] == ["listed", "progress", "object"]
    assert events[-1].verified != "size-only"


async def test_read(cloud: Cloud) -> None:
    assert await cloud.storage().read(cloud.uri, config=cloud.config) == SMALL
    assert len(cloud.requests) == 1


Call = Callable[[FakeS3, Path], Awaitable[bytes]]


async def download(server: FakeS3, target: Path) -> bytes:
    await AsyncStorage(Limits(part_size=MiB)).download("s3://b/k", target / "k", server.config)
    return (target / "k").read_bytes()


async def read(server: FakeS3, target: Path) -> bytes:
    return await AsyncStorage(Limits(part_size=MiB)).read("s3://b/k", config=server.config)


both = pytest.mark.parametrize("call", [download, read])


@both
async def test_an_empty_object(call: Call, tmp_path: Path) -> None:
    with FakeS3({"b": {"k": b""}}) as server:
        assert await call(server, tmp_path) == b""
        assert [asked.method for asked in server.asked] == ["GET"]


@both
async def test_a_large_object_is_read_in_pinned_parts(call: Call, tmp_path: Path) -> None:
    data = pattern(3 * MiB + 5)
    with FakeS3({"b": {"k": data}}) as server:
        assert await call(server, tmp_path) == data
        first, *parts = server.asked
    assert "range" not in first.headers
    assert len(parts) == 4
    assert all("range" in part.headers and part.headers["if-match"] for part in parts)


@both
async def test_damaged_bytes_are_read_again(call: Call, tmp_path: Path) -> None:
    damaged = bytes([SMALL[0] ^ 1]) + SMALL[1:]
    tag = f'"{hashlib.md5(SMALL).hexdigest()}"'

    def instead(asked: Asked) -> Reply | None:
        first = len(server.asked) == 1
        return Reply(200, damaged, {"ETag": tag}) if first else Reply(200, SMALL, {"ETag": tag})

    with FakeS3({"b": {"k": SMALL}}, instead=instead) as server:
        assert await call(server, tmp_path) == SMALL
        assert len(server.asked) == 2


@both
async def test_bytes_that_stay_damaged(call: Call, tmp_path: Path) -> None:
    def instead(asked: Asked) -> Reply | None:
        return Reply(200, SMALL, {"ETag": f'"{"0" * 32}"'})

    with FakeS3({"b": {"k": SMALL}}, instead=instead) as server:
        with pytest.raises(IntegrityError):
            await call(server, tmp_path)
    assert not (tmp_path / "k").exists()


@both
async def test_a_missing_object(call: Call, tmp_path: Path) -> None:
    with FakeS3({"b": {"other": b"x"}}) as server:
        with pytest.raises(ModelMissingError, match="no object 'k'"):
            await call(server, tmp_path)


@both
async def test_an_archived_object(call: Call, tmp_path: Path) -> None:
    def instead(asked: Asked) -> Reply | None:
        return failure(403, "InvalidObjectState") if asked.path == "/b/k" else None

    with FakeS3({"b": {"k": SMALL}}, instead=instead) as server:
        with pytest.raises(UnsupportedOperation, match="archived"):
            await call(server, tmp_path)
        assert len(server.asked) == 1


async def test_without_free_memory_the_object_is_read_later(tmp_path: Path) -> None:
    with FakeS3({"b": {"k": SMALL}}) as server:
        async with AsyncStorage(Limits(memory=300 * KiB, part_size=200 * KiB)) as storage:
            await storage.download("s3://b/k", tmp_path / "k", server.config)
        assert [asked.method for asked in server.asked] == ["GET", "GET"]
    assert (tmp_path / "k").read_bytes() == SMALL


async def test_a_retry_of_the_first_request_is_reported(tmp_path: Path) -> None:
    events: list[Event] = []

    def instead(asked: Asked) -> Reply | None:
        return Reply(503, b"", {"Retry-After": "0"}) if len(server.asked) == 1 else None

    with FakeS3({"b": {"k": SMALL}}, instead=instead) as server:
        await AsyncStorage().download("s3://b/k", tmp_path / "k", server.config, on_event=events.append)
    kinds = [event.kind for event in events if event.kind != "paused"]
    assert kinds == ["retry", "listed", "progress", "object"]
    assert next(event for event in events if event.kind == "retry").key == "k"
