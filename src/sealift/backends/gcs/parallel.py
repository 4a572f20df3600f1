"""Several small requests at once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from ...errors import StorageError
from ...runtime.retry import Retry

__all__ = ["at_once"]

_AT_ONCE = 32

T = TypeVar("T")


async def at_once(work: Callable[[T], Awaitable[object]], items: Sequence[T], retry: Retry) -> None:
    """Do the same with each of many things, each tried again by itself; the first that fails for good ends it all.

    Args:
        work: Must be safe to call again.
        items: Taken in order.
        retry: The retry loop.

    Raises:
        StorageError: The first failure. It is not to be tried again: that has been done.
    """
    waiting = iter(items)

    async def go_on() -> None:
        for item in waiting:
            await retry(lambda item=item: work(item))  # type: ignore[misc]  # mypy has no type for the default

    try:
        async with anyio.create_task_group() as group:
            for _ in range(min(_AT_ONCE, len(items))):
                group.start_soon(go_on)
    except BaseExceptionGroup as failures:
        error: BaseException = failures
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, StorageError):
            error.retryable = False
        raise error from None
