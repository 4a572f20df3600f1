"""The memory, descriptors, threads and connections of a process stay within `Limits`.

Each transfer is a separate process with a memory limit that it would exceed, and writes to a file system that is not in
memory. RLIMIT_DATA counts all writable memory that a process has requested, including the stacks of its threads.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from sealift.integrity import checksums
from sealift.runtime.part_sizes import DEFAULT_PART
from sealift.types import MiB
from tests.bounds.server import HOST, HUGE, LARGE, LARGER, SMALL, SMALL_SIZE
from tests.cli.program import clean_environ

HERE = Path(__file__).parent
# Imports take 80 MiB, bodies 128 MiB, and each of up to 150 threads has 8 MiB of stack, of which it uses little.
MEMORY = 1472 * MiB
# Resident memory other than bodies: connections, file names, the working memory of threads.
OVERHEAD = 16 * MiB
# A copy of this much of each body that is sent may wait for the socket (asyncio makes one up to Python 3.11).
SLICE = MiB
# Seconds, for a slow or busy disk: these tests do not measure time.
PATIENCE = 280
pytestmark = pytest.mark.timeout(PATIENCE + 20)
# Threads for blocking work: four, and one for short tasks.
THREADS = 5


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    environ = {**clean_environ(), "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    command = [sys.executable, str(HERE / "server.py")]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://{HOST}:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def kind_of(path: Path) -> str:
    """The type of the file system of a directory."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    under = [(point, kind) for point, kind in mounts if path.is_relative_to(point)]
    return max(under, key=lambda mount: len(mount[0]))[1]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A directory on a disk: files on a tmpfs stay in memory."""
    candidates = [tmp_path, Path("/var/tmp"), HERE]
    place = next(path for path in candidates if kind_of(path.resolve()) not in {"tmpfs", "ramfs"})
    made = Path(tempfile.mkdtemp(dir=place, prefix="sealift-bounds-"))
    yield made
    shutil.rmtree(made)


def run(endpoint: str, directory: Path, scenario: str, **limits: int) -> dict[str, Any]:
    environ = {**clean_environ(), "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    environ["XDG_STATE_HOME"] = str(directory / "state")
    with contextlib.closing(urlopen(f"{endpoint}/counted")) as before:
        before.read()
    done = subprocess.run(
        [sys.executable, HERE / "child.py", str(MEMORY), endpoint, directory, scenario, json.dumps(limits)],
        env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with contextlib.closing(urlopen(f"{endpoint}/counted")) as after:
        used: dict[str, Any] = json.loads(done.stdout) | json.loads(after.read())
    print(scenario, limits, used)
    return used


def check(used: dict[str, Any], *, connections: int, callers: int = 0, calls: int = 1, sending: int = 0) -> None:
    """Check the resources of `calls` calls at once, of `callers` threads."""
    assert 0 < used["resident"] <= used["budget"] + OVERHEAD + sending * SLICE
    assert 0 < used["connections"] <= connections
    # A socket per connection, a file and a journal per call, a file per thread, and two per lane: a file and its
    # directory.
    files = 2 * calls + THREADS + 2 * connections
    assert used["descriptors"] <= used["idle"]["descriptors"] + connections + files
    # A lane per connection.
    assert used["threads"] <= used["idle"]["threads"] + THREADS + callers + connections


def test_a_huge_object(endpoint: str, directory: Path) -> None:
    check(run(endpoint, directory, "huge"), connections=128)
    assert (directory / "huge").stat().st_size == HUGE


def mostly_holes(path: Path) -> str:
    """Write a sparse file in which no two parts are equal; returns its checksum."""
    holes = bytes(MiB - 16)
    pieces: list[tuple[str, int]] = []
    empty = checksums.digest("crc64nvme", holes)
    with path.open("wb") as file:
        for start in range(0, HUGE, MiB):
            mark = (b"%016d" % start)[: HUGE - start]
            file.seek(start)
            file.write(mark)
            pieces += [(checksums.digest("crc64nvme", mark), len(mark)), (empty, len(holes))]
    return checksums.combine("crc64nvme", pieces[:-1])  # the file ends with the last mark


def test_a_huge_file(endpoint: str, directory: Path) -> None:
    """All of it is read and sent; most of it is holes."""
    digest = mostly_holes(directory / "huge")
    used = run(endpoint, directory, "upload")
    check(used, connections=128, sending=used["budget"] // DEFAULT_PART)
    assert used["uploaded"] == {"uploaded": [digest, HUGE]}


@pytest.mark.parametrize(
    ("limits", "connections"), [({"memory": 32 * MiB, "connections": 4}, 4), ({"memory": 64 * MiB, "per_host": 2}, 2)]
)
def test_other_limits(endpoint: str, directory: Path, limits: dict[str, int], connections: int) -> None:
    check(run(endpoint, directory, "large", **limits), connections=connections)
    assert (directory / "large").stat().st_size == LARGE


def test_many_small_objects(endpoint: str, directory: Path) -> None:
    check(run(endpoint, directory, "small"), connections=128)
    assert sum(path.stat().st_size for path in (directory / "small").iterdir()) == SMALL * SMALL_SIZE


@pytest.mark.parametrize("scenario", ["list", "selection", "sync"])
def test_memory_does_not_grow_with_the_number_of_objects(endpoint: str, directory: Path, scenario: str) -> None:
    """A page of a listing takes 1 MiB; a compressed block of names, 2 to 30 bytes for each object."""
    used = run(endpoint, directory, scenario)
    assert used["resident"] <= OVERHEAD


def test_eight_callers_at_once(endpoint: str, directory: Path) -> None:
    """All callers share one budget."""
    check(run(endpoint, directory, "eight"), connections=128, callers=8, calls=8)
    assert [(directory / str(number)).stat().st_size for number in range(8)] == [LARGE] * 8


def test_eight_instances_at_once(endpoint: str, directory: Path) -> None:
    """They share the resources of their event loop."""
    check(run(endpoint, directory, "requests", memory=32 * MiB, processes=0), connections=128, calls=8)
    assert [(directory / str(number)).stat().st_size for number in range(8)] == [LARGER] * 8


def test_many_instances_for_small_objects(endpoint: str, directory: Path) -> None:
    check(run(endpoint, directory, "small_requests"), connections=128, calls=200)
    assert [(directory / str(number)).stat().st_size for number in range(200)] == [SMALL_SIZE] * 200
