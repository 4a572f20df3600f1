"""Fixtures for all tests: both event loops, a check for blocking calls in them, and the services."""

import signal
from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from tests.services.fixtures import *  # noqa: F403 - the fixtures of the services

# A shell that runs the tests in the background ignores SIGINT, and child processes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

LOOPS = {"asyncio": {"use_uvloop": False}, "uvloop": {"use_uvloop": True}}


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run tests marked `anyio` on the asyncio loop and on uvloop."""
    return "asyncio", LOOPS[request.param]


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[BlockBuster]:
    """Fail on a blocking call inside an event loop."""
    with blockbuster_ctx("sealift") as watch:
        # These do not block: the kernel answers from memory.
        watch.functions["os.path.abspath"].deactivate()
        watch.functions["os.getcwd"].deactivate()
        watch.functions["io.TextIOWrapper.read"].can_block_in("sealift/runtime/control_groups.py", {"_groups", "_text"})
        yield watch
