"""Keys that need escaping or checks in a URL, in a signature, or as a file path."""

from pathlib import Path

import pytest

from sealift import AsyncStorage, S3Config, UnsafeKey
from tests.api.helpers import all_in, config_of, files_in
from tests.services.s3 import ODD_KEYS, PATHLIKE_KEYS, MakeBucket, S3Service, new_bucket, put_objects

pytestmark = pytest.mark.anyio

ODD = {f"k/{key}": key.encode() for key in ODD_KEYS} | {key: b"top " + key.encode() for key in ODD_KEYS}
PATHLIKE = {key: key.encode() for key in PATHLIKE_KEYS}


@pytest.fixture(scope="module", params=["seaweedfs", "moto", "rclone_s3"])
def service(request: pytest.FixtureRequest) -> S3Service:
    chosen: S3Service = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture(scope="module")
def odd_bucket(service: S3Service) -> str:
    name = new_bucket(service, "odd")
    put_objects(service, name, ODD)
    return name


@pytest.fixture(scope="module")
def pathlike_bucket(moto: S3Service) -> str:
    name = new_bucket(moto, "pathlike")
    put_objects(moto, name, PATHLIKE)
    return name


async def test_odd_keys_one_by_one(service: S3Service, odd_bucket: str, tmp_path: Path) -> None:
    config, found = config_of(service), {}
    async with AsyncStorage() as storage:
        for number, key in enumerate(ODD):
            path = await storage.download(f"s3://{odd_bucket}/{key}", tmp_path / str(number), config=config)
            found[key] = Path(path).read_bytes()
    assert found == ODD


async def test_odd_keys_under_a_prefix(service: S3Service, odd_bucket: str, tmp_path: Path) -> None:
    await AsyncStorage().download(f"s3://{odd_bucket}/k", tmp_path / "k", config=config_of(service))
    assert files_in(tmp_path) == {key: data for key, data in ODD.items() if key.startswith("k/")}


async def test_odd_keys_are_listed_as_they_download(service: S3Service, odd_bucket: str, tmp_path: Path) -> None:
    config = config_of(service)
    async with AsyncStorage() as storage:
        listed = await storage.list_objects(f"s3://{odd_bucket}/k", config=config)
        assert sorted(listed) == sorted(ODD_KEYS)
        for number, path in enumerate(listed):
            uri = f"s3://{odd_bucket}/k/{path}"
            assert (await storage.get_object_metadata(uri, config=config))["size"] == len(path.encode())
            assert await storage.list_objects(uri, config=config) == [path.rpartition("/")[2]]
            await storage.download(uri, tmp_path / str(number), config=config)
    assert set(files_in(tmp_path).values()) == {key.encode() for key in ODD_KEYS}


async def test_keys_that_are_no_paths_one_by_one(moto: S3Service, pathlike_bucket: str, tmp_path: Path) -> None:
    config, found = config_of(moto), {}
    async with AsyncStorage() as storage:
        listed = await storage.list_objects(f"s3://{pathlike_bucket}/", config=config)
        assert sorted(listed) == sorted(PATHLIKE)
        for number, key in enumerate(listed):
            path = await storage.download(f"s3://{pathlike_bucket}/{key}", tmp_path / str(number), config=config)
            found[key] = Path(path).read_bytes()
    assert found == PATHLIKE
    assert all_in(tmp_path) == {str(number) for number in range(len(PATHLIKE))}


async def test_empty_segments_collapse_under_a_prefix(moto: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(moto)
    put_objects(moto, bucket, {"p//x": b"1", "p/a//b///c": b"2", "p/d/e": b"3"})
    await AsyncStorage().download(f"s3://{bucket}/p", tmp_path / "dest", config=config_of(moto))
    assert files_in(tmp_path) == {"dest/x": b"1", "dest/a/b/c": b"2", "dest/d/e": b"3"}


UNSAFE = [
    "..", "../up", "../../up", "a/../../up", "a/..", "a/./b", ".", ".sealift/x", "a/.sealift", "back\\slash", "..\\up",
    "a\0b", "n" * 256, "full/",
]  # fmt: skip


@pytest.mark.parametrize("key", UNSAFE, ids=lambda key: repr(key)[:20])
async def test_unsafe_keys_are_refused(moto: S3Service, make_bucket: MakeBucket, tmp_path: Path, key: str) -> None:
    bucket, config = make_bucket(moto), config_of(moto)
    put_objects(moto, bucket, {f"p/{key}": b"evil"})
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "old").mkdir()
    async with AsyncStorage() as storage:
        for dest in ("new", "old"):
            with pytest.raises(UnsafeKey) as caught:
                await storage.download(f"s3://{bucket}/p/", tmp_path / "sub" / dest, config=config)
            assert repr(f"p/{key}") in str(caught.value)
            assert f"download s3://{bucket}/p/: " in str(caught.value)
    assert all_in(tmp_path) == {"sub", "sub/old"}


async def test_an_unsafe_key_among_good_ones(moto: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    """A new directory is not created; an existing one may have received the safe keys, but nothing else."""
    bucket, config = make_bucket(moto), config_of(moto)
    good = {f"p/{number}": b"good" for number in range(20)}
    put_objects(moto, bucket, {**good, "p/5/../../evil": b"evil"})
    (tmp_path / "old").mkdir()
    for dest in ("new", "old"):
        with pytest.raises(UnsafeKey, match=r"p/5/\.\./\.\./evil"):
            await AsyncStorage().download(f"s3://{bucket}/p/", tmp_path / dest, config=config)
    assert not (tmp_path / "new").exists()
    assert set(files_in(tmp_path)) <= {f"old/{number}" for number in range(20)}
    assert not (tmp_path / "old" / ".sealift").exists()


@pytest.mark.parametrize("keys", [("p/a//b", "p/a/b"), ("p/a", "p/a/b"), ("p/a/b", "p/a/b/c/d"), ("p//x", "p/x")])
async def test_keys_that_collide_are_refused(
    moto: S3Service, make_bucket: MakeBucket, tmp_path: Path, keys: tuple[str, str]
) -> None:
    bucket = make_bucket(moto)
    put_objects(moto, bucket, dict.fromkeys(keys, b"x"))
    with pytest.raises(UnsafeKey) as caught:
        await AsyncStorage().download(f"s3://{bucket}/p", tmp_path / "dest", config=config_of(moto))
    assert repr(keys[0]) in str(caught.value)
    assert repr(keys[1]) in str(caught.value)
    assert all_in(tmp_path) == set()


async def test_seaweedfs_has_colliding_keys_too(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"p/a": b"object", "p/a/b": b"below it"})
    with pytest.raises(UnsafeKey, match=r"'p/a' and 'p/a/b'|'p/a/b' and 'p/a'"):
        await AsyncStorage().download(f"s3://{bucket}/p", tmp_path / "dest", config=config_of(seaweedfs))
    assert all_in(tmp_path) == set()


@pytest.mark.parametrize("key", ["..", "x/..", "back\\slash"])
async def test_an_unsafe_name_is_refused_in_a_directory(
    moto: S3Service, pathlike_bucket: str, tmp_path: Path, key: str
) -> None:
    config: S3Config = config_of(moto)
    for dest in (str(tmp_path), f"{tmp_path}/new/"):
        with pytest.raises(UnsafeKey) as caught:
            await AsyncStorage().download(f"s3://{pathlike_bucket}/{key}", dest, config=config)
        assert repr(key.rpartition("/")[2]) in str(caught.value)
    assert all_in(tmp_path) == set()
