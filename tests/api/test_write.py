"""`write`: bytes and streams, to every storage that can be written."""

import asyncio
import io
import mmap
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sealift import (
    AsyncStorage,
    Event,
    IntegrityError,
    InvalidConfig,
    InvalidURI,
    Limits,
    LocalIOError,
    ModelMissingError,
    ObjectExists,
    ObjectInfo,
    S3Config,
    ServiceError,
    Storage,
    UnsupportedOperation,
    WriteOptions,
)
from sealift.config import StorageConfig
from sealift.contract import Backend
from sealift.instance import Instance
from sealift.operations import write as writing
from sealift.operations.existing_objects import find_object
from sealift.types import KiB, MiB
from tests.api.helpers import all_in, config_of, files_in
from tests.api.servers import Asked, failure, pattern
from tests.api.writable import WritableS3, always, is_complete, once
from tests.services.azurite import AzureService, new_container
from tests.services.azurite import get_objects as get_azure
from tests.services.gcs import GCSService
from tests.services.gcs import get_objects as get_gcs
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.s3 import MakeBucket, S3Service, client, get_objects, unfinished_uploads

pytestmark = pytest.mark.anyio

LARGE = pattern(11 * MiB + 3)


class Place:
    """An empty root.

    Attributes:
        uri: Its URI, without a trailing "/".
        content: Returns all its objects.
    """

    def __init__(
        self, uri: str, content: Callable[[], dict[str, bytes]], config: StorageConfig | None = None, **environ: str
    ) -> None:
        self.uri = uri
        self.content = content
        self.config = config
        self.environ = environ or None

    def storage(self, limits: Limits | None = None) -> AsyncStorage:
        return AsyncStorage(limits or Limits(part_size=5 * MiB), environ=self.environ)


@pytest.fixture(params=["s3", "gs", "azure", "file"])
def place(request: pytest.FixtureRequest, make_bucket: MakeBucket, tmp_path: Path) -> Place:
    if request.param == "s3":
        s3: S3Service = request.getfixturevalue("seaweedfs")
        bucket = make_bucket(s3)
        return Place(f"s3://{bucket}", lambda: get_objects(s3, bucket), config_of(s3))
    if request.param == "gs":
        gcs: GCSService = request.getfixturevalue("gcs")
        bucket = new_gcs_bucket(gcs, "write")
        return Place(f"gs://{bucket}", lambda: get_gcs(gcs, bucket), **gcs.environ)
    if request.param == "azure":
        azure: AzureService = request.getfixturevalue("azurite")
        container = new_container(azure)
        return Place(f"azure://{container}", lambda: get_azure(azure, container), azure.config())
    return Place(str(tmp_path), lambda: files_in(tmp_path))


def pieces(data: bytes, step: int) -> Iterator[bytes]:
    return (data[start : start + step] for start in range(0, len(data), step))


async def asynchronously(chunks: Iterable[bytes]) -> AsyncGenerator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


@pytest.mark.parametrize("size", [0, 1, 5 * MiB, 5 * MiB + 1, len(LARGE)])
async def test_bytes(place: Place, size: int) -> None:
    stored = await place.storage().write(f"{place.uri}/a/b", LARGE[:size], config=place.config)
    assert place.content() == {"a/b": LARGE[:size]}
    assert stored.size == size
    async with place.storage() as storage:
        found = await storage.stat(f"{place.uri}/a/b", config=place.config)
        assert (stored.key, stored.version) == (found.key, found.version)


@pytest.mark.parametrize("size", [0, 1, 5 * MiB, 5 * MiB + 1, 10 * MiB, len(LARGE)])
@pytest.mark.parametrize("step", [7 * MiB, 100_003])
@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_stream(place: Place, size: int, step: int, asynchronous: bool) -> None:
    chunks = pieces(LARGE[:size], step)
    data = asynchronously(chunks) if asynchronous else chunks
    stored = await place.storage().write(f"{place.uri}/a/b", data, config=place.config)
    assert place.content() == {"a/b": LARGE[:size]}
    assert stored.size == size


async def test_it_replaces(place: Place) -> None:
    async with place.storage() as storage:
        first = await storage.write(f"{place.uri}/k", b"first", config=place.config)
        second = await storage.write(f"{place.uri}/k", [b"sec", b"", b"ond"], config=place.config)
    assert first.version != second.version
    assert place.content() == {"k": b"second"}


