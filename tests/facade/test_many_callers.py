"""Threads of several processes download one prefix to one directory concurrently, and all succeed.

Needs a disk that reuses inode numbers immediately, as ext4, XFS and overlays on them do; tmpfs does not.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift.types import KiB, MiB
from tests.api.helpers import all_in, files_in
from tests.api.servers import FakeS3, pattern
from tests.facade.scripts import Script

# Small files with different contents, and some of several parts.
OBJECTS = {
    **{f"p/{number % 3}/{number:02}": bytes([number]) * (20 * KiB) for number in range(24)},
    **{f"p/large-{number}": bytes([number]) + pattern(9 * MiB) for number in range(2)},
}
FILES = {key.removeprefix("p/"): data for key, data in OBJECTS.items()}

PROGRAM = """
        say("ready")
        sys.stdin.readline()
        failures = []
        def download():
            try:
                Storage.download("s3://b/p", HERE / "dest", config=config)
            except StorageError as error:
                failures.append(str(error))
        threads = [threading.Thread(target=download) for _ in range(int(os.environ["THREADS"]))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        say(*failures)
"""


def uses_inodes_again(directory: str) -> bool:
    path = os.path.join(directory, "probe")
    seen: set[int] = set()
    for _ in range(32):
        with open(path, "x") as file:
            number = os.fstat(file.fileno()).st_ino
        os.unlink(path)
        if number in seen:
            return True
        seen.add(number)
    return False


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory on such a disk: in SEALIFT_TEST_DISK, unchecked, or in the first suitable default location."""
    chosen = os.environ.get("SEALIFT_TEST_DISK")
    tried = [chosen] if chosen else [str(tmp_path_factory.getbasetemp()), "/var/tmp", os.getcwd()]
    for each in tried:
        directory = tempfile.mkdtemp(prefix="sealift-test-", dir=each)
        try:
            if chosen or uses_inodes_again(directory):
                yield Path(directory)
                return
        finally:
            shutil.rmtree(directory)
    pytest.fail(f"no disk here uses inode numbers again: {', '.join(tried)}; name any directory by SEALIFT_TEST_DISK")


@pytest.fixture
def here(disk: Path) -> Iterator[Path]:
    directory = disk / "here"
    directory.mkdir()
    yield directory
    shutil.rmtree(directory)


@pytest.mark.parametrize("there", [False, True], ids=["new", "old"])
@pytest.mark.parametrize(("processes", "threads"), [(1, 2), (1, 8), (2, 4), (4, 2)])
def test_all_succeed(here: Path, processes: int, threads: int, there: bool) -> None:
    if there:
        (here / "dest").mkdir()
        (here / "dest" / "mine").write_bytes(b"mine")
    with FakeS3({"b": OBJECTS}) as server:
        scripts = [Script(PROGRAM, here, server, environ={"THREADS": str(threads)}) for _ in range(processes)]
        try:
            for script in scripts:
                script.until("ready")
            for script in scripts:
                script.tell()
            assert [script.end() for script in scripts] == [(0, [""], "")] * processes
        finally:
            for script in scripts:
                script.__exit__(None, None, None)
    assert files_in(here / "dest") == FILES | ({"mine": b"mine"} if there else {})
    assert not [path for path in all_in(here) if ".sealift" in path]
