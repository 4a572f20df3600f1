"""How a call ends that reads tensors: with its caller, and without memory that nobody gets."""

import asyncio
from collections.abc import Sequence

from ..errors import ClosedError
from ..runtime.shielded import shielded
from .target import Target

__all__ = ["finished", "free"]


def free(targets: Sequence[Target]) -> None:
    """Drop the memory of tensors that nobody gets: failures are in reference cycles, which may stay for long.

    Args:
        targets: The tensors.
    """
    for target in targets:
        target.data = None


async def finished(task: asyncio.Task[None]) -> None:
    """Wait for the task of a call, which ends with its caller.

    Args:
        task: The task.

    Raises:
        ClosedError: The tensors were closed.
        StorageError: The call has failed.
    """
    try:
        await asyncio.wait((task,))
    except asyncio.CancelledError:
        task.cancel()
        await shielded(asyncio.wait((task,)))
        raise
    if task.cancelled():
        raise ClosedError("the tensors were closed during this call")
    task.result()
