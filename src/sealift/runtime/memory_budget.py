"""The byte budget of one instance: no body is in memory that was not borrowed here.

Jobs take turns. The job whose turn it is gets the next memory that becomes free, however large its wish, and goes to
the end of the row; so a small model is not stuck behind a large one, and a large part is not starved by small ones.
"""

import asyncio
from collections import deque
from collections.abc import Hashable
from pathlib import Path

from ..errors import InvalidConfig
from ..types import MiB
from .parts_in_flight import PartsInFlight

__all__ = ["MemoryBudget", "default_budget"]

_DEFAULT = 128 * MiB
# Allocating fresh memory costs page faults, 0.1 s CPU per GB; below this size they do not matter.
_REUSE_FROM = 128 * 1024


class MemoryBudget:
    """Lends buffers, up to a number of bytes.

    Args:
        limit: Bytes.
        window: How many of them are worth lending at once.

    Example:
        >>> async def part(memory: MemoryBudget) -> None:
        ...     buffer = await memory.borrow(8 * MiB, job="iris")
        ...     try:
        ...         buffer[:4] = b"PK.."
        ...     finally:
        ...         memory.give_back(buffer)
    """

    def __init__(self, limit: int, window: PartsInFlight | None = None) -> None:
        self.limit = limit
        self._window = window or PartsInFlight()
        self._lent = 0
        self._capacity: dict[int, bytearray] = {}  # id of a lent view → its buffer
        self._idle: list[bytearray] = []
        self._waiting: dict[Hashable, deque[tuple[int, asyncio.Future[memoryview]]]] = {}

    @property
    def lent(self) -> int:
        """Bytes that are borrowed now."""
        return self._lent

    async def borrow(self, size: int, job: Hashable) -> memoryview:
        """Wait for a buffer.

        Args:
            size: Its length in bytes, at least 1.
            job: Who asks; jobs take turns.

        Returns:
            A view of exactly that length. Its content is undefined.

        Raises:
            InvalidConfig: It is larger than the whole budget, or than what the system gives this process.
        """
        if size > self.limit:
            raise InvalidConfig(
                f"{size} bytes in one piece are more than the memory budget of {self.limit} bytes",
                hint=f"Limits(memory={size}) or more",
            )
        if not self._waiting and self._fits(size):
            return self._lend(size)
        future: asyncio.Future[memoryview] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job, deque()).append((size, future))
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give_back(future.result())
            else:
                self._forget(job, future)
            raise

    def give_back(self, view: memoryview) -> None:
        """Return a borrowed buffer; nothing may touch it any more."""
        buffer = self._capacity.pop(id(view))
        view.release()
        self._lent -= len(buffer)
        self._window.moved(len(buffer), self.limit)
        if len(buffer) >= _REUSE_FROM:
            self._idle.append(buffer)
        if self._waiting:
            self._grant()

    def _forget(self, job: Hashable, future: asyncio.Future[memoryview]) -> None:
        wishes = self._waiting.get(job, deque())
        kept = deque(wish for wish in wishes if wish[1] is not future)
        if kept:
            self._waiting[job] = kept
        else:
            self._waiting.pop(job, None)
        self._grant()

    def _grant(self) -> None:
        while self._waiting:
            job, wishes = next(iter(self._waiting.items()))
            size, future = wishes[0]
            if not future.done() and not self._fits(size):
                return
            wishes.popleft()
            del self._waiting[job]
            if wishes:
                self._waiting[job] = wishes  # to the end of the row
            if not future.done():
                try:
                    future.set_result(self._lend(size))
                except InvalidConfig as error:  # not of who gives back
                    future.set_exception(error)

    def _fits(self, size: int) -> bool:
        return self._lent + size <= min(self.limit, self._window.bound(size))

    def _lend(self, size: int) -> memoryview:
        if not self._lent:
            self._window.restart()
        buffer = self._take_idle(size)
        self._lent += len(buffer)
        view = memoryview(buffer)[:size]
        self._capacity[id(view)] = buffer
        return view

    def _take_idle(self, size: int) -> bytearray:
        """The smallest idle buffer that fits without wasting budget, or a new one in place of idle ones."""
        room = min(2 * size, self.limit - self._lent)
        # The last one that came back first: it may still be in the processor's cache.
        fitting = [buffer for buffer in reversed(self._idle) if size <= len(buffer) <= room]
        if fitting and size >= _REUSE_FROM:
            best = min(fitting, key=len)
            self._idle = [buffer for buffer in self._idle if buffer is not best]
            return best
        while self._idle and self._lent + size + sum(map(len, self._idle)) > self.limit:
            self._idle.pop(0)
        try:
            return bytearray(size)
        except MemoryError:
            hint = f"Limits(memory=…) of less than {self.limit}"
            raise InvalidConfig(f"the system gives this process no {size} bytes more", hint=hint) from None


def default_budget(membership: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")) -> int:
    """128 MiB, or a quarter of the control group's memory limit where that is less.

    Reads the limits of this process's control group and of all above it, in version 2 (`memory.max`,
    https://docs.kernel.org/admin-guide/cgroup-v2.html) and version 1 (`memory.limit_in_bytes`).

    Args:
        membership: The file that names the process's control groups.
        mounted: Where the control groups are mounted.
    """
    limits = [_DEFAULT * 4]
    try:
        memberships = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        memberships = []
    for line in memberships:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, name = mounted, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = mounted / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = root / path.lstrip("/")
        for directory in (group, *group.parents):
            limits += _limit_of(directory / name)
            if directory == root:
                break
    return min(limits) // 4


def _limit_of(file: Path) -> list[int]:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:  # a group without this limit, or one of another namespace
        return []
    return [int(text)] if text.isdigit() else []
