"""What all tests share: both event loops, and a watch on blocking calls in them."""

import signal
from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from tests.services.fixtures import *  # noqa: F403 - the servers' fixtures

# A shell that runs the tests in the background ignores SIGINT, and so would the processes that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

LOOPS = {"asyncio": {"use_uvloop": False}, "uvloop": {"use_uvloop": True}}


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Tests marked `anyio` run on asyncio's loop and on uvloop."""
    return "asyncio", LOOPS[request.param]


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[BlockBuster]:
    """A blocking call inside an event loop is an error."""
    with blockbuster_ctx("sealift") as watch:
        # The kernel answers these from memory.
        watch.functions["os.path.abspath"].deactivate()
        watch.functions["os.getcwd"].deactivate()
        watch.functions["io.TextIOWrapper.read"].can_block_in(
            "sealift/runtime/memory_budget.py", {"default_budget", "_limit_of"}
        )
        yield watch
