"""Fixtures for all tests: both event loops, a check for blocking calls in them, and the services."""

import os
import signal
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from tests.services.fixtures import *  # noqa: F403 - the fixtures of the services

# A shell that runs the tests in the background ignores SIGINT, and child processes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

LOOPS = {"asyncio": {"use_uvloop": False}, "uvloop": {"use_uvloop": True}}


# Tests in these directories are about services: each runs on one of the loops, chosen by its name.
_ON_ONE_LOOP = {"api", "contract", "tensors", "trust"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests marked `anyio` on both loops, those of `_ON_ONE_LOOP` only if marked `both_loops`."""
    if "anyio_backend" not in metafunc.fixturenames:
        return
    loops = list(LOOPS)
    test = metafunc.definition
    if test.path.parent.name in _ON_ONE_LOOP and test.get_closest_marker("both_loops") is None:
        loops = [loops[zlib.crc32(f"{test.path.stem}::{test.originalname}".encode()) % len(loops)]]
    metafunc.parametrize("anyio_backend", loops, indirect=True)


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """The event loop of a test marked `anyio`."""
    return "asyncio", LOOPS[request.param]


@pytest.fixture(autouse=True)
def cache_directory(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep downloads out of the caches of whoever runs the tests. Returns the cache of this test, which is empty."""
    directory = tmp_path_factory.getbasetemp() / f"cache-{os.urandom(4).hex()}"
    monkeypatch.setenv("SEALIFT_CACHE", str(directory))
    monkeypatch.setenv("SEALIFT_CACHE_SIZE", "100%")  # or a disk that is nearly full would fail them
    monkeypatch.setenv("HF_HUB_CACHE", str(directory / "hub"))
    return directory


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[BlockBuster]:
    """Fail on a blocking call inside an event loop."""
    with blockbuster_ctx("sealift") as watch:
        # These do not block: the kernel answers from memory.
        watch.functions["os.path.abspath"].deactivate()
        watch.functions["os.getcwd"].deactivate()
        watch.functions["io.TextIOWrapper.read"].can_block_in("sealift/runtime/control_groups.py", {"_groups", "_text"})
        yield watch
