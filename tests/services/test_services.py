"""The services behave as the other tests expect."""

import base64

import pytest
from awscrt import checksums
from botocore.exceptions import ClientError

from tests.services.s3 import (
    ODD_KEYS,
    ONE_BUCKET,
    PATHLIKE_KEYS,
    PUBLIC_BUCKET,
    Keys,
    MakeBucket,
    S3Service,
    client,
    put_objects,
)

DATA = bytes(range(256)) * 4096 * 6  # 6 MiB: two parts of a multipart upload
PART = 5 << 20
CRC64 = checksums.crc64nvme(DATA)


@pytest.fixture(params=["seaweedfs", "moto", "rclone_s3"])
def service(request: pytest.FixtureRequest) -> S3Service:
    chosen: S3Service = request.getfixturevalue(request.param)
    return chosen


def error(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def headers(reply: dict[str, dict[str, dict[str, str]]]) -> dict[str, str]:
    return reply["ResponseMetadata"]["HTTPHeaders"]


def keys_in(service: S3Service, bucket: str) -> list[str]:
    pages = client(service).get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def read(service: S3Service, bucket: str, key: str, **options: str) -> bytes:
    body: bytes = client(service).get_object(Bucket=bucket, Key=key, **options)["Body"].read()
    return body


def test_the_secret_is_in_no_repr(service: S3Service) -> None:
    assert service.secret_key not in repr(service)
    assert "secret_key" not in repr(service.keys)


def test_list_and_ranges(service: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(service)
    put_objects(service, bucket, {"model.bin": b"0123456789", "empty": b""})
    assert sorted(keys_in(service, bucket)) == ["empty", "model.bin"]
    assert read(service, bucket, "empty") == b""
    reply = client(service).get_object(Bucket=bucket, Key="model.bin", Range="bytes=2-4")
    assert reply["Body"].read() == b"234"
    assert headers(reply)["content-range"] == "bytes 2-4/10"
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == (200 if service.name == "rclone" else 206)
    with pytest.raises(ClientError) as caught:
        read(service, bucket, "empty", Range="bytes=0-0")
    assert error(caught) == (416, "InvalidRange")


def test_a_wrong_secret_is_refused(service: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(service)
    wrong = client(service, Keys(service.access_key, "not-the-secret"))
    if service.name == "moto":  # has no identities
        wrong.list_objects_v2(Bucket=bucket)
        return
    with pytest.raises(ClientError) as caught:
        wrong.list_objects_v2(Bucket=bucket)
    assert error(caught) == (403, "SignatureDoesNotMatch")


def test_odd_keys_are_kept(service: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(service)
    objects = {key: key.encode() for key in ODD_KEYS}
    put_objects(service, bucket, objects)
    assert set(keys_in(service, bucket)) == set(objects)
    assert {key: read(service, bucket, key) for key in objects} == objects


def test_moto_keeps_keys_that_are_no_paths(moto: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(moto)
    objects = {key: key.encode() for key in PATHLIKE_KEYS}
    put_objects(moto, bucket, objects)
    assert set(keys_in(moto, bucket)) == set(objects)
    assert {key: read(moto, bucket, key) for key in objects} == objects


def test_seaweedfs_takes_keys_for_paths(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"a//b": b"1", "/leading": b"2", "back\\slash": b"3", "marker/": b""})
    assert set(keys_in(seaweedfs, bucket)) == {"a/b", "leading", "back/slash", "marker/"}
    with pytest.raises(ClientError) as caught:
        put_objects(seaweedfs, bucket, {"a/../b": b""})
    assert error(caught) == (400, "InvalidRequest")


def test_seaweedfs_lists_in_tree_order(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"a b": b"", "a/b": b"", "a-b": b""})
    assert keys_in(seaweedfs, bucket) == ["a/b", "a b", "a-b"]


def test_if_match(service: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(service)
    etag = put_objects(service, bucket, {"model.bin": b"0123456789"})["model.bin"]
    assert etag == '"781e5e245d69b566979b86e28d23f2c7"'  # the MD5 of the object
    assert read(service, bucket, "model.bin", IfMatch=etag, Range="bytes=2-4") == b"234"
    for wrong in ('"0123"', f"W/{etag}"):
        if service.name == "rclone":  # ignores it
            assert read(service, bucket, "model.bin", IfMatch=wrong) == b"0123456789"
            continue
        with pytest.raises(ClientError) as caught:
            read(service, bucket, "model.bin", IfMatch=wrong)
        assert error(caught) == (412, "PreconditionFailed")


@pytest.mark.parametrize("part_size", [None, PART])
def test_seaweedfs_gives_the_checksum_that_the_upload_brought(
    seaweedfs: S3Service, make_bucket: MakeBucket, part_size: int | None
) -> None:
    bucket, s3 = make_bucket(seaweedfs), client(seaweedfs)
    put_objects(seaweedfs, bucket, {"with": DATA}, part_size=part_size, checksum="CRC64NVME")
    put_objects(seaweedfs, bucket, {"without": DATA}, part_size=part_size)

    def checksum_headers(key: str, operation: str, **options: str) -> dict[str, str]:
        reply = getattr(s3, operation)(Bucket=bucket, Key=key, **options)
        if "Body" in reply:
            reply["Body"].read()
        return {name: value for name, value in headers(reply).items() if name.startswith("x-amz-checksum")}

    for operation in ("get_object", "head_object"):
        found = checksum_headers("with", operation, ChecksumMode="ENABLED")
        assert found.pop("x-amz-checksum-crc64nvme") == _base64(CRC64)
        assert found == ({"x-amz-checksum-type": "FULL_OBJECT"} if part_size else {})
        assert checksum_headers("without", operation, ChecksumMode="ENABLED") == {}
        assert checksum_headers("with", operation) == {}
    assert checksum_headers("with", "get_object", ChecksumMode="ENABLED", Range="bytes=0-9") == {}


def test_seaweedfs_composite_checksums(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"model.bin": DATA}, part_size=PART, checksum="SHA256")
    reply = client(seaweedfs).head_object(Bucket=bucket, Key="model.bin", ChecksumMode="ENABLED")
    assert reply["ChecksumType"] == "COMPOSITE"
    assert reply["ChecksumSHA256"].endswith("-2")
    assert reply["ETag"].endswith('-2"')


def test_seaweedfs_refuses_wrong_checksums(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(seaweedfs)
    with pytest.raises(ClientError) as caught:
        client(seaweedfs).put_object(Bucket=bucket, Key="model.bin", Body=DATA, ChecksumCRC64NVME=_base64(CRC64 ^ 1))
    assert error(caught) == (400, "BadDigest")


def test_seaweedfs_identities(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"model.bin": b"x"})
    put_objects(seaweedfs, PUBLIC_BUCKET, {"model.bin": b"public"})
    reader, restricted = client(seaweedfs, seaweedfs.read_only), client(seaweedfs, seaweedfs.one_bucket)
    anonymous = client(seaweedfs, anonymous=True)

    assert reader.get_object(Bucket=bucket, Key="model.bin")["Body"].read() == b"x"
    restricted.put_object(Bucket=ONE_BUCKET, Key="model.bin", Body=b"x")
    assert anonymous.get_object(Bucket=PUBLIC_BUCKET, Key="model.bin")["Body"].read() == b"public"
    for refused, options in (
        (reader.put_object, {"Bucket": bucket, "Key": "other.bin"}),
        (restricted.get_object, {"Bucket": bucket, "Key": "model.bin"}),
        (restricted.list_objects_v2, {"Bucket": bucket}),
        (anonymous.get_object, {"Bucket": bucket, "Key": "model.bin"}),
        (anonymous.put_object, {"Bucket": PUBLIC_BUCKET, "Key": "other.bin"}),
    ):
        with pytest.raises(ClientError) as caught:
            refused(**options)
        assert error(caught) == (403, "AccessDenied")


def _base64(crc64: int) -> str:
    return base64.b64encode(crc64.to_bytes(8, "big")).decode()
