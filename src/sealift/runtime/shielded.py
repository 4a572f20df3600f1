"""Run work in a task of its own, which ends before a cancellation of the caller is raised.

The caller of an `AsyncStorage` may cancel with anyio, which repeats the cancellation in each iteration of the loop
until it is raised. That does not reach another task, and a shielded scope keeps it from waking the one that waits.
sealift does not import anyio for that, which would take a sixth of a cold start: a program without it cannot do so.
"""

import asyncio
import sys
from collections.abc import Awaitable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

__all__ = ["cancelled_once", "shielded", "until_done"]

T = TypeVar("T")


async def shielded(cleanup: Awaitable[T]) -> T:
    """Run cleanup to its end, even if the caller is cancelled.

    Args:
        cleanup: The cleanup; must end by itself.

    Returns:
        Its result.

    Raises:
        asyncio.CancelledError: The caller was cancelled; the cleanup has ended without an error.
        BaseException: The error of the cleanup, whether the caller was cancelled or not.

    Example:
        >>> async def read_and_close(backend: Backend) -> bytes:
        ...     try:
        ...         return await read(backend)
        ...     finally:
        ...         await shielded(backend.aclose())
    """
    return await _run(cleanup, cancel=False)


async def cancelled_once(work: Awaitable[T]) -> T:
    """Run work that is cancelled once if the caller is cancelled, however often, and wait for its end.

    An `asyncio.TaskGroup` needs this: each repeated cancellation would wake it while its tasks clean up.

    Args:
        work: The work.

    Returns:
        Its result.

    Raises:
        asyncio.CancelledError: The caller was cancelled; the work has ended without an error.
        BaseException: The error of the work, whether the caller was cancelled or not.

    Example:
        >>> async def all_done() -> None:
        ...     async with asyncio.TaskGroup() as group:
        ...         group.create_task(asyncio.sleep(1))
        >>> async def main() -> None:
        ...     await cancelled_once(all_done())
    """
    return await _run(work, cancel=True)


async def _run(work: Awaitable[T], *, cancel: bool) -> T:
    task = asyncio.ensure_future(work)
    try:
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            if cancel:
                task.cancel()
            await until_done(task)
            if not task.cancelled():
                task.result()  # raises its error
            raise
        return task.result()
    finally:
        del task  # breaks the cycle: the traceback of its error refers to this frame


def _scope() -> AbstractContextManager[object]:
    if "anyio" not in sys.modules:
        return nullcontext()
    import anyio  # noqa: PLC0415

    return anyio.CancelScope(shield=True)


async def until_done(task: asyncio.Future[T]) -> None:
    with _scope():
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError:
                continue  # cancelled again; the caller raises the first cancellation
