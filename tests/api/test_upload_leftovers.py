"""An upload that fails or is cancelled midway publishes nothing; the next call resumes it, and leaves nothing."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sealift import AsyncStorage, Event, IntegrityError, Limits, LocalIOError, ObjectChanged
from sealift.errors import ServiceError
from sealift.types import MiB
from tests.api.flipping import MARK, flipping
from tests.api.helpers import config_of
from tests.api.servers import Asked, FakeS3, Reply, failure, pattern
from tests.api.writable import WritableS3, is_begin, once
from tests.services.s3 import MakeBucket, S3Service, get_object, get_objects, put_objects, unfinished_uploads

pytestmark = pytest.mark.anyio

PART = 5 * MiB
LARGE = pattern(6 * PART + 1)
SMALL = pattern(1000)
# Two parts are in flight at once, so a failure of the first occurs mid-upload.
TIGHT = Limits(part_size=PART, memory=2 * PART, attempts=2)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds; the test's timeout is the limit."""
    while not condition():
        await asyncio.sleep(0.005)


def records(home: Path) -> list[Path]:
    return list((home / ".local/state/sealift/uploads").iterdir())


@pytest.fixture(params=["seaweedfs", "moto"])
def service(request: pytest.FixtureRequest) -> S3Service:
    chosen: S3Service = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "large").write_bytes(LARGE)
    return tmp_path / "large"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "directory"
    directory.mkdir()
    for number in range(4):
        (directory / str(number)).write_bytes(LARGE)
    return directory


@pytest.mark.parametrize("name", ["large", "directory"])
@pytest.mark.parametrize("how", ["unreadable", "changed"])
async def test_a_file_that_fails_in_the_middle(
    request: pytest.FixtureRequest,
    service: S3Service,
    make_bucket: MakeBucket,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    how: str,
) -> None:
    bucket, src, preadv, reads = make_bucket(service), request.getfixturevalue(name), os.preadv, 0
    turn = threading.Lock()

    def fail(descriptor: int, buffers: list[memoryview], start: int) -> int:
        nonlocal reads
        with turn:
            reads += 1
            now = reads == 4
        if now and how == "unreadable":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        count = preadv(descriptor, buffers, start)
        if now:
            os.utime(descriptor, ns=(0, 0))
        return count

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises((LocalIOError, ObjectChanged)):
        await AsyncStorage(TIGHT).upload(src, f"s3://{bucket}/k", config=config_of(service))
    assert reads >= 4
    if how == "changed" and name == "large":  # its parts are of no use any more
        assert unfinished_uploads(service, bucket) == []
    assert all(data == LARGE for data in get_objects(service, bucket).values())
    await completed(service, bucket, src)


async def completed(service: S3Service, bucket: str, src: Path) -> None:
    """Upload once more: everything arrives, and nothing is left behind."""
    await AsyncStorage(TIGHT).upload(src, f"s3://{bucket}/k", config=config_of(service))
    assert unfinished_uploads(service, bucket) == []
    stored = {key: data for key, data in get_objects(service, bucket).items() if key != "after"}
    assert stored == ({"k": LARGE} if src.is_file() else {f"k/{number}": LARGE for number in range(4)})


@pytest.mark.parametrize("name", ["large", "directory"])
async def test_a_cancelled_upload(
    request: pytest.FixtureRequest, service: S3Service, make_bucket: MakeBucket, name: str
) -> None:
    bucket, src, moved = make_bucket(service), request.getfixturevalue(name), 0

    def cancel(event: Event) -> None:
        nonlocal moved
        moved += event.size if event.kind == "progress" else 0
        if moved > 3 * PART:  # more than the parts in flight
            call.cancel()

    async with AsyncStorage(TIGHT) as storage:
        call = asyncio.ensure_future(
            storage.upload(src, f"s3://{bucket}/k", config=config_of(service), on_event=cancel)
        )
        with pytest.raises(asyncio.CancelledError):
            await call
        assert unfinished_uploads(service, bucket) != []
        assert get_objects(service, bucket) == {}
        (src.parent / "after").write_bytes(SMALL)
        await storage.upload(src.parent / "after", f"s3://{bucket}/after", config=config_of(service))
    assert get_objects(service, bucket) == {"after": SMALL}
    await completed(service, bucket, src)


