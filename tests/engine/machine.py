"""What the engine's tests share: instance that are looked over when they are given back, and ways to wait."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sealift.contract import Backend
from sealift.engine.transfer import Transfer
from sealift.instance import Instance
from sealift.runtime.retry import Retry, RetryBudget
from sealift.types import Limits

PART = 1000
TURNS = 10_000


def data(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


async def _no_time(seconds: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def machine(**limits: Any) -> AsyncIterator[Instance]:
    """Resources with parts of 1,000 bytes, memory for ten of them, and retries that do not wait.

    In the end no memory is lent, nobody waits for any, and no task is left.
    """
    tasks = asyncio.all_tasks()
    instance = Instance(Limits(**{"memory": 10 * PART, "part_size": PART, **limits}), {})
    instance.retry = Retry(RetryBudget(), attempts=instance.limits.attempts, sleep=_no_time)
    try:
        yield instance
        assert instance.memory.lent == 0
        assert not instance.memory._waiting
    finally:
        await instance.aclose()
    await until(lambda: asyncio.all_tasks() <= tasks)


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks run until something holds."""
    for _ in range(TURNS):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


async def settle() -> None:
    """Let the other tasks run until they all wait for something that is not theirs."""
    for _ in range(200):
        await asyncio.sleep(0)


async def transfers(source: Backend, prefix: str = "", *, listed: bool = True) -> AsyncGenerator[Transfer]:
    """Every object under a prefix, to the same key."""
    async for obj in source.list(prefix):
        yield Transfer(obj, obj.key, listed=listed)
