"""Shared by the engine's tests: an instance that is checked for leaks when it is closed, and ways to wait."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sealift.contract import Backend
from sealift.engine.transfer import Transfer
from sealift.instance import Instance
from sealift.runtime.host_pace import Hosts
from sealift.runtime.retry import Retry
from sealift.types import Limits

PART = 1000
TURNS = 10_000


def data(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


async def _no_time(seconds: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def machine(**limits: Any) -> AsyncIterator[Instance]:
    """An instance with parts of 1,000 bytes, memory for ten of them, and retries without delay.

    Checks at the end that no memory is lent or waited for, and that no task is left.
    """
    tasks = asyncio.all_tasks()
    instance = Instance(Limits(**{"memory": 10 * PART, "part_size": PART, **limits}), {})
    instance.retry = Retry(Hosts(instance.limits.per_host), instance.limits, sleep=_no_time)
    try:
        yield instance
        assert instance.memory.lent == 0
        assert not instance.memory._waiting
    finally:
        await instance.aclose()
    await until(lambda: asyncio.all_tasks() <= tasks)


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks run until a condition holds."""
    for _ in range(TURNS):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition never held")


async def settle() -> None:
    """Let the other tasks run until they are all blocked."""
    for _ in range(200):
        await asyncio.sleep(0)


async def transfers(source: Backend, prefix: str = "", *, listed: bool = True) -> AsyncGenerator[Transfer]:
    """Yield a transfer to the same key for every object under a prefix."""
    async for obj in source.list(prefix):
        yield Transfer(obj, obj.key, listed=listed)
