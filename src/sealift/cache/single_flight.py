"""Of all callers that want the same snapshot, in all threads and processes, one downloads it, and the others wait."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ..backends.local import LocalBackend
from ..errors import StorageError
from ..instance import Instance
from ..runtime.shielded import shielded, until_done
from .cache_events import Outcome
from .ownership import Owner

__all__ = ["complete"]

# Seconds between two looks at the process that downloads; the pauses double.
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5
# Seconds between two checks whether this process is still the owner.
_CHECK = 1.0

_Fill = Callable[[], Coroutine[Any, Any, None]]


async def complete(
    instance: Instance, owner: Owner, size: int, is_complete: Callable[[], Awaitable[bool]], load: Callable[[], _Fill]
) -> Outcome:
    """Complete a snapshot, in this process or in another one.

    Args:
        instance: Provides threads.
        owner: The record of the snapshot.
        size: Bytes that its download needs.
        is_complete: Checks whether it is complete.
        load: Called in a thread if it is not: imports and returns the function that downloads it.

    Returns:
        How it has become complete.
    """
    disk = LocalBackend("/", instance.disk)
    if await is_complete():
        return "hit"
    fill = await disk.run(load)  # importing it would block the event loop for some milliseconds
    pause, waited = _FIRST_PAUSE, False
    while True:
        try:
            if await disk.run(lambda: owner.claim(size)):
                if await is_complete():  # another caller has just completed it
                    return "waited" if waited else "hit"
                try:
                    done = await _while_owned(owner, disk, fill)
                except StorageError:
                    if await is_complete():  # a process that was stopped has gone on, and was faster
                        return "waited"
                    if await disk.run(owner.check):
                        raise
                    done = False
                if done:
                    return "taken over" if owner.took_over else "miss"
                owner.lost = False  # stopped for too long: now another process is the owner
        finally:
            await shielded(instance.disk.run(owner.release))
        waited = True
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        if await is_complete():
            return "waited"


async def _while_owned(owner: Owner, disk: LocalBackend, work: _Fill) -> bool:
    """Run work while this process is the owner.

    Returns:
        Whether it is done. False: another process has taken over.
    """
    task = asyncio.ensure_future(work())
    try:
        while not task.done():
            await asyncio.wait((task,), timeout=_CHECK)
            if not task.done() and not await disk.run(owner.check):
                task.cancel()
                await until_done(task)
                return False
        task.result()
        return True
    except BaseException:
        if not task.done():
            task.cancel()
            await until_done(task)
        raise
    finally:
        del task  # breaks the cycle: the traceback of its error refers to this frame
