"""Run small requests concurrently."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from ...errors import StorageError
from ...runtime.retry import Retry
from ...runtime.shielded import cancelled_once

__all__ = ["for_each"]

_CONCURRENCY = 32

T = TypeVar("T")


async def for_each(work: Callable[[T], Awaitable[object]], items: Sequence[T], retry: Retry) -> None:
    """Call a function for many items concurrently, with retries for each. The first failure cancels the others.

    Args:
        work: The function; must be safe to repeat.
        items: Its arguments, started in order.
        retry: The retry loop.

    Raises:
        StorageError: The first failure, marked as not retryable, because it was retried already.
    """
    remaining = iter(items)

    async def run_worker() -> None:
        for item in remaining:
            await retry(lambda item=item: work(item))  # type: ignore[misc]  # mypy has no type for the default

    async def run_all() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_CONCURRENCY, len(items))):
                group.create_task(run_worker())

    try:
        await cancelled_once(run_all())
    except BaseExceptionGroup as failures:
        error: BaseException = failures
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, StorageError):
            error.retryable = False
        raise error from None
