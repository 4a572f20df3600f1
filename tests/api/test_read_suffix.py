"""Reading the last bytes of an object: `read`, `read_into` and `open` with a negative start."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sealift import AsyncStorage, AzureConfig, GCSConfig, Limits, ModelMissingError, ObjectChanged, S3Config
from sealift.types import KiB, MiB
from tests.api.rewriter import Header, rewriting
from tests.api.servers import Asked, FakeS3, Reply, failure, pattern
from tests.services.azurite import AzureService, new_container
from tests.services.azurite import put_objects as put_azure
from tests.services.gcs import GCSService
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.gcs import put_objects as put_gcs
from tests.services.http_server import files
from tests.services.s3 import MakeBucket, S3Service, put_objects

pytestmark = pytest.mark.anyio

DATA = pattern(3 * MiB + 7)
OBJECTS = {"k": DATA, "small": b"0123456789", "empty": b""}
CASES = [
    (-1, None), (-8, None), (-8, 3), (-8, 0), (-8, 100), (-MiB, None), (-3 * MiB, 1000), (-1 << 40, None),
    (-1 << 40, 5),
]  # fmt: skip


@dataclass(slots=True)
class Cloud:
    """A root with `OBJECTS`, behind a proxy that counts requests."""

    uri: str
    one_request: bool
    config: S3Config | GCSConfig | AzureConfig | None = None
    requests: list[list[Header]] = field(default_factory=list)

    def rewrite(self, headers: list[Header]) -> list[Header]:
        self.requests.append(headers)
        return headers


@pytest.fixture(params=["s3", "moto", "gs", "azure", "http", "file"])
def cloud(request: pytest.FixtureRequest, make_bucket: MakeBucket, tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud("", request.param not in {"azure", "file"})
    if request.param in {"s3", "moto"}:
        s3: S3Service = request.getfixturevalue("seaweedfs" if request.param == "s3" else "moto")
        bucket = make_bucket(s3)
        put_objects(s3, bucket, OBJECTS)
        with rewriting(s3.endpoint, cloud.rewrite) as url:
            cloud.config = S3Config(s3.keys.access_key, s3.keys.secret_key, endpoint_url=url)
            cloud.uri = f"s3://{bucket}"
            yield cloud
    elif request.param == "gs":
        gcs: GCSService = request.getfixturevalue("gcs")
        bucket = new_gcs_bucket(gcs, "suffix")
        put_gcs(gcs, bucket, OBJECTS)
        with rewriting(gcs.endpoint, cloud.rewrite) as url:
            cloud.config = GCSConfig(anonymous=True, endpoint_url=url)
            cloud.uri = f"gs://{bucket}"
            yield cloud
    elif request.param == "azure":
        azure: AzureService = request.getfixturevalue("azurite")
        container = new_container(azure)
        put_azure(azure, container, OBJECTS)
        with rewriting(azure.url, cloud.rewrite) as url:
            cloud.config = AzureConfig("models", azure.keys["models"], endpoint_url=f"{url}/models")
            cloud.uri = f"azure://{container}"
            yield cloud
    else:
        for name, data in OBJECTS.items():
            (tmp_path / name).write_bytes(data)
        if request.param == "http":
            with files(tmp_path) as server, rewriting(server, cloud.rewrite) as url:
                cloud.uri = url
                yield cloud
            return
        cloud.uri = str(tmp_path)
        yield cloud


@pytest.mark.parametrize(("start", "length"), CASES)
@pytest.mark.parametrize("name", OBJECTS)
async def test_as_a_slice(cloud: Cloud, name: str, start: int, length: int | None) -> None:
    expected = OBJECTS[name][start:][:length]
    async with AsyncStorage() as storage:
        uri = f"{cloud.uri}/{name}"
        assert await storage.read(uri, start, length, config=cloud.config) == expected
        chunks = [chunk async for chunk in storage.stream(uri, start, length, config=cloud.config)]
        assert b"".join(chunks) == expected
        if length is None:
            buffer = bytearray(20)
            count = await storage.read_into(uri, buffer, start, config=cloud.config)
            assert buffer[:count] == expected[:20]


async def test_one_request(cloud: Cloud) -> None:
    for length in (None, 3):
        cloud.requests.clear()
        assert await AsyncStorage().read(f"{cloud.uri}/k", -8, length, config=cloud.config) == DATA[-8:][:length]
        if cloud.one_request:
            (headers,) = cloud.requests
            assert ("range", "bytes=-8") in [(name.lower(), value) for name, value in headers]


async def test_a_missing_object(cloud: Cloud) -> None:
    with pytest.raises(ModelMissingError):
        await AsyncStorage().read(f"{cloud.uri}/missing", -8, config=cloud.config)


@pytest.mark.parametrize("status", [200, 206, 400, 416, 501])
async def test_services_without_ranges_from_the_end(status: int) -> None:
    """They ignore the range, answer with another one, or refuse it."""

    def instead(asked: Asked) -> Reply | None:
        if not asked.headers.get("range", "").startswith("bytes=-"):
            return None
        if status >= 400:
            return failure(status, "NotSupported")
        headers = {"ETag": '"x"'} | ({"Content-Range": f"bytes 0-7/{len(DATA)}"} if status == 206 else {})
        return Reply(status, DATA[:8] if status == 206 else DATA, headers)

    with FakeS3({"b": {"k": DATA}}, instead=instead) as server:
        assert await AsyncStorage(Limits(attempts=1)).read("s3://b/k", -8, config=server.config) == DATA[-8:]


async def test_a_body_that_breaks_is_read_again() -> None:
    broken: list[Asked] = []

    def instead(asked: Asked) -> Reply | None:
        if asked.method == "HEAD" or broken:
            return None
        broken.append(asked)
        headers = {"ETag": server.tag(DATA), "Content-Range": f"bytes {len(DATA) - 8}-{len(DATA) - 1}/{len(DATA)}"}
        return Reply(206, DATA[-8:], headers, stall_at=3)

    with FakeS3({"b": {"k": DATA}}, instead=instead) as server:
        server.drop()
        assert await AsyncStorage().read("s3://b/k", -8, config=server.config) == DATA[-8:]
    assert broken


async def test_a_replaced_object_is_no_mixture() -> None:
    """Of a long suffix, which takes several requests."""

    def instead(asked: Asked) -> Reply | None:
        if asked.method == "GET":
            server.replace("b", "k", DATA[::-1])
        return None

    with FakeS3({"b": {"k": DATA}}, instead=instead) as server:
        with pytest.raises(ObjectChanged):
            await AsyncStorage(Limits(attempts=1, part_size=64 * KiB)).read(
                "s3://b/k", -(2 * MiB + 1), config=server.config
            )
