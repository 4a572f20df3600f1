"""Run small requests concurrently."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from ...errors import StorageError
from ...runtime.retry import Retry

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

    try:
        async with anyio.create_task_group() as group:
            for _ in range(min(_CONCURRENCY, len(items))):
                group.start_soon(run_worker)
    except BaseExceptionGroup as failures:
        error: BaseException = failures
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, StorageError):
            error.retryable = False
        raise error from None
