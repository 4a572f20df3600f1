"""Downloads of one object to one file."""

import asyncio
import gzip
import os
import tempfile
import threading
from pathlib import Path, PurePath

import pytest

from sealift import AsyncStorage, Event, Limits, LocalIOError, ModelMissingError, S3Config
from sealift.errors import InvalidConfig
from sealift.types import MiB
from tests.api.helpers import all_in, config_of, files_in
from tests.api.servers import FakeS3, pattern
from tests.services.s3 import MakeBucket, S3Service, client, new_bucket, put_objects

pytestmark = pytest.mark.anyio


SERVICES = ["seaweedfs", "moto", "rclone_s3"]
OBJECTS = {
    "models/foo/model.bin": b"the model",
    "models/foo/empty": b"",
    "models/foo-2/model.bin": b"another model",
    "models/both": b"the object",
    "models/both-2/part": b"beside it",
    "top": b"at the top",
}


@pytest.fixture(scope="module")
def service(request: pytest.FixtureRequest) -> S3Service:
    """SeaweedFS, unless a test is parametrized with other services."""
    chosen: S3Service = request.getfixturevalue(getattr(request, "param", "seaweedfs"))
    return chosen


@pytest.fixture(scope="module")
def bucket(service: S3Service) -> str:
    """A bucket that tests only read."""
    name = new_bucket(service, "objects")
    put_objects(service, name, OBJECTS)
    return name


@pytest.fixture
def config(service: S3Service) -> S3Config:
    return config_of(service)


@pytest.mark.parametrize("service", SERVICES, indirect=True)
async def test_to_a_file(bucket: str, config: S3Config, tmp_path: Path) -> None:
    dest = tmp_path / "iris.bin"
    assert await AsyncStorage().download(f"s3://{bucket}/models/foo/model.bin", str(dest), config=config) == str(dest)
    assert files_in(tmp_path) == {"iris.bin": b"the model"}
    assert all_in(tmp_path) == {"iris.bin"}


async def test_into_a_directory_that_does_not_exist(bucket: str, config: S3Config, tmp_path: Path) -> None:
    dest = f"{tmp_path}/new/deeper/"
    path = await AsyncStorage().download(f"s3://{bucket}/models/foo/model.bin", dest, config=config)
    assert path == f"{tmp_path}/new/deeper/model.bin"
    assert all_in(tmp_path) == {"new", "new/deeper", "new/deeper/model.bin"}
    assert Path(path).read_bytes() == b"the model"


@pytest.mark.parametrize("slash", ["", "/"])
async def test_into_a_directory_that_exists(bucket: str, config: S3Config, tmp_path: Path, slash: str) -> None:
    path = await AsyncStorage().download(f"s3://{bucket}/top", f"{tmp_path}{slash}", config=config)
    assert path == f"{tmp_path}/top"
    assert files_in(tmp_path) == {"top": b"at the top"}


async def test_parents_of_the_file_are_made(bucket: str, config: S3Config, tmp_path: Path) -> None:
    dest = tmp_path / "a" / "b" / "c.bin"
    await AsyncStorage().download(f"s3://{bucket}/top", dest, config=config)
    assert all_in(tmp_path) == {"a", "a/b", "a/b/c.bin"}


