"""Files that other callers replace at the same time: two keys collide only if both names refer to one file now.

Most file systems soon reuse the inode numbers of removed files; a rename simulates that here.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sealift import UnsafeKey
from sealift.backends.local import LocalBackend
from sealift.persist.download_journal import Journal
from sealift.runtime.disk_threads import DiskThreads
from sealift.types import MiB, Part
from tests.api.helpers import all_in, files_in

pytestmark = pytest.mark.anyio


@pytest.fixture
def disk() -> Iterator[DiskThreads]:
    disk = DiskThreads()
    yield disk
    disk.close()


@asynccontextmanager
async def backend_at(root: Path, disk: DiskThreads, *, staged: bool = False) -> AsyncIterator[LocalBackend]:
    backend = LocalBackend(str(root), disk, staged=staged, state=str(root / ".sealift"))
    try:
        yield backend
    finally:
        await backend.aclose()


def replaced(path: Path, data: bytes, moved_to: Path | None = None) -> None:
    """Replace a file as another caller would; with `moved_to`, its inode number is reused for a second file."""
    new = path.with_name("new")
    new.write_bytes(data)
    if moved_to is not None:
        path.rename(moved_to)
    new.rename(path)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("keys", [("a", "b"), ("d/a", "e/b"), ("a", "A"), ("d/a", "a")])
async def test_an_inode_that_is_used_again(
    tmp_path: Path, disk: DiskThreads, keys: tuple[str, str], large: bool
) -> None:
    one, other = keys
    for key in keys:
        (tmp_path / key).parent.mkdir(exist_ok=True)
    async with backend_at(tmp_path, disk) as backend:
        await backend.put(one, memoryview(b"one"))
        replaced(tmp_path / one, b"theirs", moved_to=tmp_path / other)
        if large:
            upload = await backend.open_upload(other, MiB)
            await upload.write_part(Part(0, 0, MiB), memoryview(bytes(MiB)))
            await upload.complete(())
        else:
            await backend.put(other, memoryview(b"other"))
    assert (tmp_path / one).read_bytes() == b"theirs"
    assert (tmp_path / other).read_bytes() == (bytes(MiB) if large else b"other")


@pytest.mark.parametrize(
    ("one", "other"), [("A", "a"), ("café", "cafe\u0301"), ("d/STRASSE", "d/straße"), ("D/a", "d/a")]
)
async def test_names_that_are_one_although_others_have_replaced_the_file(
    tmp_path: Path, disk: DiskThreads, one: str, other: str
) -> None:
    """A hard link simulates a file system that treats both names as the same."""
    for key in (one, other):
        (tmp_path / key).parent.mkdir(exist_ok=True)
    async with backend_at(tmp_path, disk) as backend:
        await backend.put(one, memoryview(b"one"))
        replaced(tmp_path / one, b"theirs")
        os.link(tmp_path / one, tmp_path / other)
        with pytest.raises(UnsafeKey, match="land on the same file"):
            await backend.put(other, memoryview(b"other"))
        with pytest.raises(UnsafeKey, match="land on the same file"):
            await backend.open_upload(other, MiB)
    assert (tmp_path / other).read_bytes() == b"theirs"
    assert ".sealift" not in all_in(tmp_path)


async def test_what_another_process_fills_in_a_shared_tree_is_not_truncated(tmp_path: Path, disk: DiskThreads) -> None:
    """Where file locks are unreliable, two processes may write into one tree; neither truncates the other's files."""
    with (tmp_path / "a").open("wb") as theirs:
        async with backend_at(tmp_path, disk, staged=True) as backend:
            await backend.put("a", memoryview(b"whole"))
        assert files_in(tmp_path) == {"a": b"whole"}
        theirs.write(b"theirs")
    assert files_in(tmp_path) == {"a": b"whole"}


async def test_a_directory_that_others_remove(tmp_path: Path, disk: DiskThreads) -> None:
    async with backend_at(tmp_path, disk) as backend:
        await backend.put("d/a", memoryview(b"a"))
        (tmp_path / "d" / "a").unlink()
        (tmp_path / "d").rmdir()
        await backend.put("d/b", memoryview(b"b"))
        assert files_in(tmp_path) == {"d/b": b"b"}


async def test_a_copy_that_could_not_be_published_does_not_stay(tmp_path: Path, disk: DiskThreads) -> None:
    """Another process has renamed the partial file, where file locks are unreliable."""
    async with backend_at(tmp_path, disk) as backend:
        upload = await backend.open_upload("a", MiB)
        (partial,) = (tmp_path / ".sealift").iterdir()
        partial.unlink()
        os.mkfifo(tmp_path / "a")
        with pytest.raises(Exception, match="named pipe"):
            await upload.complete(())
        await upload.suspend()
    assert all_in(tmp_path) == {"a"}


def test_a_journal_removes_the_rest_if_others_have_removed_a_part(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path), "0" * 16, many=True)
    journal.open()
    names = []
    for key in "abc":
        journal.expect(key, "1" * 16)
        name = journal.partial_path(key)
        assert name is not None
        Path(name).write_bytes(b"")
        names.append(name)
    listdir = os.listdir

    def listed(path: str) -> list[str]:
        """Simulate another process that removes a file after it was listed."""
        names_in = listdir(path)
        Path(names[0]).unlink(missing_ok=True)
        return names_in

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "listdir", listed)
        journal.close(keep=False)
    assert listdir(tmp_path) == []
