"""Checking that the disk has room for the objects listed so far."""

import os
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing, suppress

from ..backends.local import existing, free_space, taken_space
from ..compressed_list import CompressedList
from ..engine.transfer import Transfer
from ..errors import LocalIOError

__all__ = ["within_space"]

# The sizes of this many objects are added up before the first is transferred: less than a page of any listing.
_AHEAD = 256


async def within_space(
    transfers: AsyncGenerator[Transfer], directory: str, state: str, run: Callable[[Callable[[], int]], Awaitable[int]]
) -> AsyncGenerator[Transfer]:
    """Pass transfers on while the disk has room for all of them so far; files that they replace count as free.

    Space that other processes use or free in the meantime is not seen: the disk itself then reports that it is full.

    Args:
        transfers: Transfers whose keys are paths below the directory.
        directory: Directory of the files; it need not exist yet.
        state: The `.sealift` directory. Data of earlier downloads in it counts as part of these files.
        run: Runs blocking work in a thread.

    Raises:
        LocalIOError: There is not enough space.
    """

    def free(*, new: bool) -> int:
        return free_space(existing(directory)) + (0 if new else _held(state))

    # The files of a new directory stay in the `.sealift` directory until it is complete, so they can be added up later.
    new = bool(await run(lambda: not os.path.isdir(directory)))
    needed, room = 0, await run(lambda: free(new=new))
    ahead: deque[Transfer] = deque()
    filling = True
    # Paths of files that may be replaced: checked only when space gets scarce.
    unchecked: CompressedList[str] = CompressedList()
    async with aclosing(transfers):
        async for transfer in transfers:
            needed += transfer.obj.size or 0
            if not new:  # nothing is replaced in a new directory
                unchecked.append(transfer.key)
            if needed > room and new:
                room = await run(lambda: free(new=False))
            if needed > room:
                replacing, unchecked = unchecked, CompressedList()
                room += await run(lambda: _replaced(directory, replacing))  # noqa: B023 - awaited here
            if needed > room:
                raise LocalIOError(
                    f"{directory} needs {needed} bytes or more, but its disk has only {room} bytes free",
                    hint="free some space or choose another directory",
                )
            ahead.append(transfer)
            filling = filling and len(ahead) < _AHEAD
            while ahead and not filling:
                yield ahead.popleft()
        while ahead:
            yield ahead.popleft()


def _held(state: str) -> int:
    """Bytes that files in the `.sealift` directory occupy; a sparse file counts by its blocks, not its size."""
    held = 0
    for directory, _, names in os.walk(state):
        for name in names:
            with suppress(OSError):  # removed by another process
                held += taken_space(os.lstat(os.path.join(directory, name)))
    return held


def _replaced(directory: str, keys: Iterable[str]) -> int:
    """Bytes that are freed when files are replaced."""
    freed = 0
    for key in keys:
        with suppress(OSError):  # there is no such file
            status = os.lstat(os.path.join(directory, key))
            freed += max(status.st_size, taken_space(status)) if status.st_nlink == 1 else 0
    return freed