@pytest.mark.parametrize("number", range(1, 9))
async def test_cancelled_at_any_request(large: Path, bare_environment: Path, number: int) -> None:
    """The server has received the request for a part or for completion, but not replied."""

    def count(asked: Asked) -> Reply | None:
        if len(server.asked) != number + 1 or call.done():
            return None
        return replace(server.usual(asked), body=b" ", stall_at=0)

    with WritableS3(instead=count) as server:
        call = asyncio.ensure_future(AsyncStorage(TIGHT).upload(large, "s3://b/k", config=server.config))
        await until(lambda: server.stalled.is_set() or call.done())
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert server.objects["b"] in ({}, {"k": LARGE})
        stored = {part for parts in server.uploads.values() for part in parts}
        assert bool(stored) is (1 < number < 8)  # the first part, or the completion, was being sent
        assert len(records(bare_environment)) == (number > 1)
        server.asked.clear()
        await AsyncStorage(TIGHT).upload(large, "s3://b/k", config=server.config)
        assert (server.objects["b"], server.uploads) == ({"k": LARGE}, {})
        sent = {int(asked.query["partNumber"]) for asked in server.asked if "partNumber" in asked.query}
        assert sent.isdisjoint(stored)
        assert records(bare_environment) == []


async def test_cancelled_while_the_upload_is_begun(large: Path) -> None:
    def stall(asked: Asked) -> Reply:
        return replace(server.usual(asked), stall_at=10)

    with WritableS3(instead=once(is_begin, stall)) as server:
        call = asyncio.ensure_future(AsyncStorage(TIGHT).upload(large, "s3://b/k", config=server.config))
        await until(server.stalled.is_set)
        assert len(server.uploads) == 1
        call.cancel()
        await asyncio.sleep(0)
        server.release()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert server.uploads == {}
        assert [asked.method for asked in server.asked] == ["POST", "DELETE"]


