"""Copies made by S3 itself."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import anyio
import pytest

from sealift.backends.s3.bucket import Headers
from sealift.backends.s3.upload import S3Upload
from sealift.errors import AccessDenied, IncompleteError, ModelMissingError, ObjectChanged, ServiceError
from sealift.types import MiB, ObjectInfo, Part, Receipt
from sealift.types.properties import Properties
from tests.api.servers import Asked, Reply
from tests.api.writable import WritableS3, is_begin, once
from tests.contract.suite import read
from tests.contract.test_s3 import config, opened
from tests.contract.writing import body
from tests.services.s3 import (
    MakeBucket,
    S3Service,
    client,
    get_object,
    get_objects,
    new_bucket,
    put_objects,
    stored_checksums,
    unfinished_uploads,
)

pytestmark = pytest.mark.anyio

LARGE = body(11 * MiB + 1)


@pytest.fixture(params=["seaweedfs", "moto"])
def service(request: pytest.FixtureRequest) -> S3Service:
    chosen: S3Service = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than 5 MiB is copied in parts of 5 MiB."""
    monkeypatch.setattr("sealift.backends.s3.server_copy._LARGEST_SINGLE_COPY", 5 * MiB)
    monkeypatch.setattr("sealift.backends.s3.server_copy._PART_SIZE", 5 * MiB)


def put_described(service: S3Service, bucket: str, key: str, data: bytes) -> None:
    client(service).put_object(
        Bucket=bucket,
        Key=key,
        Body=data,
        ContentType="application/x-model",
        ContentEncoding="gzip",
        ContentLanguage="de",
        ContentDisposition="inline",
        CacheControl="no-store",
        Expires="Wed, 21 Oct 2026 07:28:00 GMT",
        Metadata={"owner": "me", "two": "words here"},
        Tagging="team=a+b",
    )


async def test_between_two_buckets(service: S3Service, make_bucket: MakeBucket) -> None:
    first, second = make_bucket(service), make_bucket(service)
    put_objects(service, first, {"a/k": b"bytes"})
    async with opened(first, config(service)) as source, opened(second, config(service)) as destination:
        assert source.service == destination.service
        assert source.location != destination.location
        stored = await destination.copy(source.location, await source.stat("a/k"), "b/copy")
        there = await destination.stat("b/copy")
        assert (stored.key, stored.size, stored.version) == ("b/copy", 5, there.version)
        assert await read(destination, there) == b"bytes"
    assert get_objects(service, first) == {"a/k": b"bytes"}


async def test_who_signs_in_differently_is_another_service(service: S3Service) -> None:
    async with (
        opened("b", config(service)) as first,
        opened("b", replace(config(service), secret_access_key="another")) as second,
        opened("b", replace(config(service), endpoint_url="http://127.0.0.1:1")) as third,
    ):
        assert len({first.service, second.service, third.service}) == 3


@pytest.mark.parametrize("size", [1, 5 * MiB, 5 * MiB + 1, len(LARGE)])
@pytest.mark.usefixtures("in_parts")
async def test_what_is_stored_beside_the_bytes_comes_along(
    service: S3Service, make_bucket: MakeBucket, size: int
) -> None:
    bucket = make_bucket(service)
    put_described(service, bucket, "k", LARGE[:size])
    async with opened(bucket, config(service)) as backend:
        obj = await backend.stat("k")
        stored = await backend.copy(backend.location, obj, "copy")
        there = await backend.stat("copy")
    assert (stored.size, stored.version) == (there.size, there.version) == (size, there.etag)
    assert there.properties == obj.properties
    assert there.properties == Properties(
        "application/x-model",
        "gzip",
        "de",
        "inline",
        "no-store",
        "Wed, 21 Oct 2026 07:28:00 GMT",
        {"owner": "me", "two": "words here"},
        None,
    )
    tags = client(service).get_object_tagging(Bucket=bucket, Key="copy")["TagSet"]
    assert tags == [{"Key": "team", "Value": "a b"}]
    assert get_object(service, bucket, "copy") == LARGE[:size]
    assert unfinished_uploads(service, bucket) == []
    assert ("-" in (there.etag or "")) == (size > 5 * MiB)


