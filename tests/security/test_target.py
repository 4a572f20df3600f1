"""Nothing is written or removed outside the target directory, and no key's file replaces another key's."""

import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sealift import AsyncStorage, LocalIOError, UnsafeKey
from sealift.backends.local import LocalBackend
from sealift.runtime.disk_threads import DiskThreads
from sealift.types import MiB
from tests.api.helpers import all_in, files_in
from tests.api.servers import FakeS3, pattern

pytestmark = pytest.mark.anyio

LARGE = pattern(9 * MiB)  # more than one part


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A directory outside the target, with a file. Checks at the end that it is unchanged."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "precious").write_bytes(b"precious")
    yield path
    assert files_in(path) == {"precious": b"precious"}
    assert all_in(path) == {"precious"}


async def download(objects: Mapping[str, bytes], dest: Path) -> None:
    with FakeS3({"b": {f"p/{key}": data for key, data in objects.items()}}) as server:
        await AsyncStorage().download("s3://b/p/", dest, config=server.config)


@pytest.mark.parametrize("data", [b"evil", LARGE, b""], ids=["small", "large", "empty"])
@pytest.mark.parametrize("key", ["link/new", "link/precious", "link/deep/er", "a/link/new"])
async def test_a_link_in_the_target_is_no_way_out(tmp_path: Path, outside: Path, key: str, data: bytes) -> None:
    dest = tmp_path / "dest"
    link = dest / key.partition("link")[0] / "link"
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    with pytest.raises(UnsafeKey) as caught:
        await download({key: data}, dest)
    assert f"the key {key!r} would leave {dest}: {link} is a link to {outside}" in str(caught.value)
    assert files_in(dest) == {}


async def test_a_chain_of_links_is_no_way_out(tmp_path: Path, outside: Path) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()
    (dest / "a").symlink_to("b")
    (dest / "b").symlink_to(os.path.relpath(outside, dest))
    with pytest.raises(UnsafeKey, match="would leave"):
        await download({"a/new": b"evil"}, dest)


@pytest.mark.parametrize("target", ["loop", "./loop/../loop"])
async def test_links_in_a_circle(tmp_path: Path, target: str) -> None:
    (tmp_path / "loop").symlink_to(target)
    with pytest.raises((LocalIOError, UnsafeKey)):
        await download({"loop/new": b"evil"}, tmp_path)


async def test_a_link_that_leads_nowhere_yet_is_no_way_out(tmp_path: Path, outside: Path) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()
    (dest / "link").symlink_to(outside / "new")
    with pytest.raises(UnsafeKey, match="would leave"):
        await download({"link/new": b"evil"}, dest)


async def test_a_marker_makes_no_directory_outside(tmp_path: Path, outside: Path) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()
    (dest / "link").symlink_to(outside)
    with pytest.raises(UnsafeKey, match="would leave"):
        await download({"link/new/": b"", "a": b"a"}, dest)


async def test_a_link_of_the_final_name_is_replaced(tmp_path: Path, outside: Path) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()
    (dest / "file").symlink_to(outside / "precious")
    (dest / "large").symlink_to(outside / "new")
    await download({"file": b"new", "large": LARGE}, dest)
    assert files_in(dest) == {"file": b"new", "large": LARGE}
    assert not any(path.is_symlink() for path in dest.iterdir())


async def test_links_within_the_target_and_to_it_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "dest").symlink_to("real")
    (tmp_path / "real" / "link").symlink_to(tmp_path / "real" / "inner")
    (tmp_path / "real" / "inner" / "up").symlink_to("..")
    await download({"link/a": b"a", "link/up/b": b"b", "new/c": LARGE}, tmp_path / "dest")
    assert files_in(tmp_path / "real") == {"inner/a": b"a", "b": b"b", "new/c": LARGE}


