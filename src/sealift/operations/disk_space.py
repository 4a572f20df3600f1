"""Whether a disk has room for what a listing has told of so far."""

import os
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing, suppress

from ..backends.local import existing, free_space, taken_space
from ..engine.transfer import Transfer
from ..errors import LocalIOError

__all__ = ["within_space"]

# Of so many objects the sizes are added up before the first is moved: less than a page of any service's listing.
_AHEAD = 256


async def within_space(
    transfers: AsyncGenerator[Transfer], directory: str, state: str, run: Callable[[Callable[[], int]], Awaitable[int]]
) -> AsyncGenerator[Transfer]:
    """Pass transfers on while there is room for the files of all of them so far, without those that they replace.

    What else takes or gives room meanwhile is not seen: then the disk itself says that it is full.

    Args:
        transfers: Their keys are paths below the directory.
        directory: Where the files will be; it need not exist yet.
        state: The dot directory. What it holds of earlier downloads is taken for a part of these files.
        run: Runs blocking work in a thread.

    Raises:
        LocalIOError: There is not enough.
    """
    needed, room = 0, await run(lambda: free_space(existing(directory)) + _held(state))
    ahead: deque[Transfer] = deque()
    ahead_of_all = True
    unseen: list[str] = []  # what may replace a file, whose size matters only when the room gets scarce
    async with aclosing(transfers):
        async for transfer in transfers:
            needed += transfer.obj.size or 0
            unseen.append(transfer.key)
            if needed > room:
                replacing, unseen = unseen, []
                room += await run(lambda: _replaced(directory, replacing))  # noqa: B023 - awaited here
            if needed > room:
                raise LocalIOError(
                    f"{directory} needs {needed} bytes or more, but its disk has only {room} bytes free",
                    hint="free some space or choose another directory",
                )
            ahead.append(transfer)
            ahead_of_all = ahead_of_all and len(ahead) < _AHEAD
            while ahead and not ahead_of_all:
                yield ahead.popleft()
        while ahead:
            yield ahead.popleft()


def _held(state: str) -> int:
    """Bytes that files in the dot directory take; some have a size already, and most of their blocks not yet."""
    held = 0
    for directory, _, names in os.walk(state):
        for name in names:
            with suppress(OSError):  # somebody else's, and gone
                held += taken_space(os.lstat(os.path.join(directory, name)))
    return held


def _replaced(directory: str, keys: Iterable[str]) -> int:
    """Bytes that come back when files are replaced."""
    freed = 0
    for key in keys:
        with suppress(OSError):  # there is none
            status = os.lstat(os.path.join(directory, key))
            freed += max(status.st_size, taken_space(status)) if status.st_nlink == 1 else 0
    return freed
