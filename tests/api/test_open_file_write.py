"""`open(uri, "wb")` in an event loop: an object appears when its file is closed, whole or not at all."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift import (
    AsyncStorage,
    AzureConfig,
    ClosedError,
    DeadlineExceeded,
    InvalidConfig,
    Limits,
    LocalIOError,
    ModelMissingError,
    StorageError,
    UnsupportedOperation,
)
from sealift.types import MiB
from tests.api.helpers import visible_in
from tests.api.servers import Asked, Reply, failure, pattern
from tests.api.stores import Store, directory, prefix
from tests.api.test_stream import tidy, until
from tests.api.writable import WritableS3
from tests.services.azurite import AzureService, new_container
from tests.services.gcs import GCSService
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.s3 import S3Service, new_bucket, unfinished_uploads

pytestmark = pytest.mark.anyio

PART = 5 * MiB
LARGE = pattern(3 * PART + 11)
LIMITS = Limits(part_size=PART, attempts=1)


@pytest.fixture(scope="module")
def bucket(seaweedfs: S3Service) -> str:
    return new_bucket(seaweedfs, "open-file-write")


@pytest.fixture(params=["local", "seaweedfs"])
def store(request: pytest.FixtureRequest, seaweedfs: S3Service, bucket: str, tmp_path: Path) -> Store:
    if request.param == "local":
        return directory(tmp_path / "root")
    return prefix(seaweedfs, bucket, uuid.uuid4().hex)


@pytest.fixture
def fake() -> Iterator[WritableS3]:
    with WritableS3() as server:
        yield server


async def test_objects_of_any_size(store: Store) -> None:
    sizes = [0, 1, PART - 1, PART, PART + 1, 2 * PART, len(LARGE)]
    async with tidy(LIMITS) as storage:
        for size in sizes:
            async with storage.open(f"{store.uri}/{size}", "wb", config=store.config) as file:
                assert (file.mode, file.closed) == ("wb", False)
                assert await file.write(LARGE[: size // 3]) == size // 3
                for start in range(size // 3, size, 2 * MiB):
                    await file.write(memoryview(LARGE)[start : min(start + 2 * MiB, size)])
                assert await file.tell() == size
            assert file.closed
    assert store.content() == {str(size): LARGE[:size] for size in sizes}


async def test_one_large_write(store: Store) -> None:
    async with tidy(LIMITS) as storage, storage.open(f"{store.uri}/m", "wb", config=store.config) as file:
        await file.write(LARGE)
    assert store.content() == {"m": LARGE}


@pytest.mark.parametrize("size", [10, len(LARGE)])
async def test_nothing_is_visible_before_it_is_closed(store: Store, size: int) -> None:
    store.put({"m": b"old"})
    async with tidy(LIMITS) as storage:
        async with storage.open(f"{store.uri}/m", "wb", config=store.config) as file:
            await file.write(LARGE[:size])
            assert {path: data for path, data in store.content().items() if ".sealift" not in path} == {"m": b"old"}
    assert store.content() == {"m": LARGE[:size]}


@pytest.mark.parametrize("size", [0, 10, len(LARGE)])
@pytest.mark.parametrize("how", ["error", "abort", "cancelled"])
async def test_nothing_is_visible_if_it_is_aborted(store: Store, bucket: str, size: int, how: str) -> None:
    store.put({"m": b"old"})
    async with tidy(LIMITS) as storage:
        kinds = {"error": LookupError, "cancelled": asyncio.CancelledError, "abort": ValueError}
        with pytest.raises(kinds[how]):
            async with storage.open(f"{store.uri}/m", "wb", config=store.config) as file:
                await file.write(LARGE[:size])
                if how == "abort":
                    await file.abort()
                    await file.write(b"x")
                raise kinds[how]
    assert store.content() == {"m": b"old"}


async def test_no_parts_stay_behind(seaweedfs: S3Service, bucket: str) -> None:
    store = prefix(seaweedfs, bucket, uuid.uuid4().hex)
    async with tidy(LIMITS) as storage:
        with pytest.raises(LookupError):
            async with storage.open(f"{store.uri}/m", "wb", config=store.config) as file:
                await file.write(LARGE)
                raise LookupError
    assert unfinished_uploads(seaweedfs, bucket) == []


async def test_nothing_stays_in_a_directory(tmp_path: Path) -> None:
    async with tidy(LIMITS) as storage:
        with pytest.raises(LookupError):
            async with storage.open(f"{tmp_path}/new/m", "wb") as file:
                await file.write(LARGE)
                raise LookupError
        assert visible_in(tmp_path) <= {"new"}
        async with storage.open(f"{tmp_path}/new/m", "wb") as file:
            await file.write(LARGE)
    assert visible_in(tmp_path) == {"new", "new/m"}
    assert not (tmp_path / "new" / ".sealift").exists()


async def test_a_part_that_cannot_be_stored(fake: WritableS3) -> None:
    fake._instead = lambda asked: failure(403, "AccessDenied") if asked.query.get("partNumber") == "2" else None
    async with tidy(LIMITS) as storage:
        with pytest.raises(StorageError, match="^write s3://b/m: "):
            async with storage.open("s3://b/m", "wb", config=fake.config) as file:
                while True:
                    await file.write(LARGE)
    assert fake.objects == {"b": {}}
    assert fake.uploads == {}


async def test_an_object_that_cannot_be_completed(fake: WritableS3) -> None:
    def instead(asked: Asked) -> Reply | None:
        return failure(403, "AccessDenied") if asked.method == "POST" and "uploadId" in asked.query else None

    fake._instead = instead
    async with tidy(LIMITS) as storage:
        file = await storage.open("s3://b/m", "wb", config=fake.config)
        await file.write(LARGE)
        with pytest.raises(StorageError, match="^write s3://b/m: "):
            await file.aclose()
        assert file.closed
        await file.aclose()
    assert fake.objects == {"b": {}}
    assert fake.uploads == {}


async def test_a_write_waits_for_parts_that_are_being_sent() -> None:
    """Memory stays bounded: at most four parts are sent at once."""
    parts: list[Asked] = []

    def instead(asked: Asked) -> Reply | None:
        if asked.method == "PUT":
            parts.append(asked)
        return None

    with WritableS3(instead=instead) as server:
        async with tidy(Limits(part_size=PART, memory=3 * PART)) as storage:
            async with storage.open("s3://b/m", "wb", config=server.config) as file:
                for number in range(12):
                    await file.write(LARGE[:PART])
                    assert storage._lifetime.instance is not None
                    assert storage._lifetime.instance.memory.lent <= 3 * PART
                    assert len(parts) >= number - 5
        assert server.objects["b"]["m"] == LARGE[:PART] * 12


async def test_a_write_that_is_interrupted_cannot_be_completed(fake: WritableS3) -> None:
    fake._instead = lambda asked: Reply(200, b"x" * 10, stall_at=1) if asked.method == "PUT" else None
    async with tidy(LIMITS) as storage:
        file = await storage.open("s3://b/m", "wb", config=fake.config)
        writing = asyncio.ensure_future(file.write(LARGE * 2))
        await until(fake.stalled.is_set)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        with pytest.raises(StorageError, match="interrupted"):
            await file.aclose()
    assert fake.objects == {"b": {}}


async def test_a_write_that_takes_too_long(fake: WritableS3) -> None:
    fake._instead = lambda asked: Reply(200, b"x" * 10, stall_at=1) if asked.method == "PUT" else None
    async with tidy(LIMITS) as storage:
        file = await storage.open("s3://b/m", "wb", config=fake.config, timeout=2)
        with pytest.raises(DeadlineExceeded, match="^write s3://b/m: not done after 2 s"):
            await file.write(LARGE * 2)
        with pytest.raises(ClosedError, match="interrupted"):
            await file.aclose()
    assert fake.objects == {"b": {}}


async def test_where_a_file_cannot_be_written(tmp_path: Path, fake: WritableS3) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    async with AsyncStorage() as storage:
        for uri, kind in (
            ("s3://b", InvalidConfig),
            ("s3://b/prefix/", InvalidConfig),
            (f"{tmp_path}/directory/", InvalidConfig),
            (f"{tmp_path}/directory", LocalIOError),
            (f"{tmp_path}/dangling", LocalIOError),
            (f"{tmp_path}/.sealift", InvalidConfig),
            ("https://127.0.0.1:1/m", UnsupportedOperation),
        ):
            with pytest.raises(kind, match="^write .*: "):
                await storage.open(uri, "wb", config=fake.config if uri.startswith("s3") else None)
    assert fake.asked == []


async def test_a_link_that_the_caller_names_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    async with tidy(LIMITS) as storage, storage.open(f"{tmp_path}/link", "wb") as file:
        await file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@pytest.fixture(params=["gs", "az"])
def elsewhere(request: pytest.FixtureRequest) -> tuple[str, AzureConfig | None, dict[str, str] | None]:
    """URI of an object in another service, its configuration and environment."""
    if request.param == "gs":
        gcs: GCSService = request.getfixturevalue("gcs")
        return f"gs://{new_gcs_bucket(gcs, 'open-file')}/m", None, {"STORAGE_EMULATOR_HOST": gcs.endpoint}
    azure: AzureService = request.getfixturevalue("azurite")
    config = AzureConfig("models", azure.keys["models"], endpoint_url=f"{azure.url}/models")
    return f"az://{new_container(azure)}/m", config, None


@pytest.mark.parametrize("size", [0, 10, len(LARGE)])
async def test_other_services(elsewhere: tuple[str, AzureConfig | None, dict[str, str] | None], size: int) -> None:
    uri, config, environ = elsewhere
    async with AsyncStorage(LIMITS, environ=environ) as storage:
        with pytest.raises(LookupError):
            async with storage.open(uri, "wb", config=config) as file:
                await file.write(LARGE[:size])
                raise LookupError
        with pytest.raises(ModelMissingError):
            await storage.open(uri, config=config)
        async with storage.open(uri, "wb", config=config) as file:
            await file.write(LARGE[:size])
        async with storage.open(uri, config=config) as file:
            assert await file.read(7) + await file.read() == LARGE[:size]
