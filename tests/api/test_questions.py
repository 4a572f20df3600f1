"""Listings and metadata: `list_objects` and `get_object_metadata`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from awscrt import checksums

from sealift import AsyncStorage, ModelMissingError, S3Config, StorageOperations
from tests.api.helpers import config_of
from tests.services.s3 import MakeBucket, S3Service, client, new_bucket, put_objects

pytestmark = pytest.mark.anyio

OBJECTS = {
    "models/foo/a.bin": b"aaa",
    "models/foo/deep/b.bin": b"bb",
    "models/foo-2/c.bin": b"c",
    "models/foo-2/empty": b"",
    "top": b"top",
}


@pytest.fixture(scope="module", params=["seaweedfs", "moto", "rclone_s3"])
def service(request: pytest.FixtureRequest) -> S3Service:
    chosen: S3Service = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture(scope="module")
def bucket(service: S3Service) -> str:
    name = new_bucket(service, "questions")
    put_objects(service, name, OBJECTS)
    return name


@pytest.fixture
def config(service: S3Service) -> S3Config:
    return config_of(service)


async def test_list_a_prefix(bucket: str, config: S3Config) -> None:
    async with AsyncStorage() as storage:
        for uri in (f"s3://{bucket}/models/foo", f"s3://{bucket}/models/foo/"):
            assert sorted(await storage.list_objects(uri, config=config)) == ["a.bin", "deep/b.bin"]
        for uri in (f"s3://{bucket}", f"s3://{bucket}/"):
            assert sorted(await storage.list_objects(uri, config=config)) == sorted(OBJECTS)


async def test_what_is_listed_can_be_downloaded(bucket: str, config: S3Config, tmp_path: Path) -> None:
    found = {}
    async with AsyncStorage() as storage:
        for uri in (f"s3://{bucket}", f"s3://{bucket}/models/foo-2/"):
            for path in await storage.list_objects(uri, config=config):
                file = await storage.download(f"{uri.rstrip('/')}/{path}", tmp_path / uri[-3:] / path, config=config)
                found[f"{uri.rstrip('/')}/{path}".removeprefix(f"s3://{bucket}/")] = Path(file).read_bytes()
    assert found == OBJECTS


async def test_list_an_object(bucket: str, config: S3Config) -> None:
    assert await AsyncStorage().list_objects(f"s3://{bucket}/models/foo/a.bin", config=config) == ["a.bin"]
    assert await AsyncStorage().list_objects(f"s3://{bucket}/top", config=config) == ["top"]


@pytest.mark.parametrize("key", ["models/fo", "models/foo/a", "nothing/", "top/"])
@pytest.mark.parametrize("verb", ["list_objects", "get_object_metadata"])
async def test_missing(bucket: str, config: S3Config, verb: str, key: str) -> None:
    with pytest.raises(ModelMissingError) as caught:
        await getattr(AsyncStorage(), verb)(f"s3://{bucket}/{key}", config=config)
    what = {"list_objects": "list", "get_object_metadata": "stat"}[verb]
    assert str(caught.value).startswith(f"{what} s3://{bucket}/{key}: there is no")


async def test_markers_are_not_listed(seaweedfs: S3Service, moto: S3Service, make_bucket: MakeBucket) -> None:
    for service in (seaweedfs, moto):
        bucket = make_bucket(service)
        put_objects(service, bucket, {"m/": b"", "m/void/": b"", "m/x": b"x"})
        assert await AsyncStorage().list_objects(f"s3://{bucket}/m", config=config_of(service)) == ["x"]


async def test_all_that_is_known_of_an_object(service: S3Service, make_bucket: MakeBucket) -> None:
    bucket, data = make_bucket(service), b"with all trimmings"
    crc = checksums.crc64nvme(data)
    before = datetime.now(UTC) - timedelta(seconds=2)
    etag = client(service).put_object(
        Bucket=bucket,
        Key="models/x y.bin",
        Body=data,
        ContentType="application/x-model",
        Metadata={"framework": "sklearn", "stage": "a=b"},
        ChecksumAlgorithm="CRC64NVME",
    )["ETag"]
    told = await AsyncStorage().get_object_metadata(f"s3://{bucket}/models/x y.bin", config=config_of(service))
    modified = told.pop("modified_time")
    assert isinstance(modified, datetime)
    assert modified.tzinfo is not None
    assert before <= modified <= datetime.now(UTC) + timedelta(seconds=2)
    metadata = told.pop("metadata")
    assert {name: metadata[name] for name in ("framework", "stage")} == {"framework": "sklearn", "stage": "a=b"}
    assert told == {
        "uri": f"s3://{bucket}/models/x y.bin",
        "type": "object",
        "size": len(data),
        "etag": etag,
        "version": etag,
        "content_type": "application/x-model",
        "content_encoding": None,
        "content_language": None,
        "content_disposition": None,
        "cache_control": None,
        "expires": None,
        "tags": {},
        "checksums": {"crc64nvme": crc.to_bytes(8, "big").hex()},
    }


@pytest.mark.parametrize("uri", ["s3://{}/models/foo", "s3://{}/models/foo/", "s3://{}/", "s3://{}"])
async def test_all_that_is_known_of_a_prefix(bucket: str, config: S3Config, uri: str) -> None:
    told = await AsyncStorage().get_object_metadata(uri.format(bucket), config=config)
    assert told == {
        "uri": uri.format(bucket) if uri != "s3://{}" else f"s3://{bucket}/",
        "type": "prefix",
        "size": None,
        "modified_time": None,
        "etag": None,
        "version": None,
        "content_type": None,
        "content_encoding": None,
        "content_language": None,
        "content_disposition": None,
        "cache_control": None,
        "expires": None,
        "checksums": {},
        "metadata": {},
        "tags": {},
    }


async def test_an_object_wins_over_a_prefix(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    put_objects(seaweedfs, bucket, {"both": b"object", "both/part": b"part"})
    async with AsyncStorage() as storage:
        assert await storage.list_objects(f"s3://{bucket}/both", config=config) == ["both"]
        assert await storage.list_objects(f"s3://{bucket}/both/", config=config) == ["part"]
        assert (await storage.get_object_metadata(f"s3://{bucket}/both", config=config))["type"] == "object"
        assert (await storage.get_object_metadata(f"s3://{bucket}/both/", config=config))["type"] == "prefix"


async def test_of_a_local_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x").write_bytes(b"xx")
    told = await AsyncStorage().get_object_metadata(f"{tmp_path}/sub/x")
    assert (told["uri"], told["type"], told["size"]) == (f"file://{tmp_path}/sub/x", "object", 2)
    assert told["modified_time"] == datetime.fromtimestamp((tmp_path / "sub" / "x").stat().st_mtime, UTC)
    assert told["etag"] is None
    assert told["version"] is not None
    assert await AsyncStorage().list_objects(str(tmp_path)) == ["sub/x"]
    assert (await AsyncStorage().get_object_metadata(str(tmp_path)))["type"] == "prefix"


def test_the_same_without_a_loop(bucket: str, config: S3Config) -> None:
    assert StorageOperations.list_objects(f"s3://{bucket}/models/foo-2", config=config) == ["c.bin", "empty"]
    told = StorageOperations.get_object_metadata(f"s3://{bucket}/top", config=config)
    assert (told["type"], told["size"]) == ("object", 3)
    with pytest.raises(ModelMissingError):
        StorageOperations.list_objects(f"s3://{bucket}/nothing", config=config)
