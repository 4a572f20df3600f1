"""Uploads that no call resumes: aborted after a week, or when the caller wants it; never those of somebody else."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from sealift import AccessDenied, AsyncStorage, AzureConfig, Event, GCSConfig, Limits, S3Config
from sealift.types import MiB
from tests.api.helpers import config_of
from tests.api.servers import Asked, Reply, failure, pattern
from tests.api.writable import WritableS3
from tests.services import azurite as azurite_server
from tests.services import gcs as gcs_server
from tests.services.azurite import ACCOUNT, AzureService
from tests.services.gcs import GCSService
from tests.services.s3 import MakeBucket, S3Service, client, unfinished_uploads

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

PART = 5 * MiB
LARGE = pattern(5 * PART + 1)
LIMITS = Limits(part_size=PART, memory=PART, attempts=2)
WEEK = 7 * 24 * 3600.0


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "large").write_bytes(LARGE)
    return tmp_path / "large"


@pytest.fixture(params=["seaweedfs", "moto"])
def service(request: pytest.FixtureRequest) -> S3Service:
    chosen: S3Service = request.getfixturevalue(request.param)
    return chosen


def records(home: Path) -> list[Path]:
    return list((home / ".local/state/sealift/uploads").glob("*"))


def age(home: Path, seconds: float) -> None:
    """Make all records older."""
    for path in records(home):
        os.utime(path, (0, time.time() - seconds))


async def leave(src: Path, uri: str, config: S3Config | GCSConfig | AzureConfig) -> None:
    """Cancel an upload that has stored at least two parts."""
    moved = 0

    def cancel(event: Event) -> None:
        nonlocal moved
        moved += event.size if event.kind == "progress" else 0
        if moved > 2 * PART:
            call.cancel()

    call = asyncio.ensure_future(AsyncStorage(LIMITS).upload(src, uri, config=config, on_event=cancel))
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_it_is_aborted_after_a_week(
    service: S3Service, make_bucket: MakeBucket, large: Path, bare_environment: Path
) -> None:
    bucket, other, config = make_bucket(service), make_bucket(service), config_of(service)
    client(service).create_multipart_upload(Bucket=bucket, Key="large")  # somebody else's
    await leave(large, f"s3://{bucket}/large", config)
    age(bare_environment, WEEK - 3600)
    await AsyncStorage(LIMITS).upload(large, f"s3://{bucket}/next", config=config)
    assert unfinished_uploads(service, bucket) == ["large", "large"]
    age(bare_environment, WEEK + 3600)
    await AsyncStorage(LIMITS).upload(large, f"s3://{other}/next", config=config)  # says nothing about the first bucket
    assert unfinished_uploads(service, bucket) == ["large", "large"]
    assert len(records(bare_environment)) == 1
    await AsyncStorage(LIMITS).upload(large, f"s3://{bucket}/next", config=config)
    assert unfinished_uploads(service, bucket) == ["large"]
    assert records(bare_environment) == []


async def test_the_parts_of_a_gcs_upload_are_deleted_after_a_week(
    gcs: GCSService, large: Path, bare_environment: Path
) -> None:
    bucket, config = gcs_server.new_bucket(gcs), GCSConfig(anonymous=True, endpoint_url=gcs.endpoint)
    theirs = f".sealift/parts/{'0' * 32}/00000"
    await AsyncStorage().upload(__file__, f"gs://{bucket}/{theirs}", config=config)
    await leave(large, f"gs://{bucket}/large", config)
    assert len(gcs_server.get_objects(gcs, bucket)) >= 3
    age(bare_environment, WEEK + 3600)
    await AsyncStorage(LIMITS).upload(large, f"gs://{bucket}/next", config=config)
    assert set(gcs_server.get_objects(gcs, bucket)) == {"next", theirs}
    assert records(bare_environment) == []


async def test_one_that_is_resumed_after_a_week_is_not_aborted(
    service: S3Service, make_bucket: MakeBucket, large: Path, bare_environment: Path
) -> None:
    bucket, config = make_bucket(service), config_of(service)
    await leave(large, f"s3://{bucket}/large", config)
    age(bare_environment, WEEK + 3600)
    events: list[Event] = []
    await AsyncStorage(LIMITS).upload(large, f"s3://{bucket}/large", config=config, on_event=events.append)
    assert sum(event.size for event in events if event.kind == "resumed") >= 2 * PART


async def test_an_abort_that_is_denied_is_tried_again_by_a_later_call(large: Path, bare_environment: Path) -> None:
    denied = True

    def deny(asked: Asked) -> Reply | None:
        return failure(403, "AccessDenied") if denied and asked.method == "DELETE" else None

    with WritableS3(instead=deny) as server:
        await leave(large, "s3://b/large", server.config)
        age(bare_environment, WEEK + 3600)
        await AsyncStorage(LIMITS).upload(large, "s3://b/next", config=server.config)
        assert server.objects["b"] == {"next": LARGE}
        assert (len(server.uploads), len(records(bare_environment))) == (1, 1)
        with pytest.raises(AccessDenied, match="abort uploads s3://b/large: "):
            await AsyncStorage(LIMITS).abort_uploads("s3://b/large", config=server.config)
        assert (len(server.uploads), len(records(bare_environment))) == (1, 1)
        denied = False
        await AsyncStorage(LIMITS).upload(large, "s3://b/next", config=server.config)
        assert (server.uploads, records(bare_environment)) == ({}, [])


async def test_an_upload_is_aborted_at_once(
    service: S3Service, make_bucket: MakeBucket, large: Path, bare_environment: Path
) -> None:
    bucket, config, storage = make_bucket(service), config_of(service), AsyncStorage(LIMITS)
    assert await storage.abort_uploads(f"s3://{bucket}/", config=config) == 0
    client(service).create_multipart_upload(Bucket=bucket, Key="dir/a")  # somebody else's
    for key in ("dir/a", "dir/b", "dir-c", "d"):
        await leave(large, f"s3://{bucket}/{key}", config)
    assert await storage.abort_uploads(f"s3://{bucket}/dir", config=config) == 2
    assert sorted(unfinished_uploads(service, bucket)) == ["d", "dir-c", "dir/a"]
    assert await storage.abort_uploads(f"s3://{bucket}/dir-c", config=config) == 1
    assert await storage.abort_uploads(f"s3://{bucket}", config=config) == 1
    assert unfinished_uploads(service, bucket) == ["dir/a"]
    assert records(bare_environment) == []


async def test_the_blocks_of_an_azure_upload_are_left_to_the_service(
    azurite: AzureService, large: Path, bare_environment: Path
) -> None:
    container = azurite_server.new_container(azurite)
    config = AzureConfig(ACCOUNT, azurite.keys[ACCOUNT], endpoint_url=f"{azurite.url}/{ACCOUNT}")
    await leave(large, f"azure://{container}/k", config)
    assert await AsyncStorage().abort_uploads(f"azure://{container}/k", config=config) == 1
    assert records(bare_environment) == []
    await AsyncStorage(LIMITS).upload(large, f"azure://{container}/k", config=config)
    assert azurite_server.get_objects(azurite, container) == {"k": LARGE}


async def test_a_storage_without_unfinished_uploads(tmp_path: Path) -> None:
    assert await AsyncStorage().abort_uploads(str(tmp_path)) == 0
    assert await AsyncStorage(environ={}).abort_uploads("https://example.com/x") == 0