async def test_what_exists_is_not_replaced(place: Place) -> None:
    """Nothing is taken from the stream then."""
    taken: list[bytes] = []
    events: list[Event] = []

    def chunks() -> Iterator[bytes]:
        taken.append(b"new")
        yield b"new"

    uri = f"{place.uri}/k"
    async with place.storage() as storage:
        first = await storage.write(uri, b"first", config=place.config, existing="fail")
        for data in (b"new", chunks()):
            with pytest.raises(ObjectExists, match="/?k' exists already; nothing was written"):
                await storage.write(uri, data, config=place.config, existing="fail")
            kept = await storage.write(uri, data, config=place.config, existing="skip", on_event=events.append)
            assert (kept.key, kept.version, kept.size) == (first.key, first.version, 5)
        await storage.write(f"{place.uri}/l", chunks(), config=place.config, existing="skip")
    assert place.content() == {"k": b"first", "l": b"new"}
    assert taken == [b"new"]
    assert [event.kind for event in events] == ["kept", "kept"]


@pytest.mark.parametrize("size", [10, 6 * MiB], ids=["whole", "in parts"])
async def test_what_appears_meanwhile_is_not_replaced(place: Place, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service decides: it is asked to store the object only if there is none."""
    looked: list[str] = []

    async def not_yet(backend: Backend, key: str, instance: Instance) -> ObjectInfo | None:
        looked.append(key)
        return None if len(looked) in {1, 2} else await find_object(backend, key, instance)

    monkeypatch.setattr(writing, "find_object", not_yet)
    uri, ignored = f"{place.uri}/k", place.uri.startswith("gs:") and size > 5 * MiB  # by the emulator, for compose
    async with place.storage() as storage:
        await storage.write(uri, b"of another", config=place.config)
        with nullcontext() if ignored else pytest.raises(ObjectExists, match="exists already"):
            await storage.write(uri, pieces(pattern(size), MiB), config=place.config, existing="fail")
        if ignored:
            return
        kept = await storage.write(uri, pattern(size), config=place.config, existing="skip")
    assert kept.size == len(b"of another")
    assert place.content() == {"k": b"of another"}


@pytest.mark.parametrize(
    "data",
    [
        bytearray(b"abcdefgh"), memoryview(b"abcdefgh"), (b"a", b"bcdefgh"),
        [bytearray(b"abcd"), memoryview(b"efgh")], np.frombuffer(b"abcdefgh", np.uint16),
        np.frombuffer(b"abcdefgh", np.uint8).reshape(2, 4),
    ],
    ids=lambda data: type(data).__name__,
)  # fmt: skip
async def test_forms_of_content(tmp_path: Path, data: Any) -> None:
    await AsyncStorage().write(f"{tmp_path}/k", data)
    assert (tmp_path / "k").read_bytes().replace(b"\n", b"") == b"abcdefgh"


async def test_a_file_object(tmp_path: Path) -> None:
    await AsyncStorage().write(f"{tmp_path}/k", io.BytesIO(b"abc\ndefgh"))
    assert (tmp_path / "k").read_bytes() == b"abc\ndefgh"


async def test_an_mmap(tmp_path: Path) -> None:
    with mmap.mmap(-1, 4096) as memory:
        memory[:4] = b"GGUF"
        await AsyncStorage().write(f"{tmp_path}/k", memory)
    assert (tmp_path / "k").read_bytes() == b"GGUF" + bytes(4092)


async def test_a_buffer_that_is_filled_again(place: Place) -> None:
    """Each chunk is copied before the next one is taken."""

    def chunks() -> Iterator[bytearray]:
        buffer = bytearray(MiB)
        for number in range(12):
            buffer[:] = bytes([number]) * MiB
            yield buffer

    expected = b"".join(bytes([number]) * MiB for number in range(12))
    for data in (chunks(), asynchronously(chunks())):
        await place.storage().write(f"{place.uri}/k", data, config=place.config)
        assert place.content() == {"k": expected}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("text", "the content is a str"),
        (3, "the content of an object cannot be 'int'"),
        (None, "cannot be 'NoneType'"),
        ([b"a", "b"], "a chunk of the content is 'str'"),
        ([1, 2], "a chunk of the content is 'int'"),
        (np.zeros((4, 4))[:, ::2], "not contiguous"),
    ],
    ids=["str", "int", "None", "chunk of str", "chunk of int", "strided"],
)
async def test_what_is_no_content(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        await AsyncStorage().write(f"{tmp_path}/k", data)
    assert all_in(tmp_path) == set()


async def test_a_failing_stream_leaves_nothing(place: Place) -> None:
    await place.storage().write(f"{place.uri}/k", b"old", config=place.config)

    async def broken(size: int) -> AsyncGenerator[bytes]:
        yield LARGE[:size]
        raise ValueError("the source has failed")

    for size in (1, len(LARGE)):
        with pytest.raises(ValueError, match="the source has failed"):
            await place.storage().write(f"{place.uri}/k", broken(size), config=place.config)
        with pytest.raises(ValueError, match="the source has failed"):
            await place.storage().write(f"{place.uri}/new", _broken(size), config=place.config)
    content = {key: data for key, data in place.content().items() if not key.startswith(".sealift/")}
    assert content == {"k": b"old"}


def _broken(size: int) -> Iterator[bytes]:
    yield LARGE[:size]
    raise ValueError("the source has failed")


async def test_a_cancelled_upload_is_aborted(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket, sent = make_bucket(seaweedfs), asyncio.Event()

    async def endless() -> AsyncGenerator[bytes]:
        yield LARGE
        sent.set()
        await asyncio.Event().wait()

    storage = AsyncStorage(Limits(part_size=5 * MiB))
    call = asyncio.ensure_future(storage.write(f"s3://{bucket}/k", endless(), config=config_of(seaweedfs)))
    await sent.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert unfinished_uploads(seaweedfs, bucket) == []
    assert get_objects(seaweedfs, bucket) == {}


async def test_no_more_is_taken_than_fits_into_memory() -> None:
    """What was taken and is not stored yet fits into the memory budget, one more part, and one more chunk."""

    async def chunks() -> AsyncGenerator[bytes]:
        for taken in range(64):
            stored = sum(len(part) for parts in server.uploads.values() for part in parts.values())
            assert taken * MiB - stored <= 16 * MiB + 5 * MiB + MiB
            yield bytes(MiB)

    with WritableS3() as server:
        limits = Limits(memory=16 * MiB, part_size=5 * MiB)
        stored = await AsyncStorage(limits).write("s3://b/k", chunks(), config=server.config)
    assert stored.size == 64 * MiB


async def test_a_stream_that_reads_with_the_same_memory(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    """Reading and writing share one budget, which is smaller than the object."""
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    async with AsyncStorage(Limits(memory=6 * MiB, part_size=5 * MiB)) as storage:
        await storage.write(f"s3://{bucket}/k", LARGE, config=config)
        await storage.write(f"s3://{bucket}/copy", storage.stream(f"s3://{bucket}/k", config=config), config=config)
    assert get_objects(seaweedfs, bucket)["copy"] == LARGE


async def test_failed_parts_are_sent_again() -> None:
    def is_part(asked: Asked) -> bool:
        return asked.method == "PUT" and asked.query.get("partNumber") == "2"

    for data in (LARGE, list(pieces(LARGE, MiB))):
        with WritableS3(instead=once(is_part, lambda asked: failure(503, "SlowDown"))) as server:
            limits = Limits(part_size=5 * MiB, backoff_initial=0.01)
            await AsyncStorage(limits).write("s3://b/k", data, config=server.config)
            assert server.objects["b"]["k"] == LARGE


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_upload_that_cannot_be_completed_is_aborted(streamed: bool) -> None:
    data = list(pieces(LARGE, MiB)) if streamed else LARGE
    with WritableS3(instead=always(is_complete, lambda asked: failure(400, "InvalidPart"))) as server:
        with pytest.raises(ServiceError, match="InvalidPart"):
            await AsyncStorage(Limits(part_size=5 * MiB)).write("s3://b/k", data, config=server.config)
        assert server.uploads == {}
        assert server.objects["b"] == {}


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/", "s3://bucket/models/", "/tmp/models/"])
async def test_a_prefix_is_refused(uri: str) -> None:
    with pytest.raises(InvalidURI, match=r"not an object \(add the name of the object\)"):
        await AsyncStorage().write(uri, b"x", config=S3Config("A", "secret", endpoint_url="http://127.0.0.1:1"))


async def test_a_missing_bucket() -> None:
    with WritableS3() as server, pytest.raises(ModelMissingError, match="write s3://missing/k: there is no bucket"):
        await AsyncStorage().write("s3://missing/k", b"x", config=server.config)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/k", "hf://owner/name/k"])
async def test_where_nothing_can_be_written(uri: str) -> None:
    with pytest.raises(UnsupportedOperation, match="can only be read"):
        await AsyncStorage().write(uri, b"x")


async def test_write_options(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(seaweedfs)
    options = WriteOptions(content_type="application/json", metadata={"owner": "me"})
    for data in (b"{}", LARGE, pieces(LARGE, MiB)):
        await AsyncStorage(Limits(part_size=5 * MiB)).write(
            f"s3://{bucket}/k", data, config=config_of(seaweedfs), write_options=options
        )
        head = client(seaweedfs).head_object(Bucket=bucket, Key="k")
        assert (head["ContentType"], head["Metadata"]) == ("application/json", {"owner": "me"})


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("size", [5, len(LARGE)])
async def test_verification(seaweedfs: S3Service, make_bucket: MakeBucket, size: int, streamed: bool) -> None:
    bucket, events = make_bucket(seaweedfs), list[Event]()
    data = list(pieces(LARGE[:size], MiB)) if streamed else LARGE[:size]
    storage = AsyncStorage(Limits(part_size=5 * MiB))
    uri, config = f"s3://{bucket}/k", config_of(seaweedfs)
    stored = await storage.write(uri, data, config=config, verify="require", on_event=events.append)
    assert set(stored.checksums) == {"crc64nvme"}
    assert (events[-1].kind, events[-1].verified, events[-1].size) == ("object", "crc64nvme", size)
    assert sum(event.size for event in events if event.kind == "progress") == size


async def test_a_checksum_that_nobody_compares(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError):
        await AsyncStorage().write(f"{tmp_path}/k", b"x", verify="require")
    assert all_in(tmp_path) == set()


class TestLocalFiles:
    async def test_a_link_is_followed_and_permissions_are_kept(self, tmp_path: Path) -> None:
        (tmp_path / "real").write_bytes(b"old")
        (tmp_path / "real").chmod(0o640)
        (tmp_path / "link").symlink_to("real")
        stored = await AsyncStorage().write(tmp_path.as_uri() + "/link", b"new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real").read_bytes() == b"new"
        assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640
        assert stored.key == f"{tmp_path}/link".lstrip("/")

    async def test_nothing_else_is_left(self, tmp_path: Path) -> None:
        for data in (b"x", LARGE, pieces(LARGE, MiB)):
            await AsyncStorage().write(f"{tmp_path}/a/k", data, durability="fsync")
            assert all_in(tmp_path) == {"a", "a/k"}

    async def test_pipes_and_directories_are_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "dir").mkdir()
        for name in ("pipe", "dir"):
            with pytest.raises(LocalIOError):
                await AsyncStorage().write(f"{tmp_path}/{name}", b"x")
        with pytest.raises(InvalidConfig, match="keeps temporary files"):
            await AsyncStorage().write(f"{tmp_path}/.sealift", b"x")

    def test_without_a_loop(self, tmp_path: Path) -> None:
        assert Storage.write(f"{tmp_path}/k", (bytes([each]) for each in range(5))).size == 5
        assert (tmp_path / "k").read_bytes() == bytes(range(5))

    def test_a_generator_may_use_the_storage(self, tmp_path: Path) -> None:
        (tmp_path / "source").write_bytes(LARGE[: 300 * KiB])

        def chunks() -> Iterator[bytes]:
            for start in range(0, 300 * KiB, 100 * KiB):
                yield Storage.read(f"{tmp_path}/source", start, 100 * KiB)

        Storage.write(f"{tmp_path}/k", chunks())
        assert (tmp_path / "k").read_bytes() == LARGE[: 300 * KiB]