async def test_a_cancelled_call_does_not_wait_for_ever(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealift.engine.context._SUSPEND_DEADLINE", 0.05)
    with WritableS3(instead=once(is_begin, lambda asked: Reply(200, b"never", stall_at=0))) as server:
        call = asyncio.ensure_future(AsyncStorage(TIGHT).upload(large, "s3://b/k", config=server.config))
        await until(server.stalled.is_set)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


def source(reply: Callable[[Asked], Reply | None] = lambda asked: None, **stall: int) -> FakeS3:
    return FakeS3({"models": {"k": LARGE}}, instead=reply, stall=stall)


async def test_a_copy_between_two_services_whose_source_fails(service: S3Service, make_bucket: MakeBucket) -> None:
    bucket, ranges = make_bucket(service), 0

    def fail(asked: Asked) -> Reply | None:
        nonlocal ranges
        ranges += "range" in asked.headers
        return failure(500, "InternalError") if ranges > 3 else None

    with source(fail) as other:
        with pytest.raises(ServiceError, match="500 InternalError"):
            await AsyncStorage(TIGHT).copy(
                "s3://models/k", f"s3://{bucket}/k", config=other.config, dest_config=config_of(service)
            )
        assert get_objects(service, bucket) == {}
        ranges, events = -10, list[Event]()
        await AsyncStorage(TIGHT).copy(
            "s3://models/k",
            f"s3://{bucket}/k",
            config=other.config,
            dest_config=config_of(service),
            on_event=events.append,
        )
        assert sum(event.size for event in events if event.kind == "resumed") >= PART
    assert unfinished_uploads(service, bucket) == []
    assert get_objects(service, bucket) == {"k": LARGE}


async def test_a_copy_between_two_services_whose_source_changes(service: S3Service, make_bucket: MakeBucket) -> None:
    bucket, ranges = make_bucket(service), 0

    def change(asked: Asked) -> Reply | None:
        nonlocal ranges
        ranges += "range" in asked.headers
        if ranges == 3:
            other.replace("models", "k", LARGE[::-1])
        return None

    with source(change) as other:
        with pytest.raises(ObjectChanged):
            await AsyncStorage(TIGHT).copy(
                "s3://models/k", f"s3://{bucket}/k", config=other.config, dest_config=config_of(service)
            )
    assert unfinished_uploads(service, bucket) == []
    assert get_objects(service, bucket) == {}


async def test_damaged_parts_are_not_kept(
    moto: S3Service, seaweedfs: S3Service, make_bucket: MakeBucket, bare_environment: Path
) -> None:
    there, here = make_bucket(moto), make_bucket(seaweedfs)
    put_objects(moto, there, {"k": LARGE[: 2 * PART] + MARK + LARGE[2 * PART :]}, checksum="CRC32C")
    async with flipping(moto.endpoint) as endpoint:
        damaged = replace(config_of(moto), endpoint_url=endpoint)
        with pytest.raises(IntegrityError, match="do not match its crc32c checksum"):
            await AsyncStorage(TIGHT).copy(
                f"s3://{there}/k", f"s3://{here}/k", config=damaged, dest_config=config_of(seaweedfs)
            )
    assert (unfinished_uploads(seaweedfs, here), get_objects(seaweedfs, here)) == ([], {})
    assert records(bare_environment) == []


async def test_a_cancelled_copy_between_two_services(service: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(service)
    landed: list[Event] = []

    def stored() -> int:
        return sum(event.size for event in landed if event.kind == "progress")

    with source(k=4 * PART) as other:
        call = asyncio.ensure_future(
            AsyncStorage(TIGHT).copy(
                "s3://models/k",
                f"s3://{bucket}/k",
                config=other.config,
                dest_config=config_of(service),
                on_event=landed.append,
            )
        )
        await until(lambda: other.stalled.is_set() and stored() == 4 * PART)
        assert unfinished_uploads(service, bucket) == ["k"]
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert unfinished_uploads(service, bucket) == ["k"]
    assert get_objects(service, bucket) == {}
    with source() as another:  # the record is of an object in another service
        await AsyncStorage(TIGHT).copy(
            "s3://models/k", f"s3://{bucket}/k", config=another.config, dest_config=config_of(service)
        )
        assert sum("range" in asked.headers for asked in another.asked) == 7
    assert get_objects(service, bucket) == {"k": LARGE}


async def test_one_upload_fails_and_another_goes_on(
    seaweedfs: S3Service, make_bucket: MakeBucket, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    (large.parent / "other").write_bytes(LARGE)
    preadv = os.preadv

    def fail(descriptor: int, buffers: list[memoryview], start: int) -> int:
        if start >= 6 * PART and os.readlink(f"/proc/self/fd/{descriptor}") == str(large):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return preadv(descriptor, buffers, start)

    monkeypatch.setattr(os, "preadv", fail)
    async with AsyncStorage(Limits(part_size=PART, memory=4 * PART)) as storage:
        first, second = await asyncio.gather(
            storage.upload(large, f"s3://{bucket}/first", config=config),
            storage.upload(large.parent / "other", f"s3://{bucket}/second", config=config),
            return_exceptions=True,
        )
    assert isinstance(first, LocalIOError)
    assert second is True
    assert unfinished_uploads(seaweedfs, bucket) == ["first"]
    assert set(get_objects(seaweedfs, bucket)) == {"second"}
    assert get_object(seaweedfs, bucket, "second") == LARGE


async def test_an_upload_that_cannot_be_recorded_is_aborted(
    service: S3Service, make_bucket: MakeBucket, large: Path
) -> None:
    bucket = make_bucket(service)

    def cancel(event: Event) -> None:
        if event.kind == "progress":
            call.cancel()

    upload = AsyncStorage(TIGHT, environ={}).upload(
        large, f"s3://{bucket}/k", config=config_of(service), on_event=cancel
    )
    call = asyncio.ensure_future(upload)
    with pytest.raises(asyncio.CancelledError):
        await call
    assert unfinished_uploads(service, bucket) == []
    assert get_objects(service, bucket) == {}
