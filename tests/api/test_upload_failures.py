"""Failed uploads: errors are clear, and failures that may be transient are retried."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from sealift import AccessDenied, AsyncStorage, Event, IntegrityError, Limits, ModelMissingError
from sealift.config.s3 import UploadChecksum
from sealift.errors import ServiceError, StorageError, TransportError
from sealift.integrity import checksums
from sealift.types import MiB
from tests.api.helpers import config_of, shows
from tests.api.servers import SECRET, Asked, FakeS3, Reply, failure, pattern
from tests.api.writable import WritableS3, always, is_complete, once
from tests.services.s3 import MakeBucket, S3Service, get_objects, put_objects, unfinished_uploads

pytestmark = pytest.mark.anyio

PART = 5 * MiB
LARGE = pattern(6 * PART + 1)
SMALL = pattern(1000)
# Two parts are in flight at once, so a failure of the first occurs mid-upload.
TIGHT = Limits(part_size=PART, memory=2 * PART, attempts=2)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "large").write_bytes(LARGE)
    return tmp_path / "large"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "small").write_bytes(SMALL)
    return tmp_path / "small"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "directory"
    directory.mkdir()
    for number in range(4):
        (directory / str(number)).write_bytes(LARGE)
    return directory


def in_200(code: str) -> Reply:
    """A failure detected after the service has sent the status."""
    return replace(failure(200, code), body=b"   \n" + failure(200, code).body)


async def refused(src: Path, server: FakeS3, limits: Limits = TIGHT, *, key: str = "k") -> StorageError:
    with pytest.raises(StorageError) as caught:
        await AsyncStorage(limits).upload(src, f"s3://b/{key}", config=server.config)
    assert str(caught.value).startswith(f"upload file://{src} to s3://b/{key}: ")
    assert shows(caught.value, SECRET) == []
    return caught.value


# Replies


async def test_the_end_of_an_upload_that_fails_with_status_200_is_tried_again(large: Path) -> None:
    with WritableS3(instead=once(is_complete, lambda asked: in_200("InternalError"))) as server:
        events: list[Event] = []
        await AsyncStorage(TIGHT).upload(large, "s3://b/k", config=server.config, on_event=events.append)
        assert server.objects["b"] == {"k": LARGE}
    (retry,) = [event for event in events if event.kind == "retry"]
    assert "the service answered 200 InternalError: so it is" in str(retry.error)


@pytest.mark.parametrize("code", ["InternalError", "AccessDenied"])
async def test_an_upload_whose_end_keeps_failing_with_status_200_is_kept(large: Path, code: str) -> None:
    with WritableS3(instead=always(is_complete, lambda asked: in_200(code))) as server:
        error = await refused(large, server)
        assert server.objects["b"] == {}
        assert [len(parts) for parts in server.uploads.values()] == [7]
        assert sum(map(is_complete, server.asked)) == (2 if code == "InternalError" else 1)
    assert isinstance(error, ServiceError)
    assert error.code == code


@pytest.mark.parametrize("body", [b"", b"<html>", b"<CompleteMultipartUploadResult/>"])
async def test_an_end_that_says_nothing_is_no_success(large: Path, body: bytes) -> None:
    with WritableS3(instead=always(is_complete, lambda asked: Reply(200, body))) as server:
        error = await refused(large, server)
    assert "the service answered 200, but without ETag" in str(error)


@pytest.mark.parametrize("algorithm", ["crc64nvme", None])
async def test_an_end_whose_reply_was_lost_counts(large: Path, algorithm: UploadChecksum | None) -> None:
    def lose(asked: Asked) -> Reply:
        server.usual(asked)
        return failure(500, "InternalError")

    with WritableS3(instead=once(is_complete, lose)) as server:
        config = replace(server.config, checksum=algorithm)
        await AsyncStorage(TIGHT).upload(large, "s3://b/k", config=config)
        assert server.objects["b"] == {"k": LARGE}
        assert sum(map(is_complete, server.asked)) == 2


@pytest.mark.parametrize("algorithm", ["crc64nvme", None])
@pytest.mark.parametrize("there", [None, LARGE[::-1], LARGE[1:]], ids=["nothing", "other bytes", "another size"])
async def test_an_upload_that_is_gone_is_no_success(
    large: Path, algorithm: UploadChecksum | None, there: bytes | None
) -> None:
    """Another process aborted it, and may have stored another object."""

    def gone(asked: Asked) -> Reply | None:
        if is_complete(asked):
            server.uploads.clear()
            if there is not None:
                server.replace("b", "k", there)
        return None

    with WritableS3(instead=gone) as server:
        with pytest.raises(ServiceError, match="404 NoSuchUpload") as caught:
            await AsyncStorage(TIGHT).upload(large, "s3://b/k", config=replace(server.config, checksum=algorithm))
        assert server.objects["b"] == ({} if there is None else {"k": there})
    assert not caught.value.retryable


async def test_a_part_of_an_upload_that_is_gone(large: Path) -> None:
    with WritableS3(
        instead=always(lambda asked: asked.method == "PUT", lambda _: failure(404, "NoSuchUpload"))
    ) as fake:
        error = await refused(large, fake)
    assert isinstance(error, ServiceError)
    assert "404 NoSuchUpload" in str(error)


async def test_a_busy_service_is_asked_again(large: Path, small: Path) -> None:
    seen: set[tuple[str, str]] = set()

    def busy(asked: Asked) -> Reply | None:
        if (asked.method, asked.target) in seen:
            return None
        seen.add((asked.method, asked.target))
        return failure(503, "SlowDown")

    with WritableS3(instead=busy) as server:
        for path in (large, small):
            await AsyncStorage(TIGHT).upload(path, f"s3://b/{path.name}", config=server.config)
        assert server.objects["b"] == {"large": LARGE, "small": SMALL}
        assert server.uploads == {}


async def test_a_copy_that_fails_with_status_200(small: Path) -> None:
    def wanted(asked: Asked) -> bool:
        return "x-amz-copy-source" in asked.headers

    with WritableS3(instead=once(wanted, lambda asked: in_200("InternalError"))) as server:
        await AsyncStorage(TIGHT).upload(small, "s3://b/k", config=server.config)
        await AsyncStorage(TIGHT).copy("s3://b/k", "s3://b/copy", config=server.config)
        assert server.objects["b"] == {"k": SMALL, "copy": SMALL}
    with WritableS3(instead=always(wanted, lambda asked: in_200("AccessDenied"))) as server:
        await AsyncStorage(TIGHT).upload(small, "s3://b/k", config=server.config)
        with pytest.raises(StorageError, match="AccessDenied"):
            await AsyncStorage(TIGHT).copy("s3://b/k", "s3://b/copy", config=server.config)
        assert server.objects["b"] == {"k": SMALL}


@pytest.mark.parametrize("moved", [301, 307, 400])
async def test_a_bucket_of_another_region(large: Path, small: Path, moved: int) -> None:
    with WritableS3(region="eu-central-1", moved=moved) as server:
        async with AsyncStorage(TIGHT) as storage:
            await storage.upload(small, "s3://b/small", config=server.config)
            asked = [(each.method, each.region) for each in server.asked]
            assert asked == [("PUT", "us-east-1"), ("PUT", "eu-central-1")]
            await storage.upload(large, "s3://b/large", config=server.config)
            asked = [(each.method, each.region) for each in server.asked[2:4]]
            assert asked == [("POST", "us-east-1"), ("POST", "eu-central-1")]
            assert {each.region for each in server.asked[3:]} == {"eu-central-1"}
            assert server.objects["b"] == {"small": SMALL, "large": LARGE}
            await storage.delete("s3://b/", config=server.config, recursive=True, allow_patterns="small")
        assert server.objects["b"] == {"large": LARGE}


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
async def test_a_refusal_while_the_body_is_being_sent(tmp_path: Path, size: bytes) -> None:
    (tmp_path / "k").write_bytes(size)
    early = always(lambda asked: asked.method == "PUT", lambda asked: failure(403, "AccessDenied"))
    with WritableS3(early=early) as server:
        error = await refused(tmp_path / "k", server)
        assert (server.objects["b"], server.uploads) == ({}, {})
    assert isinstance(error, AccessDenied)
    assert "no permission for the object 'k': so it is (check the credentials" in str(error)


@pytest.mark.parametrize("name", ["large", "small", "directory"])
async def test_who_may_only_read(
    request: pytest.FixtureRequest, seaweedfs: S3Service, make_bucket: MakeBucket, name: str
) -> None:
    bucket, src = make_bucket(seaweedfs), request.getfixturevalue(name)
    with pytest.raises(AccessDenied, match="no permission for the object") as caught:
        await AsyncStorage(TIGHT).upload(src, f"s3://{bucket}/k", config=config_of(seaweedfs, seaweedfs.read_only))
    assert seaweedfs.read_only is not None
    assert shows(caught.value, seaweedfs.read_only.secret_key) == []
    assert get_objects(seaweedfs, bucket) == {}
    assert unfinished_uploads(seaweedfs, bucket) == []


@pytest.mark.parametrize("name", ["large", "small"])
async def test_no_such_bucket(request: pytest.FixtureRequest, moto: S3Service, name: str) -> None:
    with pytest.raises(ModelMissingError, match=r"there is no bucket 'there-is-none' \(check the bucket's name"):
        await AsyncStorage(TIGHT).upload(request.getfixturevalue(name), "s3://there-is-none/k", config=config_of(moto))


async def test_nobody_listens(small: Path) -> None:
    with WritableS3() as server:
        config = server.config
    with pytest.raises(TransportError, match="refused"):
        await AsyncStorage(TIGHT).upload(small, "s3://b/k", config=config)


# Checksums


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("algorithm", ["crc64nvme", "crc32c", "crc32"])
async def test_bytes_that_were_damaged_on_the_way_are_refused(
    seaweedfs: S3Service,
    make_bucket: MakeBucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    body: bytes,
    algorithm: UploadChecksum,
) -> None:
    """Simulate corruption in transit with the checksum of different bytes."""
    bucket, digest = make_bucket(seaweedfs), checksums.digest
    put_objects(seaweedfs, bucket, {"k": b"old"})
    (tmp_path / "k").write_bytes(body)
    monkeypatch.setattr(checksums, "digest", lambda algorithm, data: digest(algorithm, b"x" + bytes(data)))
    config = replace(config_of(seaweedfs), checksum=algorithm)
    with pytest.raises(IntegrityError, match="BadDigest"):
        await AsyncStorage(TIGHT).upload(tmp_path / "k", f"s3://{bucket}/k", config=config)
    assert get_objects(seaweedfs, bucket) == {"k": b"old"}
    assert unfinished_uploads(seaweedfs, bucket) == []


def told(algorithm: str, data: bytes) -> str:
    return base64.b64encode(bytes.fromhex(checksums.digest(algorithm, data))).decode()


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("says", "verified"), [("the same", "crc64nvme"), ("nothing", "size-only"), ("another's", "size-only")]
)
async def test_compared_is_what_the_service_tells_again(tmp_path: Path, body: bytes, says: str, verified: str) -> None:
    """The checksum comes from the reply to PUT or to completion, if the replies to parts have none."""
    headers = {} if says == "nothing" else {"x-amz-checksum-type": "FULL_OBJECT"}
    name = "crc64nvme" if says == "the same" else "crc32"
    xml = f"<Checksum{name.upper()}>{told(name, body)}</Checksum{name.upper()}><ChecksumType>FULL_OBJECT</ChecksumType>"

    def instead(asked: Asked) -> Reply | None:
        if asked.method not in {"PUT", "POST"} or "uploads" in asked.query:
            return None
        reply = server.usual(asked)
        reply.headers = {"ETag": reply.headers.get("ETag", "")}
        if is_complete(asked):
            extra = "" if says == "nothing" else xml
            return Reply(200, reply.body.replace(b"</ETag>", f"</ETag>{extra}".encode()))
        if body is SMALL and says != "nothing":
            reply.headers |= {**headers, f"x-amz-checksum-{name}": told(name, body)}
        return reply

    (tmp_path / "k").write_bytes(body)
    events: list[Event] = []
    with WritableS3(instead=instead) as server:
        await AsyncStorage(TIGHT).upload(tmp_path / "k", "s3://b/k", config=server.config, on_event=events.append)
        assert server.objects["b"] == {"k": body}
    assert events[-1].verified == verified


async def test_parts_that_were_all_compared(large: Path) -> None:
    """If every part was verified, so is the object, whatever the completion reply contains."""
    events: list[Event] = []
    with WritableS3() as server:
        await AsyncStorage(TIGHT).upload(large, "s3://b/k", config=server.config, on_event=events.append)
    assert events[-1].verified == "crc64nvme"


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
async def test_another_checksum_than_that_of_what_was_sent(tmp_path: Path, body: bytes) -> None:
    other = told("crc64nvme", b"other bytes")

    def instead(asked: Asked) -> Reply | None:
        if is_complete(asked):
            extra = f"<ChecksumCRC64NVME>{other}</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType></R>"
            reply = server.usual(asked)
            return Reply(200, reply.body.replace(b"</R>", extra.encode()))
        if asked.method == "PUT" and body is SMALL:
            return Reply(200, headers={"ETag": '"x"', "x-amz-checksum-crc64nvme": other})
        return None

    (tmp_path / "k").write_bytes(body)
    with WritableS3(instead=instead) as server:
        error = await refused(tmp_path / "k", server)
        assert isinstance(error, IntegrityError)
        # A PUT is retried, since the next one may store the right bytes; a completed upload already has its object.
        assert sum(asked.method == "PUT" for asked in server.asked) == (2 if body is SMALL else 7)
        assert sum(map(is_complete, server.asked)) == (body is LARGE)
    assert "the service has stored different bytes for 'k' than were sent" in str(error)


async def test_parts_that_are_not_the_whole_are_refused(
    seaweedfs: S3Service, make_bucket: MakeBucket, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, combine = make_bucket(seaweedfs), checksums.combine
    monkeypatch.setattr(checksums, "combine", lambda algorithm, parts: combine(algorithm, list(parts)[:-1]))
    with pytest.raises(IntegrityError, match="BadDigest"):
        await AsyncStorage(TIGHT).upload(large, f"s3://{bucket}/k", config=config_of(seaweedfs))
    assert get_objects(seaweedfs, bucket) == {}
    assert unfinished_uploads(seaweedfs, bucket) == []
