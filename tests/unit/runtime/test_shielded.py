import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable

import anyio
import pytest

from sealift.runtime.shielded import cancelled_once, shielded

pytestmark = pytest.mark.anyio


class Cleanup:
    """A cleanup that ends when it is told to."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ended = False

    async def run(self) -> str:
        self.started.set()
        await self.may_end.wait()
        self.ended = True
        return "done"

    async def fail(self) -> None:
        await self.run()
        raise ValueError("cleanup")


async def iterations(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_returns_the_result() -> None:
    cleanup = Cleanup()
    cleanup.may_end.set()
    assert await shielded(cleanup.run()) == "done"


async def test_raises_the_error() -> None:
    cleanup = Cleanup()
    cleanup.may_end.set()
    with pytest.raises(ValueError, match="cleanup"):
        await shielded(cleanup.fail())


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancellation_is_raised_when_the_cleanup_has_ended(times: int) -> None:
    cleanup = Cleanup()
    task = asyncio.create_task(shielded(cleanup.run()))
    await cleanup.started.wait()
    for _ in range(times):
        task.cancel("stop")
        await iterations(3)
    assert not task.done()
    cleanup.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleanup.ended
    assert task.cancelled()


async def test_an_error_of_the_cleanup_is_raised_instead_of_the_cancellation() -> None:
    cleanup = Cleanup()
    task = asyncio.create_task(shielded(cleanup.fail()))
    await cleanup.started.wait()
    task.cancel()
    await iterations(3)
    cleanup.may_end.set()
    with pytest.raises(ValueError, match="cleanup") as caught:
        await task
    assert isinstance(caught.value.__context__, asyncio.CancelledError)


async def _after_the_block(cleanup: Cleanup) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await shielded(cleanup.run())


async def _in_the_cleanup(cleanup: Cleanup) -> None:
    await shielded(cleanup.run())


@pytest.mark.parametrize("block", [_after_the_block, _in_the_cleanup])
async def test_a_scope_of_anyio_does_not_wake_it_again_and_again(block: Callable[[Cleanup], Awaitable[None]]) -> None:
    cleanup, wakeups = Cleanup(), 0
    wait = asyncio.wait

    async def counted(tasks: tuple[asyncio.Task[str]]) -> object:
        nonlocal wakeups
        wakeups += 1
        return await wait(tasks)

    async with anyio.create_task_group() as group:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio, "wait", counted)
            group.start_soon(block, cleanup)
            await iterations(3)
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await cleanup.started.wait()
                await iterations(50)
                assert not cleanup.ended
                cleanup.may_end.set()
                await iterations(10)
    assert cleanup.ended
    assert wakeups == 2


async def test_a_deadline_of_anyio() -> None:
    cleanup = Cleanup()
    asyncio.get_running_loop().call_later(0.05, cleanup.may_end.set)
    with anyio.move_on_after(0.01) as scope:
        await shielded(cleanup.run())
    assert cleanup.ended
    assert scope.cancelled_caught
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_a_deadline_of_asyncio() -> None:
    cleanup = Cleanup()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            asyncio.get_running_loop().call_later(0.05, cleanup.may_end.set)
            await shielded(cleanup.run())
    assert cleanup.ended


@pytest.mark.parametrize("repeats", [False, True])
async def test_work_is_cancelled_once(repeats: bool) -> None:
    cleanup, cancellations = Cleanup(), 0

    async def work() -> None:
        nonlocal cancellations
        while not cleanup.ended:
            try:
                cleanup.started.set()
                await cleanup.may_end.wait()
                cleanup.ended = True
            except asyncio.CancelledError:
                cancellations += 1
        raise asyncio.CancelledError

    async with anyio.create_task_group() as group:
        group.start_soon(cancelled_once, work())
        await cleanup.started.wait()
        if repeats:
            group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await iterations(50)
            cleanup.may_end.set()
    assert cancellations == (1 if repeats else 0)


async def test_an_error_of_the_work() -> None:
    async def work() -> None:
        raise ValueError("work")

    with pytest.raises(ValueError, match="work"):
        await cancelled_once(work())


def test_anyio_is_not_imported() -> None:
    program = """
import asyncio, sys
from sealift.runtime.shielded import shielded

async def main():
    task = asyncio.create_task(shielded(asyncio.sleep(0.01, "done")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    print(task.cancelled(), "anyio" in sys.modules)

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