async def test_a_path_relative_to_the_current_directory(
    bucket: str, config: S3Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert await AsyncStorage().download(f"s3://{bucket}/top", "here.bin", config=config) == "here.bin"
    assert await AsyncStorage().download(f"s3://{bucket}/top", ".", config=config) == "./top"
    assert files_in(tmp_path) == {"here.bin": b"at the top", "top": b"at the top"}


async def test_any_path_like_object_is_a_destination(bucket: str, config: S3Config, tmp_path: Path) -> None:
    class Somewhere:
        def __fspath__(self) -> str:
            return f"{tmp_path}/somewhere"

    for dest in (Somewhere(), PurePath(tmp_path, "pure")):
        path = await AsyncStorage().download(f"s3://{bucket}/top", dest, config=config)
        assert path == os.fspath(dest)
        assert Path(path).read_bytes() == b"at the top"


async def test_without_a_cache_no_destination_is_a_new_temporary_directory(
    bucket: str, config: S3Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first = Path(await AsyncStorage().download(f"s3://{bucket}/models/foo/model.bin", config=config, cache=False))
    second = Path(await AsyncStorage().download(f"s3://{bucket}/models/foo/model.bin", config=config, cache=False))
    assert first != second
    assert first.name == second.name == "model.bin"
    assert first.parent.parent == second.parent.parent == tmp_path
    assert first.read_bytes() == second.read_bytes() == b"the model"
    assert len(files_in(tmp_path)) == 2


async def test_a_failure_leaves_no_temporary_directory(
    bucket: str, config: S3Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ModelMissingError):
        await AsyncStorage().download(f"s3://{bucket}/models/nothing", config=config, cache=False)
    assert all_in(tmp_path) == set()


@pytest.mark.parametrize("service", SERVICES, indirect=True)
async def test_an_empty_object_is_a_file(bucket: str, config: S3Config, tmp_path: Path) -> None:
    events: list[Event] = []
    await AsyncStorage().download(
        f"s3://{bucket}/models/foo/empty", tmp_path / "empty", config=config, on_event=events.append
    )
    assert files_in(tmp_path) == {"empty": b""}
    assert [(event.kind, event.size) for event in events] == [("listed", 0), ("object", 0)]


@pytest.mark.parametrize("service", SERVICES, indirect=True)
async def test_an_object_is_no_prefix_of_longer_names(bucket: str, config: S3Config, tmp_path: Path) -> None:
    path = await AsyncStorage().download(f"s3://{bucket}/models/both", tmp_path / "both", config=config)
    assert Path(path).read_bytes() == b"the object"


async def test_an_object_wins_over_a_prefix_of_the_same_name(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    bucket, storage, config = make_bucket(seaweedfs), AsyncStorage(), config_of(seaweedfs)
    put_objects(seaweedfs, bucket, {"both": b"the object", "both/part": b"below it"})
    await storage.download(f"s3://{bucket}/both", tmp_path / "object", config=config)
    await storage.download(f"s3://{bucket}/both/", tmp_path / "prefix", config=config)
    assert files_in(tmp_path) == {"object": b"the object", "prefix/part": b"below it"}


@pytest.mark.parametrize("service", SERVICES, indirect=True)
@pytest.mark.parametrize("key", ["models/fo", "models/foo/model", "models/foo/model.bin/", "model", "none/"])
async def test_a_part_of_a_name_is_missing(bucket: str, config: S3Config, tmp_path: Path, key: str) -> None:
    with pytest.raises(ModelMissingError) as caught:
        await AsyncStorage().download(f"s3://{bucket}/{key}", tmp_path / "dest", config=config)
    assert f"s3://{bucket}/{key}" in str(caught.value)
    assert all_in(tmp_path) == set()


async def test_an_old_file_is_replaced(bucket: str, config: S3Config, tmp_path: Path) -> None:
    dest = tmp_path / "file"
    dest.write_bytes(b"what was there before, and longer than the new content")
    await AsyncStorage().download(f"s3://{bucket}/top", dest, config=config)
    assert files_in(tmp_path) == {"file": b"at the top"}


async def test_an_old_file_is_untouched_on_failure(bucket: str, config: S3Config, tmp_path: Path) -> None:
    dest = tmp_path / "file"
    dest.write_bytes(b"precious")
    before = dest.stat()
    with pytest.raises(ModelMissingError):
        await AsyncStorage().download(f"s3://{bucket}/nothing", dest, config=config)
    assert all_in(tmp_path) == {"file"}
    after = dest.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)


@pytest.mark.parametrize("dest", ["file/", "file/below", "file/below/deeper/"])
async def test_a_file_where_a_directory_should_be(bucket: str, config: S3Config, tmp_path: Path, dest: str) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    with pytest.raises(LocalIOError, match=str(tmp_path / "file")):
        await AsyncStorage().download(f"s3://{bucket}/top", f"{tmp_path}/{dest}", config=config)
    assert files_in(tmp_path) == {"file": b"precious"}


async def test_a_directory_where_the_file_should_be(bucket: str, config: S3Config, tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    with pytest.raises(LocalIOError, match=str(tmp_path / "top")):
        await AsyncStorage().download(f"s3://{bucket}/top", tmp_path, config=config)
    assert all_in(tmp_path) == {"top"}


@pytest.mark.parametrize("dest", ["", "a\0b"])
async def test_a_destination_that_is_no_path(bucket: str, config: S3Config, dest: str) -> None:
    with pytest.raises(InvalidConfig, match="destination"):
        await AsyncStorage().download(f"s3://{bucket}/top", dest, config=config)


async def test_patterns_apply_to_the_name(bucket: str, config: S3Config, tmp_path: Path) -> None:
    storage, uri = AsyncStorage(), f"s3://{bucket}/models/foo/model.bin"
    await storage.download(uri, tmp_path / "yes", config=config, allow_patterns="*.bin", ignore_patterns=["*.txt"])
    for patterns in ({"allow_patterns": "*.txt"}, {"ignore_patterns": ["*.bin"]}):
        with pytest.raises(ModelMissingError, match=r"patterns exclude 'model.bin'"):
            await storage.download(uri, tmp_path / "no", config=config, **patterns)
    assert files_in(tmp_path) == {"yes": b"the model"}


@pytest.mark.parametrize("whole", [False, True])
async def test_many_parts_arrive_verified(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path, whole: bool
) -> None:
    """An object of just over 20 MiB, stored in parts of 5 MiB, is read in parts of another size or in one piece."""
    bucket, data = make_bucket(seaweedfs), pattern(20 * MiB + 12_345)
    put_objects(seaweedfs, bucket, {"weights": data}, part_size=5 * MiB, checksum="CRC64NVME")
    events: list[Event] = []
    limits = Limits(part_size=64 * MiB if whole else 3 * MiB + 1, memory=64 * MiB if whole else 8 * MiB)
    dest = tmp_path / "weights"
    await AsyncStorage(limits).download(
        f"s3://{bucket}/weights", dest, config=config_of(seaweedfs), on_event=events.append
    )
    assert dest.read_bytes() == data
    assert all_in(tmp_path) == {"weights"}
    progress = [event.size for event in events if event.kind == "progress"]
    assert sum(progress) == len(data)
    assert len(progress) >= (1 if whole else 7)
    assert events[-1] == Event("object", "weights", len(data), "crc64nvme", target="weights")


@pytest.mark.parametrize("service", SERVICES, indirect=True)
async def test_many_parts_without_a_checksum(
    service: S3Service, make_bucket: MakeBucket, config: S3Config, tmp_path: Path
) -> None:
    bucket, data = make_bucket(service), pattern(12 * MiB)
    put_objects(service, bucket, {"weights": data}, part_size=5 * MiB)
    events: list[Event] = []
    storage = AsyncStorage(Limits(part_size=MiB))
    await storage.download(f"s3://{bucket}/weights", tmp_path / "weights", config=config, on_event=events.append)
    assert (tmp_path / "weights").read_bytes() == data
    # rclone does not keep the parts, and its ETag is the MD5 of the whole object.
    verified = "md5" if service.directory is not None else "size-only"
    assert events[-1] == Event("object", "weights", len(data), verified, target="weights")


@pytest.mark.parametrize("service", ["seaweedfs", "moto"], indirect=True)
async def test_an_object_that_is_stored_encoded_arrives_as_stored(
    service: S3Service, make_bucket: MakeBucket, config: S3Config, tmp_path: Path
) -> None:
    """Each reply carries the object's Content-Encoding, which does not describe the encoding of the reply."""
    bucket, stored = make_bucket(service), gzip.compress(pattern(MiB), mtime=0)
    client(service).put_object(Bucket=bucket, Key="m.json", Body=stored, ContentEncoding="gzip")
    uri = f"s3://{bucket}/m.json"
    for limits in (Limits(), Limits(part_size=1000)):
        await AsyncStorage(limits).download(uri, tmp_path / "m.json", config=config)
        assert (tmp_path / "m.json").read_bytes() == stored
    assert await AsyncStorage().read(uri, config=config) == stored
    assert b"".join([bytes(piece) async for piece in AsyncStorage().stream(uri, config=config)]) == stored


async def test_cancelled_while_its_temporary_directory_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    make = tempfile.mkdtemp

    def slow(*args: str, **options: str) -> str:
        begun.set()
        assert go_on.wait(30)
        return make(*args, dir=str(tmp_path), **options)

    monkeypatch.setattr(tempfile, "mkdtemp", slow)
    with FakeS3({"b": {"m": b"x"}}) as server:
        call = asyncio.ensure_future(AsyncStorage().download("s3://b/m", config=server.config, cache=False))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        call.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert all_in(tmp_path) == set()
