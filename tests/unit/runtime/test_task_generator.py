"""Async generators that run in tasks of their own behave as others do, and end in order."""

import asyncio
import contextvars
import gc
import inspect
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from sealift.runtime.shielded import shielded
from sealift.runtime.task_generator import in_own_task, without_task

pytestmark = pytest.mark.anyio

variable = contextvars.ContextVar("variable", default="outside")


class Counted:
    """A generator within another one.

    Attributes:
        yielded: How many items it has yielded.
        ended: How many of the two have cleaned up.
    """

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.yielded = self.ended = 0
        self.count = count
        self.error = error

    async def inner(self) -> AsyncGenerator[int]:
        try:
            for number in range(self.count):
                self.yielded += 1
                yield number
            if self.error is not None:
                raise self.error
        finally:
            await shielded(self.clean_up())  # the end of the loop cancels it again

    async def clean_up(self) -> None:
        await asyncio.sleep(0)
        self.ended += 1

    async def outer(self) -> AsyncGenerator[int]:
        variable.set("inside")
        try:
            async with aclosing(self.inner()) as numbers:
                async for number in numbers:
                    await asyncio.sleep(0)
                    yield number
        finally:
            self.ended += 1

    def start(self, ahead: int) -> AsyncGenerator[int]:
        return in_own_task(ahead=ahead)(self.outer)()


@pytest.fixture(params=[0, 1, 4, 100])
def ahead(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


async def test_all_items_in_order(ahead: int) -> None:
    source = Counted(10)
    numbers = source.start(ahead)
    assert source.yielded == 0
    assert [number async for number in numbers] == list(range(10))
    assert source.ended == 2
    assert await anext(numbers, None) is None
    assert variable.get() == "outside"


async def test_no_more_are_taken_than_asked_for(ahead: int) -> None:
    source = Counted(1000)
    numbers = source.start(ahead)
    for taken in range(1, 4):
        await anext(numbers)
        for _ in range(500):
            await asyncio.sleep(0)
        assert source.yielded == taken + ahead
    await numbers.aclose()


async def test_an_error_comes_after_the_items(ahead: int) -> None:
    source, found = Counted(3, ZeroDivisionError("here")), list[int]()
    numbers = source.start(ahead)
    with pytest.raises(ZeroDivisionError, match="here"):
        async for number in numbers:
            found.append(number)
    assert found == [0, 1, 2]
    assert await anext(numbers, None) is None


async def test_closing_waits_for_the_cleanup(ahead: int) -> None:
    source = Counted(1000)
    numbers = source.start(ahead)
    await anext(numbers)
    await numbers.aclose()
    assert source.ended == 2
    assert await anext(numbers, None) is None
    await numbers.aclose()
    await Counted(1).start(ahead).aclose()


async def test_an_error_that_nobody_waits_for_is_not_reported(ahead: int, caplog: pytest.LogCaptureFixture) -> None:
    numbers = Counted(1, ZeroDivisionError()).start(ahead)
    await anext(numbers)
    for _ in range(20):
        await asyncio.sleep(0)
    await numbers.aclose()
    assert caplog.text == ""


async def test_cancelling_waits_for_the_cleanup(ahead: int) -> None:
    source, waiting = Counted(1000), asyncio.Event()

    async def stall() -> AsyncGenerator[int]:
        async with aclosing(source.outer()) as numbers:
            async for number in numbers:
                yield number
                waiting.set()
                await asyncio.Event().wait()

    numbers = in_own_task(ahead=ahead)(stall)()
    assert await anext(numbers) == 0
    task = asyncio.ensure_future(anext(numbers))
    await waiting.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.ended == 2
    assert await anext(numbers, None) is None


async def test_two_at_once_are_refused() -> None:
    numbers = Counted(10).start(0)
    first = asyncio.ensure_future(anext(numbers))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already running"):
        await anext(numbers)
    assert await first == 0
    await numbers.aclose()


async def test_one_that_is_dropped_ends(ahead: int) -> None:
    source = Counted(1000)
    async for _ in source.start(ahead):
        break
    gc.collect()
    async with asyncio.timeout(10):
        while source.ended < 2:
            await asyncio.sleep(0.01)


async def test_without_a_task() -> None:
    source = Counted(2)
    numbers = without_task(source.start(0))
    assert inspect.isasyncgen(numbers)
    assert without_task(numbers) is numbers
    assert [number async for number in numbers] == [0, 1]


PROGRAM = """
import asyncio, uvloop
from sealift.runtime.task_generator import in_own_task
from tests.unit.runtime.test_task_generator import Counted
source = Counted(1000)
kept = []

async def main():
    numbers = source.start({ahead})
    if {keep}:
        kept.append(numbers)
    async for _ in numbers:
        break

{run}(main())
assert source.ended == 2, source.ended
"""


@pytest.mark.parametrize(("keep", "run"), [(False, "asyncio.run"), (True, "asyncio.run"), (False, "uvloop.run")])
def test_the_end_of_the_loop_is_quiet(keep: bool, run: str) -> None:
    command = [sys.executable, "-X", "dev", "-c", PROGRAM.format(ahead=4, keep=keep, run=run)]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
