"""`list`: with a delimiter, a maximum, and patterns; `list_buckets`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sealift import (
    AccessDenied,
    AsyncStorage,
    AzureConfig,
    GCSConfig,
    InvalidConfig,
    InvalidURI,
    Limits,
    ModelMissingError,
    ObjectInfo,
    S3Config,
    Storage,
    UnsupportedOperation,
)
from sealift.config import StorageConfig
from tests.api.helpers import config_of
from tests.api.stores import directory
from tests.services.azurite import AzureService, new_container
from tests.services.azurite import put_objects as put_azure
from tests.services.gcs import PROJECT, GCSService
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.gcs import put_objects as put_gcs
from tests.services.hub import FakeHub
from tests.services.s3 import S3Service, new_bucket, put_objects

pytestmark = pytest.mark.anyio

OBJECTS = {
    "m/a.json": b"a",
    "m/b.bin": b"bb",
    "m/deep/c.bin": b"c",
    "m/deep/er/d.json": b"d",
    "m-2/e": b"e",
    "top": b"",
}


@dataclass(frozen=True)
class Place:
    """A root with `OBJECTS`; `uri` has no trailing "/"."""

    uri: str
    config: StorageConfig | None = None
    environ: dict[str, str] | None = None
    start: str = ""

    def listed(self, path: str, **options: Any) -> AsyncGenerator[ObjectInfo]:
        return AsyncStorage(environ=self.environ).list(f"{self.uri}/{path}", config=self.config, **options)

    async def names(self, path: str, **options: Any) -> set[str]:
        """The paths of what is listed, each once."""
        async with aclosing(self.listed(path, **options)) as listing:
            keys = [obj.key.removeprefix(self.start) async for obj in listing]
        assert len(set(keys)) == len(keys)
        return set(keys)


@pytest.fixture(params=["s3", "gs", "azure", "hf", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "s3":
        s3: S3Service = request.getfixturevalue("seaweedfs")
        bucket = new_bucket(s3, "list")
        put_objects(s3, bucket, OBJECTS)
        yield Place(f"s3://{bucket}", config_of(s3))
    elif request.param == "gs":
        gcs: GCSService = request.getfixturevalue("gcs")
        bucket = new_gcs_bucket(gcs, "list")
        put_gcs(gcs, bucket, OBJECTS)
        yield Place(f"gs://{bucket}", environ=gcs.environ)
    elif request.param == "azure":
        azure: AzureService = request.getfixturevalue("azurite")
        container = new_container(azure)
        put_azure(azure, container, OBJECTS)
        yield Place(f"azure://{container}", azure.config())
    elif request.param == "hf":
        with FakeHub() as hub:
            hub.repo("owner/name").commit(OBJECTS)
            yield Place("hf://owner/name", hub.config)
    else:
        directory(tmp_path).put(OBJECTS)
        yield Place(str(tmp_path), start=f"{tmp_path}/".lstrip("/"))


async def test_everything(place: Place) -> None:
    assert await place.names("") == set(OBJECTS)
    assert await place.names("m") == {"m/a.json", "m/b.bin", "m/deep/c.bin", "m/deep/er/d.json"}


async def test_one_level(place: Place) -> None:
    assert await place.names("", delimiter="/") == {"m/", "m-2/", "top"}
    for path in ("m", "m/"):
        assert await place.names(path, delimiter="/") == {"m/a.json", "m/b.bin", "m/deep/"}
    assert await place.names("m/deep/", delimiter="/") == {"m/deep/c.bin", "m/deep/er/"}
    async with aclosing(place.listed("m", delimiter="/")) as listing:
        found = {obj.key.removeprefix(place.start): obj async for obj in listing}
    assert [(path, obj.size) for path, obj in found.items() if obj.is_prefix] == [("m/deep/", None)]
    assert {found[path].size for path in ("m/a.json", "m/b.bin")} == {1, 2}


async def test_one_level_of_an_object_and_of_nothing(place: Place) -> None:
    assert await place.names("m/a.json", delimiter="/") == {"m/a.json"}
    for path in ("missing", "missing/"):
        with pytest.raises(ModelMissingError):
            await place.names(path, delimiter="/")


async def test_no_more_than_a_maximum(place: Place) -> None:
    assert len(await place.names("", max_items=2)) == 2
    assert len(await place.names("", delimiter="/", max_items=1)) == 1
    assert await place.names("", max_items=0) == set()
    assert await place.names("top", max_items=0) == set()
    assert await place.names("", max_items=100) == set(OBJECTS)
    assert len(await place.names("m", allow_patterns="*.json", max_items=1)) == 1


async def test_patterns(place: Place) -> None:
    assert await place.names("m", allow_patterns="*.json") == {"m/a.json", "m/deep/er/d.json"}
    assert await place.names("m", delimiter="/", allow_patterns="*.json") == {"m/a.json", "m/deep/"}
    assert await place.names("m", delimiter="/", ignore_patterns="deep/*") == {"m/a.json", "m/b.bin"}


@pytest.mark.parametrize(
    ("options", "message"), [({"delimiter": "|"}, r"delimiter='\|' is not supported"), ({"max_items": -1}, "negative")]
)
async def test_invalid_arguments(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        await Place(str(tmp_path)).names("", **options)


async def test_an_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    place = Place(str(tmp_path), start=f"{tmp_path}/".lstrip("/"))
    assert await place.names("", delimiter="/") == {"empty/"}
    assert await place.names("empty", delimiter="/") == {"empty/"}  # the marker of an empty directory, as without
    assert await place.names("empty") == {"empty/"}


async def test_links_and_other_entries_of_a_directory(tmp_path: Path) -> None:
    directory(tmp_path).put({"real/a": b"a"})
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "broken").symlink_to("nowhere")
    skipped: list[str] = []
    place = Place(str(tmp_path), start=f"{tmp_path}/".lstrip("/"))
    found = await place.names("", delimiter="/", on_event=lambda event: skipped.append(event.key))
    assert found == {"real/", "link/"}
    assert skipped == [f"{tmp_path}/broken".lstrip("/")]


def test_without_a_loop(seaweedfs: S3Service) -> None:
    bucket = new_bucket(seaweedfs, "list")
    put_objects(seaweedfs, bucket, OBJECTS)
    found = Storage.list(f"s3://{bucket}/m", config=config_of(seaweedfs), delimiter="/")
    assert sorted((obj.key, obj.is_prefix) for obj in found) == [
        ("m/a.json", False), ("m/b.bin", False), ("m/deep/", True),
    ]  # fmt: skip


class TestBuckets:
    @pytest.fixture(params=["seaweedfs", "moto", "rclone_s3"])
    def service(self, request: pytest.FixtureRequest) -> S3Service:
        service: S3Service = request.getfixturevalue(request.param)
        return service

    async def test_s3(self, service: S3Service) -> None:
        made = {new_bucket(service, "buckets") for _ in range(3)}
        for uri in ("s3://", "s3a://", "S3://"):
            found = await AsyncStorage().list_buckets(uri, config=config_of(service))
            assert len(set(found)) == len(found)
            assert made <= set(found)

    async def test_gs(self, gcs: GCSService) -> None:
        made = {new_gcs_bucket(gcs, "buckets") for _ in range(3)}
        config = GCSConfig(anonymous=True, project_id=PROJECT, endpoint_url=gcs.endpoint)
        assert made <= set(await AsyncStorage().list_buckets("gs://", config=config))
        environ = {**gcs.environ, "GOOGLE_CLOUD_PROJECT": PROJECT}
        assert made <= set(await AsyncStorage(environ=environ).list_buckets("gcs://"))
        with pytest.raises(InvalidConfig, match="none is known"):
            await AsyncStorage(environ=gcs.environ).list_buckets("gs://")

    async def test_azure(self, azurite: AzureService) -> None:
        made = {new_container(azurite) for _ in range(3)}
        assert made <= set(await AsyncStorage().list_buckets("azure://", config=azurite.config()))
        with pytest.raises(InvalidConfig, match="not valid Base64"):
            wrong = AzureConfig("models", account_key="not!base64", endpoint_url=azurite.endpoint("models"))
            await AsyncStorage().list_buckets("az://", config=wrong)

    async def test_a_wrong_secret(self, seaweedfs: S3Service) -> None:
        wrong = S3Config(seaweedfs.access_key, "wrong", endpoint_url=seaweedfs.endpoint)
        with pytest.raises(AccessDenied) as caught:
            await AsyncStorage(Limits(attempts=1)).list_buckets("s3://", config=wrong)
        assert str(caught.value).startswith("list buckets s3://: ")

    @pytest.mark.parametrize("uri", ["s3://bucket", "/tmp", "file://", "", "ftp://"])
    async def test_what_is_no_service(self, uri: str) -> None:
        with pytest.raises(InvalidURI, match="does not name a service"):
            await AsyncStorage().list_buckets(uri)

    @pytest.mark.parametrize("uri", ["hf://", "https://", "pvc://"])
    async def test_services_without_buckets(self, uri: str) -> None:
        with pytest.raises(UnsupportedOperation, match="has no buckets"):
            await AsyncStorage().list_buckets(uri)

    @pytest.mark.parametrize(("uri", "config"), [("gs://", S3Config()), ("s3://", GCSConfig()), ("az://", S3Config())])
    async def test_the_configuration_of_another_service(self, uri: str, config: StorageConfig) -> None:
        with pytest.raises(InvalidConfig, match="is not for"):
            await AsyncStorage().list_buckets(uri, config=config)
