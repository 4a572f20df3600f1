"""Small files that are written at once."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift import LocalIOError, UnsafeKey
from sealift.backends.local import LocalBackend
from sealift.persist.download_journal import Journal
from sealift.runtime.disk_threads import DiskThreads
from tests.api.helpers import all_in, files_in

pytestmark = pytest.mark.anyio
DATA = memoryview(b"data")


@pytest.fixture
def disk() -> Iterator[DiskThreads]:
    disk = DiskThreads()
    yield disk
    disk.close()


@pytest.mark.parametrize("staged", [False, True])
async def test_a_full_disk_leaves_no_file(
    tmp_path: Path, disk: DiskThreads, staged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    backend = LocalBackend(str(tmp_path), disk, staged=staged)
    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(LocalIOError, match=f"No space left on device: {tmp_path}/d/a"):
        await backend.put("d/a", DATA)
    await backend.aclose()
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("staged", [False, True])
async def test_a_key_cannot_leave_the_directory(tmp_path: Path, disk: DiskThreads, staged: bool) -> None:
    backend = LocalBackend(str(tmp_path / "d"), disk, staged=staged)
    for key in ("../a", "/a", "b/../../a"):
        with pytest.raises(UnsafeKey):
            backend.small_objects.put(key, DATA)
    await backend.aclose()
    assert all_in(tmp_path) <= {"d"}


async def test_a_work_directory_that_others_remove(tmp_path: Path, disk: DiskThreads) -> None:
    backend = LocalBackend(str(tmp_path), disk)
    for key in "abc":
        await backend.put(key, DATA)
        (tmp_path / ".sealift").rmdir()
    await backend.aclose()
    assert files_in(tmp_path) == {"a": b"data", "b": b"data", "c": b"data"}


async def test_one_of_many_files_has_a_temporary_name_of_the_journal(
    tmp_path: Path, disk: DiskThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / ".sealift"
    state.mkdir()
    journal = Journal(str(state), "0" * 16, many=True)
    await disk.run(journal.open)
    journal.expect("a", "1" * 16)
    backend = LocalBackend(str(tmp_path), disk, journal=journal)
    names, replace = [], os.replace

    def noted(source: str, target: str, *, dst_dir_fd: int) -> None:
        names.append(Path(source).name)
        replace(source, target, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "replace", noted)
    await backend.put("a", DATA)
    await disk.run(lambda: journal.close(keep=False))
    await backend.aclose()
    assert re.fullmatch(r"0{16}-[0-9a-f]{16}-\d+\.part", *names)
    assert all_in(tmp_path) == {"a"}