@pytest.mark.parametrize("first", [b"one", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("second", [b"two", LARGE + b"x"], ids=["small", "large"])
async def test_keys_that_a_link_makes_one_file_are_both_named(tmp_path: Path, first: bytes, second: bytes) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(UnsafeKey, match="land on the same file") as caught:
        await download({"link/a": first, "real/a": second}, tmp_path)
    assert "'link/a'" in str(caught.value)
    assert "'real/a'" in str(caught.value)
    assert (tmp_path / "real" / "a").read_bytes() in {first, second}


@pytest.mark.parametrize("staged", [True, False])
@pytest.mark.parametrize(("one", "other"), [("A", "a"), ("caf\u00e9", "cafe\u0301"), ("d/STRASSE", "d/stra\u00dfe")])
async def test_names_that_the_file_system_takes_for_one(tmp_path: Path, one: str, other: str, staged: bool) -> None:
    """A hard link simulates a file system where both names refer to one inode."""
    disk = DiskThreads()
    backend = LocalBackend(str(tmp_path), disk, staged=staged)
    try:
        await backend.put(one, memoryview(b"first"))
        upload = await backend.open_upload(other, len(LARGE))
        os.link(tmp_path / one, tmp_path / other)
        with pytest.raises(UnsafeKey) as caught:
            await backend.put(other, memoryview(b"second"))
        with pytest.raises(UnsafeKey):
            await backend.open_upload(other, len(LARGE))
        with pytest.raises(UnsafeKey):
            await upload.complete(())
        await upload.abort()
        await backend.put("another", memoryview(b"third"))
    finally:
        await backend.aclose()
        disk.close()
    assert repr(one) in str(caught.value)
    assert repr(other) in str(caught.value)
    assert files_in(tmp_path) == {one: b"first", other: b"first", "another": b"third"}


async def test_where_names_differ_all_are_written(tmp_path: Path) -> None:
    objects = {"A": b"1", "a": b"2", "caf\u00e9": b"3", "cafe\u0301": b"4"}
    (tmp_path / "old").mkdir()
    for dest in ("old", "new"):
        await download(objects, tmp_path / dest)
        assert files_in(tmp_path / dest) == objects


async def test_a_second_download_replaces_the_first_one_s_files(tmp_path: Path) -> None:
    for data in (b"old", b"new"):
        await download({"a": data, "d/b": LARGE}, tmp_path)
    assert files_in(tmp_path) == {"a": b"new", "d/b": LARGE}


@pytest.mark.parametrize("key", ["a", "d/a"])
@pytest.mark.parametrize("data", [b"x", LARGE], ids=["small", "large"])
async def test_a_link_in_place_of_the_dot_directory(tmp_path: Path, outside: Path, key: str, data: bytes) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()
    for state in (dest / ".sealift", tmp_path / ".sealift"):
        state.symlink_to(outside)
    with pytest.raises(LocalIOError, match=r"\.sealift is a link"):
        await download({key: data}, dest)
    with pytest.raises(LocalIOError, match=r"\.sealift is a link"):
        await download({key: data}, tmp_path / "new")
    with FakeS3({"b": {"m": data}}) as server:
        with pytest.raises(LocalIOError, match=r"\.sealift is a link"):
            await AsyncStorage().download("s3://b/m", dest / "m", config=server.config)
    assert files_in(dest) == {}


async def test_a_local_copy_does_not_leave_the_target_either(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "source" / "link").mkdir(parents=True)
    (tmp_path / "source" / "link" / "new").write_bytes(b"evil")
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest" / "link").symlink_to(outside)
    with pytest.raises(UnsafeKey, match="would leave"):
        await AsyncStorage().copy(str(tmp_path / "source"), str(tmp_path / "dest"))


async def test_an_archive_is_no_way_out_through_a_link_of_the_target(tmp_path: Path, outside: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("a", "link/new", "z"):
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"evil"))
    (tmp_path / "archive.tar").write_bytes(packed.getvalue())
    dest = tmp_path / "dest"
    dest.mkdir()
    (dest / "link").symlink_to(outside)
    with pytest.raises(UnsafeKey, match="would leave"):
        await AsyncStorage().download(f"{tmp_path}/archive.tar", dest, unpack=True)
    assert all_in(dest) == {"link"}


async def test_a_synchronization_removes_nothing_behind_a_link(tmp_path: Path, outside: Path) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()
    (dest / "link").symlink_to(outside)
    (dest / "old").write_bytes(b"old")
    with FakeS3({"b": {"p/a": b"a"}}) as server:
        with pytest.raises(UnsafeKey, match=f"{dest}/link/precious would be deleted, but is behind the link"):
            await AsyncStorage().sync("s3://b/p/", str(dest), config=server.config, delete=True)
    assert (dest / "old").read_bytes() == b"old"


async def test_a_link_that_is_planted_meanwhile_is_no_way_out(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link appears at the worst moment: after the parent was checked, before the file is renamed into place."""
    dest = tmp_path / "dest"
    dest.mkdir()
    replace = os.replace

    def plant(source: str, target: str, **options: int) -> None:
        (dest / "d").rename(dest / "moved")
        (dest / "d").symlink_to(outside)
        replace(source, target, **options)

    monkeypatch.setattr(os, "replace", plant)
    await download({"d/a": b"a"}, dest)
    assert files_in(dest / "moved") == {"a": b"a"}
