"""Reading a version of an object that need not be the current one."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, AzureConfig, InvalidConfig, Limits, ModelMissingError, UnsupportedOperation
from sealift.types import MiB
from tests.api.helpers import config_of
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.writable import WritableS3
from tests.services.azurite import AzureService, container_client, new_container
from tests.services.gcs import GCSService
from tests.services.gcs import client as google_client
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.s3 import MakeBucket, S3Service, client

pytestmark = pytest.mark.anyio

OLD, NEW = pattern(11 * MiB), pattern(11 * MiB + 5)[5:]


def storage() -> AsyncStorage:
    return AsyncStorage(Limits(part_size=5 * MiB, attempts=2))


async def read_all(uri: str, version_id: str, config: Any, tmp_path: Path) -> set[bytes]:
    """What all ways to read a version return."""
    here, buffer = storage(), bytearray(len(OLD))
    await here.download(uri, tmp_path / "file", config=config, version_id=version_id)
    await here.copy(uri, str(tmp_path / "copy"), config=config, version_id=version_id)
    assert await here.read_into(uri, buffer, config=config, version_id=version_id) == len(OLD)
    async with aclosing(here.stream(uri, config=config, version_id=version_id)) as chunks:
        streamed = b"".join([chunk async for chunk in chunks])
    async with here.open(uri, config=config, version_id=version_id) as file:
        opened = await file.read(10) + await file.read()
    whole = await here.read(uri, config=config, version_id=version_id)
    found = await here.get_object_metadata(uri, config=config, version_id=version_id)
    assert found["size"] == len(OLD)
    ranged = OLD[:3] + await here.read(uri, 3, config=config, version_id=version_id)
    files = {(tmp_path / name).read_bytes() for name in ("file", "copy")}
    return {*files, bytes(buffer), streamed, opened, whole, ranged}


@pytest.fixture
def versioned(moto: S3Service, make_bucket: MakeBucket) -> tuple[str, str]:
    """A bucket with two versions of an object, and the ID of the first."""
    bucket = make_bucket(moto)
    s3 = client(moto)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=OLD, ContentType="a/old", Tagging="version=old")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=NEW, ContentType="a/new")
    return bucket, first


async def test_an_earlier_version_in_s3(moto: S3Service, versioned: tuple[str, str], tmp_path: Path) -> None:
    bucket, version_id = versioned
    assert await read_all(f"s3://{bucket}/k", version_id, config_of(moto), tmp_path) == {OLD}
    assert await storage().read(f"s3://{bucket}/k", config=config_of(moto)) == NEW
    found = await storage().get_object_metadata(f"s3://{bucket}/k", config=config_of(moto), version_id=version_id)
    assert (found["content_type"], found["tags"]) == ("a/old", {"version": "old"})


async def test_a_deleted_object_in_s3(moto: S3Service, versioned: tuple[str, str]) -> None:
    bucket, version_id = versioned
    client(moto).delete_object(Bucket=bucket, Key="k")
    with pytest.raises(ModelMissingError):
        await storage().read(f"s3://{bucket}/k", config=config_of(moto))
    assert await storage().read(f"s3://{bucket}/k", config=config_of(moto), version_id=version_id) == OLD


async def test_a_copy_of_a_version_inside_s3(moto: S3Service, versioned: tuple[str, str]) -> None:
    bucket, version_id = versioned
    copied = f"s3://{bucket}/copy"
    await storage().copy(f"s3://{bucket}/k", copied, config=config_of(moto), version_id=version_id)
    assert await storage().read(copied, config=config_of(moto)) == OLD
    assert (await storage().get_object_metadata(copied, config=config_of(moto)))["content_type"] == "a/old"


async def test_all_requests_name_the_version() -> None:
    def instead(asked: Asked) -> Reply | None:
        return Reply(200, b'<R><ETag>"1"</ETag></R>') if asked.method == "PUT" else None

    with WritableS3(instead=instead) as server:
        server.replace("b", "k", OLD)
        here, config = storage(), server.config
        await here.read("s3://b/k", config=config, version_id="v 1")
        await here.copy("s3://b/k", "s3://b/copy", config=config, version_id="v 1", verify=False)
        reads = [asked for asked in server.asked if asked.path == "/b/k"]
        assert {asked.query.get("versionId") for asked in reads} == {"v 1"}
        (copy,) = [asked for asked in server.asked if asked.method == "PUT"]
        assert copy.headers["x-amz-copy-source"] == "b/k?versionId=v%201"
        assert not [asked for asked in server.asked if "list-type" in asked.query]


async def test_a_service_that_ignores_versions(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    name = make_bucket(seaweedfs)
    client(seaweedfs).put_object(Bucket=name, Key="k", Body=NEW)
    here, uri, config = storage(), f"s3://{name}/k", config_of(seaweedfs)
    for call in (here.read, here.get_object_metadata):
        with pytest.raises(UnsupportedOperation, match="has not returned version 'abc' of 'k'"):
            await call(uri, config=config, version_id="abc")
    assert await here.read(uri, config=config, version_id="null") == NEW  # of a bucket without versions


async def test_an_interrupted_download_of_a_version_resumes(tmp_path: Path) -> None:
    with FakeS3({"b": {"k": OLD}}, stall={"k": 6 * MiB}) as server:
        downloading = asyncio.create_task(
            storage().download("s3://b/k", tmp_path / "k", config=server.config, version_id="1")
        )
        await asyncio.to_thread(server.stalled.wait)
        downloading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await downloading
        server.release()
        before = len(server.asked)
        await storage().download("s3://b/k", tmp_path / "k", config=server.config, version_id="1")
        assert (tmp_path / "k").read_bytes() == OLD
        assert {asked.query["versionId"] for asked in server.asked[before:]} == {"1"}


async def test_downloads_of_two_versions_are_not_shared(tmp_path: Path) -> None:
    def instead(asked: Asked) -> Reply | None:
        data = asked.query.get("versionId", "").encode() * 10
        return Reply(
            200,
            data,
            {
                "ETag": f'"{asked.query["versionId"]}"',
                "Last-Modified": "Tue, 01 Sep 2020 10:20:30 GMT",
                "x-amz-version-id": asked.query["versionId"],
            },
        )

    with FakeS3({"b": {}}, instead=instead) as server:
        async with storage() as here:
            await asyncio.gather(
                *(here.download("s3://b/k", tmp_path / each, config=server.config, version_id=each) for each in "ab")
            )
            await asyncio.gather(
                *(here.download("s3://b/k", tmp_path / "same", config=server.config, version_id=each) for each in "ab")
            )
    assert [(tmp_path / each).read_bytes() for each in "ab"] == [b"a" * 10, b"b" * 10]
    assert {asked.query["versionId"] for asked in server.asked} == {"a", "b"}


async def test_a_version_that_does_not_exist(
    moto: S3Service, versioned: tuple[str, str], gcs: GCSService, request: pytest.FixtureRequest
) -> None:
    bucket, _ = versioned
    missing = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(ModelMissingError, match=f"there is no version '{missing}' of 'k'"):
        await storage().read(f"s3://{bucket}/k", config=config_of(moto), version_id=missing)
    bucket = new_gcs_bucket(gcs, request.node.name)
    google_client(gcs).bucket(bucket).blob("k").upload_from_string(b"bytes")
    here = AsyncStorage(environ=gcs.environ)
    for call in (
        here.read(f"gs://{bucket}/k", version_id="12"),
        here.get_object_metadata(f"gs://{bucket}/k", version_id="12"),
    ):
        with pytest.raises(ModelMissingError, match="there is no generation '12' of 'k'"):
            await call


async def test_a_generation_of_google(gcs: GCSService, request: pytest.FixtureRequest) -> None:
    """The server keeps only the current generation."""
    bucket = new_gcs_bucket(gcs, request.node.name)
    blob = google_client(gcs).bucket(bucket).blob("k")
    blob.upload_from_string(b"bytes")
    here = AsyncStorage(environ=gcs.environ)
    assert await here.read(f"gs://{bucket}/k", version_id=str(blob.generation)) == b"bytes"
    await here.copy(f"gs://{bucket}/k", f"gs://{bucket}/copy", version_id=str(blob.generation))
    assert await here.read(f"gs://{bucket}/copy") == b"bytes"


async def test_a_snapshot_in_azure(azurite: AzureService, tmp_path: Path) -> None:
    """In a public container, because the server accepts no container SAS for a snapshot."""
    container = new_container(azurite, public=True)
    blob = container_client(azurite, container).get_blob_client("k")
    blob.upload_blob(OLD)
    version_id = f"snapshot={blob.create_snapshot()['snapshot']}"
    blob.upload_blob(NEW, overwrite=True)
    uri, config = f"azure://{container}/k", azurite.config(anonymous=True)
    assert await read_all(uri, version_id, config, tmp_path) == {OLD}
    assert await storage().read(uri, config=config) == NEW
    with pytest.raises(ModelMissingError, match="there is no version 'snapshot=2020-01-01"):
        await storage().read(uri, config=config, version_id="snapshot=2020-01-01T00:00:00.0000000Z")


async def test_a_copy_of_a_version_inside_azure() -> None:
    headers = {"ETag": '"1"', "Last-Modified": "Tue, 01 Sep 2020 10:20:30 GMT", "x-ms-copy-status": "success"}
    with FakeS3({}, instead=lambda asked: Reply(202 if asked.method == "PUT" else 200, b"", headers)) as server:
        config = AzureConfig("models", sas_token="sv=1&sig=2", endpoint_url=f"{server.endpoint}/models")
        await storage().copy("azure://container/k", "azure://container/copy", config=config, version_id="a b")
        copy = server.asked[-1]
        assert copy.headers["x-ms-copy-source"] == f"{server.endpoint}/models/container/k?versionid=a%20b&sv=1&sig=2"
        assert {asked.query["versionid"] for asked in server.asked[:-1]} == {"a b"}


async def test_a_version_id_of_azure() -> None:
    tag = {"ETag": '"1"', "Last-Modified": "Tue, 01 Sep 2020 10:20:30 GMT"}
    with FakeS3({}, instead=lambda asked: Reply(200, b"bytes", tag)) as server:
        config = AzureConfig("models", sas_token="sv=1&sig=2", endpoint_url=f"{server.endpoint}/models")
        for version_id in ("2020-01-01T00:00:00Z", "versionid=2020-01-01T00:00:00Z"):
            assert await storage().read("azure://container/k", config=config, version_id=version_id) == b"bytes"
        assert [asked.query["versionid"] for asked in server.asked] == ["2020-01-01T00:00:00Z"] * 2


@pytest.mark.parametrize("uri", ["hf://owner/model/config.json", "https://127.0.0.1:1/k", "/tmp/k", "file:///tmp/k"])
async def test_storages_without_versions_refuse_it(uri: str) -> None:
    with pytest.raises(UnsupportedOperation, match="does not support version_id"):
        await storage().read(uri, version_id="1")


@pytest.mark.parametrize("uri", ["s3://b", "s3://b/prefix/", "gs://b/prefix/", "azure://container"])
async def test_a_prefix_has_no_versions(uri: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="names a version of one object"):
        await storage().download(uri, tmp_path, version_id="1")


@pytest.mark.parametrize("version_id", ["", "a\r\nb"])
async def test_what_cannot_be_an_id_is_refused(version_id: str) -> None:
    with pytest.raises(InvalidConfig, match="is not the ID of a version"):
        await storage().read("s3://b/k", version_id=version_id)