@pytest.mark.usefixtures("in_parts")
async def test_a_checksum_comes_along(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(seaweedfs)
    async with opened(bucket, config(seaweedfs)) as backend:
        await backend.put("k", memoryview(b"bytes"))
        await backend.copy(backend.location, await backend.stat("k"), "copy")
    told = stored_checksums(seaweedfs, bucket, "k")
    assert "crc64nvme" in told
    assert stored_checksums(seaweedfs, bucket, "copy") == told


@pytest.mark.usefixtures("in_parts")
async def test_a_copy_in_parts_counts_them(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket, copied = make_bucket(seaweedfs), list[int]()
    put_objects(seaweedfs, bucket, {"k": LARGE})
    async with opened(bucket, config(seaweedfs)) as backend:
        await backend.copy(backend.location, await backend.stat("k"), "copy", on_copied=copied.append)
    assert len(copied) == 3
    assert copied == sorted(copied)
    assert copied[-1] == len(LARGE)


@pytest.mark.usefixtures("in_parts")
async def test_a_copy_in_parts_is_pinned_to_the_version(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"k": LARGE, "copy": b"old"})
    async with opened(bucket, config(seaweedfs)) as backend:
        obj = await backend.stat("k")
        put_objects(seaweedfs, bucket, {"k": LARGE[::-1]})
        with pytest.raises(ObjectChanged, match="the object 'k' was replaced"):
            await backend.copy(backend.location, obj, "copy")
        client(seaweedfs).delete_object(Bucket=bucket, Key="k")
        with pytest.raises(ModelMissingError, match="there is no object 'k'"):
            await backend.copy(backend.location, obj, "copy")
    assert get_objects(seaweedfs, bucket) == {"copy": b"old"}
    assert unfinished_uploads(seaweedfs, bucket) == []


async def test_moto_ignores_the_version(moto: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(moto)
    put_objects(moto, bucket, {"k": b"first"})
    async with opened(bucket, config(moto)) as backend:
        obj = await backend.stat("k")
        put_objects(moto, bucket, {"k": b"other"})
        await backend.copy(backend.location, obj, "copy")
    assert get_object(moto, bucket, "copy") == b"other"


@pytest.mark.parametrize("retryable", [False, True])
@pytest.mark.usefixtures("in_parts")
async def test_a_failure_in_the_middle_leaves_no_upload(
    service: S3Service, make_bucket: MakeBucket, monkeypatch: pytest.MonkeyPatch, retryable: bool
) -> None:
    bucket = make_bucket(service)
    put_objects(service, bucket, {"k": LARGE})
    copy_part = S3Upload.copy_part

    async def fail(upload: S3Upload, part: Part, source: str, headers: Headers) -> Receipt:
        if part.index == 1:
            raise ServiceError("no second part", retryable=retryable)
        return await copy_part(upload, part, source, headers)

    monkeypatch.setattr(S3Upload, "copy_part", fail)
    async with opened(bucket, config(service)) as backend:
        with pytest.raises(ServiceError, match="no second part") as caught:
            await backend.copy(backend.location, await backend.stat("k"), "copy")
    assert not caught.value.retryable  # the part was retried; the whole copy must not be
    assert unfinished_uploads(service, bucket) == []
    assert set(get_objects(service, bucket)) == {"k"}


@pytest.mark.usefixtures("in_parts")
async def test_a_cancelled_copy_leaves_no_upload(
    service: S3Service, make_bucket: MakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = make_bucket(service)
    put_objects(service, bucket, {"k": LARGE})
    copy_part, first = S3Upload.copy_part, anyio.Event()

    async def hold(upload: S3Upload, part: Part, source: str, headers: Headers) -> Receipt:
        receipt = await copy_part(upload, part, source, headers)
        first.set()
        await anyio.sleep_forever()
        return receipt

    monkeypatch.setattr(S3Upload, "copy_part", hold)
    async with opened(bucket, config(service)) as backend:
        async with anyio.create_task_group() as group:
            group.start_soon(backend.copy, backend.location, await backend.stat("k"), "copy")
            await first.wait()
            assert unfinished_uploads(service, bucket) == ["copy"]
            group.cancel_scope.cancel()
    assert unfinished_uploads(service, bucket) == []
    assert set(get_objects(service, bucket)) == {"k"}


@pytest.mark.usefixtures("in_parts")
async def test_a_copy_that_is_cancelled_while_its_upload_is_begun() -> None:
    def stall(asked: Asked) -> Reply:
        return replace(server.usual(asked), stall_at=10)

    with WritableS3(instead=once(is_begin, stall)) as server:
        server.replace("b", "k", LARGE)
        async with opened("b", server.config) as backend:
            call = asyncio.ensure_future(backend.copy(backend.location, await backend.stat("k"), "copy"))
            while not server.stalled.is_set():
                await asyncio.sleep(0.005)
            assert len(server.uploads) == 1
            call.cancel()
            await asyncio.sleep(0)
            server.release()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert server.uploads == {}
        assert set(server.objects["b"]) == {"k"}


@pytest.mark.usefixtures("in_parts")
async def test_what_fails_once_is_tried_again_by_itself(
    seaweedfs: S3Service, make_bucket: MakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"k": LARGE})
    copy_part, complete, begin = S3Upload.copy_part, S3Upload.complete, S3Upload.begin
    calls: list[str] = []

    async def part_of(upload: S3Upload, part: Part, source: str, headers: Headers) -> Receipt:
        calls.append(f"part {part.index}")
        if calls.count("part 2") == 1 and part.index == 2:
            raise ServiceError("busy", retryable=True)
        return await copy_part(upload, part, source, headers)

    async def completed(upload: S3Upload, receipts: Sequence[Receipt]) -> ObjectInfo:
        calls.append("complete")
        if calls.count("complete") == 1:
            raise ServiceError("busy", retryable=True)
        return await complete(upload, receipts)

    async def began(*args: object) -> S3Upload:
        calls.append("begin")
        return await begin(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(S3Upload, "copy_part", part_of)
    monkeypatch.setattr(S3Upload, "complete", completed)
    monkeypatch.setattr(S3Upload, "begin", began)
    async with opened(bucket, config(seaweedfs), attempts=2) as backend:
        await backend.copy(backend.location, await backend.stat("k"), "copy")
    assert sorted(calls) == ["begin", "complete", "complete", "part 0", "part 1", "part 2", "part 2"]
    assert get_object(seaweedfs, bucket, "copy") == LARGE


async def test_what_may_not_be_written_or_read(seaweedfs: S3Service) -> None:
    reader = seaweedfs.read_only
    assert reader is not None
    bucket = new_bucket(seaweedfs, "read-only")
    put_objects(seaweedfs, bucket, {"k": b"bytes"})
    keyed = replace(config(seaweedfs), access_key_id=reader.access_key, secret_access_key=reader.secret_key)
    async with opened(bucket, keyed) as backend:
        with pytest.raises(AccessDenied):
            await backend.copy(backend.location, await backend.stat("k"), "copy")
        with pytest.raises(AccessDenied):
            await backend.delete("k")
        with pytest.raises(IncompleteError) as caught:
            await backend.delete_many(["k"], "")
        assert isinstance(caught.value.skipped[0].error, AccessDenied)
    assert get_objects(seaweedfs, bucket) == {"k": b"bytes"}
