"""Upload files and directories to objects."""

import base64
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sealift import AsyncStorage, Event, Limits, Storage
from sealift.config.s3 import UploadChecksum
from sealift.errors import InvalidConfig, ModelMissingError, UnsafeKey
from sealift.integrity import checksums
from sealift.types import MiB
from tests.api.helpers import config_of
from tests.api.servers import pattern
from tests.services.s3 import (
    CONTROL_KEYS,
    ODD_KEYS,
    PATHLIKE_KEYS,
    MakeBucket,
    S3Service,
    get_object,
    get_objects,
    put_objects,
    stored_checksums,
    unfinished_uploads,
)

pytestmark = pytest.mark.anyio

PART = 5 * MiB
LARGE = pattern(3 * PART + 12_345)
TREE = {
    "config.json": b"{}",
    "weights/0.bin": LARGE[: PART + 1],
    "weights/1.bin": b"one",
    "empty": b"",
    ".hidden": b"h",
}


@pytest.fixture(params=["seaweedfs", "moto", "rclone_s3"])
def service(request: pytest.FixtureRequest) -> S3Service:
    chosen: S3Service = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, data in TREE.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "tree" / "no-files").mkdir()
    return tmp_path / "tree"


def encoded(algorithm: str, data: bytes) -> str:
    return base64.b64encode(bytes.fromhex(checksums.digest(algorithm, data))).decode()


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, len(LARGE)])
async def test_a_file(service: S3Service, make_bucket: MakeBucket, tmp_path: Path, size: int) -> None:
    bucket = make_bucket(service)
    (tmp_path / "model.bin").write_bytes(LARGE[:size])
    events: list[Event] = []
    storage = AsyncStorage(Limits(part_size=PART))
    uri = f"s3://{bucket}/models/iris.bin"
    assert await storage.upload(tmp_path / "model.bin", uri, config=config_of(service), on_event=events.append) is True
    assert get_objects(service, bucket) == {"models/iris.bin": LARGE[:size]}
    assert sum(event.size for event in events if event.kind == "progress") == size
    assert [events[0].kind, events[-1].kind] == ["listed", "object"]
    assert {event.target for event in events} == {"models/iris.bin"}
    # The others accept a checksum but do not return it: rclone ignores it, and moto stores wrong ones too.
    assert events[-1].verified == ("crc64nvme" if service.name == "seaweedfs" else "size-only")


async def test_a_file_replaces_an_object(service: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(service)
    put_objects(service, bucket, {"k": b"old"})
    (tmp_path / "k").write_bytes(b"new")
    await AsyncStorage().upload(str(tmp_path / "k"), f"s3://{bucket}/k", config=config_of(service))
    assert get_objects(service, bucket) == {"k": b"new"}


@pytest.mark.parametrize(("ending", "key"), [("", "model.bin"), ("/", "model.bin"), ("/models/", "models/model.bin")])
async def test_a_file_below_a_prefix(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path, ending: str, key: str
) -> None:
    bucket = make_bucket(seaweedfs)
    (tmp_path / "model.bin").write_bytes(b"bytes")
    await AsyncStorage().upload(tmp_path / "model.bin", f"s3://{bucket}{ending}", config=config_of(seaweedfs))
    assert get_objects(seaweedfs, bucket) == {key: b"bytes"}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("ending", "prefix"), [("", ""), ("/", ""), ("/models/foo", "models/foo/"), ("/m/", "m/")])
async def test_a_directory(
    seaweedfs: S3Service, make_bucket: MakeBucket, tree: Path, slash: str, ending: str, prefix: str
) -> None:
    bucket = make_bucket(seaweedfs)
    storage = AsyncStorage(Limits(part_size=PART))
    assert await storage.upload(f"{tree}{slash}", f"s3://{bucket}{ending}", config=config_of(seaweedfs)) is True
    assert get_objects(seaweedfs, bucket) == {f"{prefix}{name}": data for name, data in TREE.items()}
    assert unfinished_uploads(seaweedfs, bucket) == []


async def test_a_directory_to_other_services(
    moto: S3Service, rclone_s3: S3Service, make_bucket: MakeBucket, tree: Path
) -> None:
    for service in (moto, rclone_s3):
        bucket = make_bucket(service)
        await AsyncStorage(Limits(part_size=PART)).upload(tree, f"s3://{bucket}/m", config=config_of(service))
        assert get_objects(service, bucket) == {f"m/{name}": data for name, data in TREE.items()}


