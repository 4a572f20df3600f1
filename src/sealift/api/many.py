"""Many calls at once, on one engine."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio

from ..errors import StorageError, first_of

__all__ = ["gather"]

T = TypeVar("T")


async def gather(
    calls: Iterable[Callable[[], Awaitable[T]]], at_once: int, *, return_exceptions: bool
) -> list[T | StorageError]:
    """Make calls, a bounded number of them at a time.

    Args:
        calls: What to call; taken as others end.
        at_once: How many run at most.
        return_exceptions: Put a call's failure in its place among the results. False: the first one cancels the others
            and is raised.

    Returns:
        Results in the order of the calls.
    """
    results: dict[int, T | StorageError] = {}
    limit = anyio.Semaphore(at_once)

    async def run(index: int, call: Callable[[], Awaitable[T]]) -> None:
        try:
            results[index] = await call()
        except StorageError as error:
            if not return_exceptions:
                raise
            results[index] = error
        finally:
            limit.release()

    try:
        async with anyio.create_task_group() as group:
            for index, call in enumerate(calls):
                await limit.acquire()
                group.start_soon(run, index, call)
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
    return [results[index] for index in range(len(results))]
