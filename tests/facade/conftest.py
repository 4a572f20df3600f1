"""Fixtures: a server for subprocesses, both event loops, and the calls that may block here."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from sealift.types import MiB
from tests.api.conftest import bare_environment, what_may_block
from tests.api.servers import FakeS3, pattern

__all__ = ["bare_environment", "what_may_block"]

OBJECTS = {
    "small": b"small",
    "other": b"other",
    "large": pattern(20 * MiB + 3),
    "stalled": pattern(1000),
    "p/0": b"zero",
    "p/1": b"one",
    "q/0": b"zero",
    "q/large": pattern(20 * MiB),
    **{f"n/{number}": pattern(number * 1000 + number) for number in range(32)},
}


@pytest.fixture
def server() -> Iterator[FakeS3]:
    """A server that sends 12 MiB of `large` and `q/large`, 10 bytes of `stalled`, and the rest when released."""
    stall = {"large": 12 * MiB, "q/large": 12 * MiB, "stalled": 10}
    with FakeS3({"b": OBJECTS}, stall=stall) as running:
        yield running


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """An empty directory."""
    directory = tmp_path / "here"
    directory.mkdir()
    return directory


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> dict[str, str]:
    """Environment variables that select the facade's event loop."""
    return {"SEALIFT_LOOP": request.param}


@pytest.fixture(autouse=True)
def the_facade_may_block(no_blocking_calls: BlockBuster) -> None:
    """Allow the facade to block, even in a thread with a running loop: it is a blocking API."""
    for function in no_blocking_calls.functions.values():
        function.can_block_in("sealift/runtime/portal.py", {"call", "_close"})
