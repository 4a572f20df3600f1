"""`stat` and `exists`."""

from pathlib import Path

import pytest

from sealift import AccessDenied, AsyncStorage, Limits, ModelMissingError, ObjectInfo, S3Config, Storage
from tests.api.helpers import config_of
from tests.api.servers import FakeS3
from tests.services.azurite import AzureService, new_container
from tests.services.gcs import GCSService
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.gcs import put_objects as put_gcs
from tests.services.s3 import ONE_BUCKET, S3Service, client, new_bucket, put_objects

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    name = new_bucket(seaweedfs, "stat")
    put_objects(seaweedfs, name, {"m/a": b"aaa", "m/deep/b": b"b", "both": b"object", "both/part": b"x"})
    client(seaweedfs).put_object(Bucket=name, Key="with", Body=b"x", Metadata={"owner": "me"})
    return name


async def test_stat(seaweedfs: S3Service, bucket: str) -> None:
    config = config_of(seaweedfs)
    obj = await AsyncStorage().stat(f"s3://{bucket}/m/a", config=config)
    assert isinstance(obj, ObjectInfo)
    assert (obj.key, obj.size, obj.is_prefix) == ("m/a", 3, False)
    assert obj.version
    assert obj.modified is not None
    assert (await AsyncStorage().stat(f"s3://{bucket}/with", config=config)).metadata == {"owner": "me"}
    assert (await AsyncStorage().stat(f"s3://{bucket}/both", config=config)).size == 6


def test_without_a_loop(seaweedfs: S3Service, bucket: str) -> None:
    config = config_of(seaweedfs)
    assert Storage.stat(f"s3://{bucket}/m/a", config=config).size == 3
    assert Storage.exists(f"s3://{bucket}/m/", config=config)
    assert not Storage.exists(f"s3://{bucket}/missing", config=config)


@pytest.mark.parametrize("key", ["m", "m/", ""])
async def test_stat_of_a_prefix(seaweedfs: S3Service, bucket: str, key: str) -> None:
    with pytest.raises(ModelMissingError, match="name one object; a listing shows those under a prefix") as caught:
        await AsyncStorage().stat(f"s3://{bucket}/{key}", config=config_of(seaweedfs))
    assert str(caught.value).startswith(f"stat s3://{bucket}/{key}: ")


@pytest.mark.parametrize(
    ("key", "there"),
    [
        ("m/a", True), ("m", True), ("m/", True), ("m/deep", True), ("m/deep/", True), ("both", True), ("both/", True),
        ("", True), ("m/a/", False), ("m/missing", False), ("missing/", False), ("m/de", False), ("mm", False),
    ],
)  # fmt: skip
async def test_exists(seaweedfs: S3Service, bucket: str, tmp_path: Path, key: str, there: bool) -> None:
    config = config_of(seaweedfs)
    assert await AsyncStorage().exists(f"s3://{bucket}/{key}", config=config) is there
    if not key.startswith("both"):  # a file cannot also be a directory
        (tmp_path / "m/deep").mkdir(parents=True)
        for name in ("m/a", "m/deep/b"):
            (tmp_path / name).write_bytes(b"x")
        assert await AsyncStorage().exists(f"{tmp_path}/{key}") is there


async def test_exists_elsewhere(gcs: GCSService, azurite: AzureService, tmp_path: Path) -> None:
    bucket = new_gcs_bucket(gcs, "exists")
    put_gcs(gcs, bucket, {"m/a": b"a"})
    storage = AsyncStorage(environ=gcs.environ)
    found = [await storage.exists(f"gs://{bucket}/{key}") for key in ("m/a", "m", "m/", "", "missing", "n/")]
    assert found == [True, True, True, True, False, False]
    container = new_container(azurite)
    assert await AsyncStorage().exists(f"azure://{container}", config=azurite.config())  # empty is not missing
    assert not await AsyncStorage().exists(f"azure://{container}/k", config=azurite.config())
    (tmp_path / "empty").mkdir()
    assert await AsyncStorage().exists(f"{tmp_path}/empty")
    assert not await AsyncStorage().exists(f"{tmp_path}/missing/below")


async def test_a_missing_bucket_does_not_exist(seaweedfs: S3Service) -> None:
    assert not await AsyncStorage().exists("s3://no-such-bucket/k", config=config_of(seaweedfs))
    assert not await AsyncStorage().exists("s3://no-such-bucket", config=config_of(seaweedfs))


async def test_no_permission_is_an_error(seaweedfs: S3Service, bucket: str) -> None:
    keys = seaweedfs.one_bucket
    assert keys is not None
    denied = S3Config(keys.access_key, keys.secret_key, endpoint_url=seaweedfs.endpoint)
    with pytest.raises(AccessDenied) as caught:
        await AsyncStorage(Limits(attempts=1)).exists(f"s3://{bucket}/m/a", config=denied)
    assert str(caught.value).startswith(f"check s3://{bucket}/m/a: ")
    assert not await AsyncStorage().exists(f"s3://{ONE_BUCKET}/no-such-key", config=denied)


async def test_an_object_costs_one_request_and_a_prefix_one_page() -> None:
    with FakeS3({"b": {"m/a": b"a"}}) as server:
        assert await AsyncStorage().exists("s3://b/m/a", config=server.config)
        assert [asked.method for asked in server.asked] == ["HEAD"]
        server.asked.clear()
        assert await AsyncStorage().exists("s3://b/m/", config=server.config)
        assert [(asked.method, asked.query["prefix"]) for asked in server.asked] == [("GET", "m/")]
