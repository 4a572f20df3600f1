"""Times and permission bits of files: a download has the time of its object, a local copy those of the file."""

import os
from pathlib import Path

import pytest

from sealift import AsyncStorage, Limits
from sealift.types import KiB
from tests.api.servers import FakeS3, pattern

pytestmark = pytest.mark.anyio

PART = 256 * KiB
# The time of all objects of the fake.
MODIFIED = 1598955630
LIMITS = Limits(part_size=PART, attempts=1)


@pytest.mark.parametrize("existed", [True, False])
async def test_of_a_prefix(tmp_path: Path, existed: bool) -> None:
    if existed:
        (tmp_path / "to").mkdir()
    objects = {"p/small": b"x", "p/large": pattern(3 * PART), "p/empty": b""}
    with FakeS3({"b": objects}) as server:
        await AsyncStorage(LIMITS).download("s3://b/p/", tmp_path / "to", config=server.config)
    assert {path.name: path.stat().st_mtime for path in (tmp_path / "to").iterdir()} == {
        "small": MODIFIED,
        "large": MODIFIED,
        "empty": MODIFIED,
    }


@pytest.mark.parametrize("size", [0, 1, 3 * PART])
async def test_of_one_object(tmp_path: Path, size: int) -> None:
    with FakeS3({"b": {"m": pattern(size)}}) as server:
        await AsyncStorage(LIMITS).download("s3://b/m", tmp_path / "m", config=server.config)
    assert (tmp_path / "m").stat().st_mtime == MODIFIED


async def test_of_a_sync(tmp_path: Path) -> None:
    with FakeS3({"b": {"p/m": b"x"}}) as server:
        await AsyncStorage(LIMITS).sync("s3://b/p/", str(tmp_path), config=server.config)
    assert (tmp_path / "m").stat().st_mtime == MODIFIED


@pytest.mark.parametrize("size", [0, 1, 3 * PART])
@pytest.mark.parametrize("mode", [0o640, 0o755, 0o600])
async def test_a_local_copy_keeps_times_and_permission_bits(tmp_path: Path, size: int, mode: int) -> None:
    source = tmp_path / "source" / "deep" / "tool"
    source.parent.mkdir(parents=True)
    source.write_bytes(pattern(size))
    os.utime(source, ns=(1_500_000_000_123_456_789, 1_500_000_001_123_456_789))
    source.chmod(mode)
    await AsyncStorage(LIMITS).copy(str(source), str(tmp_path / "file"))
    await AsyncStorage(LIMITS).copy(str(tmp_path / "source"), str(tmp_path / "tree"))
    for copy in (tmp_path / "file", tmp_path / "tree" / "deep" / "tool"):
        status = copy.stat()
        assert (status.st_mode & 0o7777, status.st_mtime_ns) == (mode, 1_500_000_001_123_456_789)


async def test_set_user_id_bits_are_not_copied(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(b"x")
    (tmp_path / "tool").chmod(0o4755)
    await AsyncStorage().copy(str(tmp_path / "tool"), str(tmp_path / "copy"))
    assert (tmp_path / "copy").stat().st_mode & 0o7777 == 0o755


async def test_a_replaced_file_keeps_its_permission_bits(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(b"x")
    (tmp_path / "tool").chmod(0o755)
    (tmp_path / "copy").write_bytes(b"old")
    (tmp_path / "copy").chmod(0o600)
    await AsyncStorage().copy(str(tmp_path / "tool"), str(tmp_path / "copy"))
    assert (tmp_path / "copy").stat().st_mode & 0o7777 == 0o600