async def test_many_small_files(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    files = {f"{number % 7}/{number}": pattern(number) for number in range(300)}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    await AsyncStorage().upload(tmp_path, f"s3://{bucket}/many", config=config_of(seaweedfs))
    assert get_objects(seaweedfs, bucket) == {f"many/{name}": data for name, data in files.items()}


async def test_patterns(seaweedfs: S3Service, make_bucket: MakeBucket, tree: Path) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    storage, uri = AsyncStorage(), f"s3://{bucket}/p"
    await storage.upload(tree, uri, config=config, allow_patterns=["*.json", "weights/*"], ignore_patterns="*0.bin")
    assert set(get_objects(seaweedfs, bucket)) == {"p/config.json", "p/weights/1.bin"}
    with pytest.raises(ModelMissingError, match="the patterns exclude everything under"):
        await storage.upload(tree, uri, config=config, allow_patterns="*.onnx")
    with pytest.raises(ModelMissingError, match=r"the patterns exclude 'config\.json'"):
        await storage.upload(tree / "config.json", uri, config=config, ignore_patterns="config*")
    assert len(get_objects(seaweedfs, bucket)) == 2


async def test_links_are_followed(seaweedfs: S3Service, make_bucket: MakeBucket, tree: Path, tmp_path: Path) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    (tmp_path / "link").symlink_to(tree / "weights")
    (tmp_path / "file").symlink_to(tree / "config.json")
    await AsyncStorage().upload(tmp_path / "link", f"s3://{bucket}/w", config=config)
    await AsyncStorage().upload(tmp_path / "file", f"s3://{bucket}/f", config=config)
    expected = {f"w/{name.removeprefix('weights/')}": data for name, data in TREE.items() if "weights" in name}
    assert get_objects(seaweedfs, bucket) == {**expected, "f": b"{}"}


async def test_a_missing_source(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    (tmp_path / "no-files").mkdir()
    for name in ("missing", "no-files"):
        with pytest.raises(ModelMissingError) as caught:
            await AsyncStorage().upload(tmp_path / name, f"s3://{bucket}/k", config=config)
        assert str(caught.value).startswith(f"upload file://{tmp_path}/{name} to s3://{bucket}/k: ")
    assert get_objects(seaweedfs, bucket) == {}


async def test_a_source_that_is_not_local(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    put_objects(seaweedfs, bucket, {"k": b"bytes"})
    with pytest.raises(InvalidConfig, match="is not a local path"):
        await AsyncStorage().upload(f"s3://{bucket}/k", f"s3://{bucket}/other", config=config)
    assert get_objects(seaweedfs, bucket) == {"k": b"bytes"}


@pytest.fixture
def chosen(request: pytest.FixtureRequest) -> S3Service:
    """The service that a test names; started outside the event loop."""
    service: S3Service = request.getfixturevalue(request.param)
    return service


@pytest.mark.parametrize("chosen", ["seaweedfs", "moto"], indirect=True)
async def test_odd_keys(chosen: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    service = chosen
    bucket, config = make_bucket(service), config_of(service)
    more = (
        CONTROL_KEYS
        if service.name == "seaweedfs"
        else (*PATHLIKE_KEYS, *(key for key in CONTROL_KEYS if "\n" not in key))
    )
    keys = (*ODD_KEYS, *more)
    async with AsyncStorage() as storage:
        for key in keys:
            (tmp_path / "file").write_bytes(key.encode())
            await storage.upload(tmp_path / "file", f"s3://{bucket}/{key}", config=config)
    assert get_objects(service, bucket) == {key: key.encode() for key in keys}


async def test_odd_names_below_a_directory(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    names = (*ODD_KEYS, *CONTROL_KEYS)
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    await AsyncStorage().upload(tmp_path, f"s3://{bucket}/odd", config=config_of(seaweedfs))
    assert get_objects(seaweedfs, bucket) == {f"odd/{name}": name.encode() for name in names}


async def test_a_name_that_is_not_utf8(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    directory = tmp_path / "p"
    directory.mkdir()
    path = os.path.join(os.fsencode(directory), b"\xff-model.bin")
    with open(path, "wb") as file:
        file.write(b"bytes")
    for src in (directory, os.fsdecode(path)):
        with pytest.raises(UnsafeKey, match=r"'\\udcff-model\.bin' is not UTF-8 \(rename the file\)") as caught:
            await AsyncStorage().upload(src, f"s3://{bucket}/", config=config)
        assert str(caught.value).encode()  # printable
    assert get_objects(seaweedfs, bucket) == {}
    await AsyncStorage().upload(os.fsdecode(path), f"s3://{bucket}/named", config=config)
    assert get_objects(seaweedfs, bucket) == {"named": b"bytes"}


@pytest.mark.parametrize("size", [1000, len(LARGE)])
async def test_the_service_has_a_checksum_of_the_whole(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path, size: int
) -> None:
    bucket = make_bucket(seaweedfs)
    (tmp_path / "k").write_bytes(LARGE[:size])
    await AsyncStorage(Limits(part_size=PART)).upload(tmp_path / "k", f"s3://{bucket}/k", config=config_of(seaweedfs))
    told = stored_checksums(seaweedfs, bucket, "k")
    assert told.pop("type", "FULL_OBJECT") == "FULL_OBJECT"
    assert told == {"crc64nvme": encoded("crc64nvme", LARGE[:size])}


@pytest.mark.parametrize("size", [1000, len(LARGE)])
@pytest.mark.parametrize("algorithm", ["crc32c", "crc32", None])
async def test_another_checksum(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path, size: int, algorithm: UploadChecksum | None
) -> None:
    (tmp_path / "k").write_bytes(LARGE[:size])
    bucket = make_bucket(seaweedfs)
    config = replace(config_of(seaweedfs), checksum=algorithm)
    events: list[Event] = []
    storage = AsyncStorage(Limits(part_size=PART))
    await storage.upload(tmp_path / "k", f"s3://{bucket}/k", config=config, on_event=events.append)
    assert get_object(seaweedfs, bucket, "k") == LARGE[:size]
    assert events[-1].verified == (algorithm or "size-only")
    told = stored_checksums(seaweedfs, bucket, "k")
    assert told.pop("type", "FULL_OBJECT") == "FULL_OBJECT"
    assert told == ({algorithm: encoded(algorithm, LARGE[:size])} if algorithm else {})
    await storage.download(f"s3://{bucket}/k", tmp_path / "back", config=config)
    assert (tmp_path / "back").read_bytes() == LARGE[:size]


async def test_more_than_the_memory_moves_through_it(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    bucket = make_bucket(seaweedfs)
    (tmp_path / "k").write_bytes(LARGE)
    await AsyncStorage(Limits(memory=PART)).upload(tmp_path / "k", f"s3://{bucket}/k", config=config_of(seaweedfs))
    assert get_object(seaweedfs, bucket, "k") == LARGE


async def test_parts_that_the_service_does_not_take(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    bucket = make_bucket(seaweedfs)
    (tmp_path / "k").write_bytes(LARGE)
    with pytest.raises(InvalidConfig, match=rf"Limits\(part_size={PART}\)"):
        await AsyncStorage(Limits(part_size=MiB)).upload(
            tmp_path / "k", f"s3://{bucket}/k", config=config_of(seaweedfs)
        )
    with pytest.raises(InvalidConfig, match=rf"Limits\(memory={PART}\)"):
        await AsyncStorage(Limits(memory=MiB)).upload(tmp_path / "k", f"s3://{bucket}/k", config=config_of(seaweedfs))
    assert get_objects(seaweedfs, bucket) == {}
    assert unfinished_uploads(seaweedfs, bucket) == []


def test_the_same_without_a_loop(seaweedfs: S3Service, make_bucket: MakeBucket, tree: Path) -> None:
    bucket, config = make_bucket(seaweedfs), config_of(seaweedfs)
    assert Storage.upload(tree, f"s3://{bucket}/t", config=config, ignore_patterns="weights/*") is True
    assert Storage.upload_many(
        [(tree / "weights", f"s3://{bucket}/w"), (tree / "empty", f"s3://{bucket}/e/")], config=config
    )
    assert set(get_objects(seaweedfs, bucket)) == {
        "t/config.json", "t/empty", "t/.hidden", "w/0.bin", "w/1.bin", "e/empty",
    }  # fmt: skip
