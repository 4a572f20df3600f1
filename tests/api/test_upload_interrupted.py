"""Uploads and copies that are interrupted, fail or are killed resume: only missing parts are sent, and read."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.clouds import STORED, Cloud, Origin, failed, interrupted, killed, new_cloud, run, s3_options
from tests.api.forwarder import Forwarder
from tests.api.servers import pattern
from tests.services.s3 import MakeBucket, S3Service, put_objects


@pytest.fixture(params=["seaweedfs", "gcs", "azurite"])
def cloud(request: pytest.FixtureRequest, make_bucket: MakeBucket) -> Iterator[Cloud]:
    with new_cloud(request.getfixturevalue(request.param), make_bucket) as cloud:
        yield cloud


@pytest.fixture
def bucket(moto: S3Service, make_bucket: MakeBucket) -> str:
    """The bucket of the source of a copy."""
    return make_bucket(moto)


@pytest.fixture
def upstream(moto: S3Service) -> Iterator[Forwarder]:
    """The way to that bucket."""
    with Forwarder(moto.endpoint) as forwarder:
        yield forwarder


@pytest.fixture
def data(cloud: Cloud) -> bytes:
    return pattern(cloud.size)


@pytest.fixture
def file(data: bytes, tmp_path: Path) -> Origin:
    (tmp_path / "model.bin").write_bytes(data)
    return Origin(str(tmp_path / "model.bin"), tmp_path)


@pytest.fixture
def remote(data: bytes, tmp_path: Path, moto: S3Service, bucket: str, upstream: Forwarder) -> Origin:
    put_objects(moto, bucket, {"model.bin": data}, checksum="CRC32C")
    return Origin(f"s3://{bucket}/model.bin", tmp_path, s3_options(moto) | {"endpoint_url": upstream.url})


@pytest.fixture(params=["file", "remote"])
def origin(request: pytest.FixtureRequest) -> Origin:
    origin: Origin = request.getfixturevalue(request.param)
    return origin


def stopped(how: str, cloud: Cloud, origin: Origin) -> None:
    """Stop the upload or copy after `STORED` parts are stored, and check what it says."""
    if how == "killed":
        killed(cloud, origin)
        return
    *messages, sums = interrupted(cloud, origin) if how == "interrupted" else failed(cloud, origin)
    assert json.loads(sums)["suspended"] == STORED * cloud.part
    if how == "failed":
        assert f"{STORED * cloud.part} bytes are stored; try again to resume" in messages[0]
    else:
        assert messages == ["KeyboardInterrupt: "]
    assert len(origin.records()) == 1


@pytest.mark.parametrize("how", ["interrupted", "failed", "killed"])
def test_only_what_is_missing_is_sent(how: str, cloud: Cloud, origin: Origin, data: bytes) -> None:
    stopped(how, cloud, origin)
    assert "k" not in cloud.content()
    sent, progress, resumed = run(cloud, origin)
    assert (progress, resumed) == (cloud.size, STORED * cloud.part)
    missing = cloud.size - STORED * cloud.part
    assert missing < sent < missing + cloud.part // 4
    assert cloud.content() == {"k": data}
    assert cloud.unfinished() == []
    assert origin.records() == []


@pytest.mark.parametrize("how", ["interrupted", "killed"])
def test_only_what_is_missing_is_read(how: str, cloud: Cloud, remote: Origin, upstream: Forwarder) -> None:
    stopped(how, cloud, remote)
    passage = upstream.passage()
    run(cloud, remote)
    missing = cloud.size - STORED * cloud.part
    assert missing < passage.received < missing + cloud.part // 4


def test_an_object_that_has_changed_is_copied_anew(
    cloud: Cloud, remote: Origin, data: bytes, moto: S3Service, bucket: str
) -> None:
    stopped("interrupted", cloud, remote)
    put_objects(moto, bucket, {"model.bin": data[::-1]}, checksum="CRC32C")
    sent, progress, resumed = run(cloud, remote)
    assert (progress, resumed) == (cloud.size, 0)
    assert sent > cloud.size
    assert cloud.content() == {"k": data[::-1]}
    assert cloud.unfinished() == []
    assert remote.records() == []


def test_a_hash_that_does_not_combine_is_computed_again(
    cloud: Cloud, remote: Origin, data: bytes, moto: S3Service, bucket: str, upstream: Forwarder
) -> None:
    """All bytes are read to verify the object, but only missing parts are sent."""
    put_objects(moto, bucket, {"model.bin": data}, checksum="SHA256")
    stopped("interrupted", cloud, remote)
    passage = upstream.passage()
    sent, progress, resumed = run(cloud, remote)
    assert (progress, resumed) == (cloud.size, STORED * cloud.part)
    assert passage.received > cloud.size > sent + 2 * cloud.part
    assert cloud.content() == {"k": data}
