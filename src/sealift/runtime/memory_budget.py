"""The memory budget of one instance: every object body in memory is in a buffer borrowed here.

Jobs take turns. The job at the front of the queue gets the next free memory, however large its request, and moves to
the back. So a small model does not wait for a large one, and large parts are not starved by small ones.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING

from ..errors import InvalidConfig
from ..types import MiB
from .control_groups import MEMBERSHIP, MOUNTED, memory_limit
from .large_buffer import allocate
from .parts_in_flight import PartsInFlight

if TYPE_CHECKING:
    import mmap

    _Buffer = bytearray | mmap.mmap

__all__ = ["MemoryBudget", "default_budget"]

_DEFAULT = 128 * MiB
# Fresh memory costs page faults, 0.1 s CPU per GB; below this size reusing buffers is not worth it.
_REUSE_FROM = 128 * 1024
# Seconds after which a buffer that is lent no longer counts as in flight: its part has stalled, waits to be retried, or
# is slow, so it uses hardly any CPU time, and the parts of other hosts must not wait for it.
_SLOW = 2.0


class _Loan:
    """A buffer that is lent.

    Attributes:
        buffer: The buffer.
        size: Bytes that pass through it.
        job: Identifies the job that has it.
        in_flight: How many of them count as in flight.
        since: Time at which it was lent.
    """

    __slots__ = ("buffer", "in_flight", "job", "since", "size")

    def __init__(self, buffer: "_Buffer", size: int, job: Hashable) -> None:
        self.buffer = buffer
        self.job = job
        self.size = self.in_flight = size
        self.since = time.monotonic()


class MemoryBudget:
    """Lends buffers, up to a total number of bytes.

    Args:
        limit: The total in bytes.
        in_flight: Limits the bytes lent at once, below `limit`, to what keeps the threads busy.
        bandwidth: Bytes per second that may be moved; None: no limit. What takes long because of it is not slow.

    Example:
        >>> async def part(memory: MemoryBudget) -> None:
        ...     buffer = await memory.borrow(8 * MiB, job="iris")
        ...     try:
        ...         buffer[:4] = b"PK.."
        ...     finally:
        ...         memory.give_back(buffer)
    """

    def __init__(self, limit: int, in_flight: PartsInFlight | None = None, *, bandwidth: int | None = None) -> None:
        self.limit = limit
        self._slow = _SLOW if bandwidth is None else _SLOW + limit / bandwidth
        self._in_flight = in_flight or PartsInFlight()
        self._lent = 0
        self._moving: dict[Hashable, int] = {}  # job → bytes in flight
        self._loans: dict[int, _Loan] = {}  # id of a lent view → its loan
        self._timer: asyncio.TimerHandle | None = None  # runs while requests wait
        self._idle: list[_Buffer] = []
        self._waiting: dict[Hashable, deque[tuple[int, int, bool, asyncio.Future[memoryview]]]] = {}

    @property
    def lent(self) -> int:
        """Bytes that are currently borrowed."""
        return self._lent

    async def borrow(self, size: int, job: Hashable, *, moves: int | None = None, one_file: bool = False) -> memoryview:
        """Wait for a buffer.

        Args:
            size: Length of the buffer in bytes, at least 1.
            job: Identifies the job; jobs take turns.
            moves: Bytes that will pass through the buffer, if they are more than its size. They count as in flight.
            one_file: Whether the job writes one file only, so that fewer of its bytes may be in flight.

        Returns:
            A view of exactly that length, with undefined content.

        Raises:
            InvalidConfig: The buffer is larger than the whole budget, or the system cannot allocate it.
        """
        if size > self.limit:
            raise InvalidConfig(
                f"a buffer of {size} bytes is larger than the memory budget of {self.limit} bytes",
                hint=f"Limits(memory={size}) or more",
            )
        moves = size if moves is None else moves
        if not self._waiting and self._fits(size, moves) and not (one_file and self._is_busy(job, moves)):
            return self._lend(size, moves, job)
        future: asyncio.Future[memoryview] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job, deque()).append((size, moves, one_file, future))
        self._serve_waiting()  # those before it may wait for bytes of their own job
        if not future.done():
            self._look_for_slow_later()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give_back(future.result())
            else:
                self._forget(job, future)
            raise

    def give_back(self, view: memoryview) -> None:
        """Return a borrowed buffer, which must not be used afterwards."""
        loan = self._loans.pop(id(view))
        view.release()
        self._lent -= len(loan.buffer)
        self._land(loan)
        self._in_flight.moved(loan.size, full=2 * self._lent >= self.limit)
        if len(loan.buffer) >= _REUSE_FROM:
            self._idle.append(loan.buffer)
        if self._waiting:
            self._serve_waiting()

    def _land(self, loan: _Loan) -> None:
        """Count the bytes of a loan as in flight no longer."""
        left = self._moving.pop(loan.job, 0) - loan.in_flight
        loan.in_flight = 0
        if left:
            self._moving[loan.job] = left

    def _look_for_slow_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SLOW / 4, self._look_for_slow)

    def _look_for_slow(self) -> None:
        """Count slow parts as in flight no longer, and serve requests that waited for them."""
        self._timer = None
        latest = time.monotonic() - self._slow
        for loan in self._loans.values():
            if loan.since <= latest:
                self._land(loan)
        self._serve_waiting()
        if self._waiting:
            self._look_for_slow_later()

    def _forget(self, job: Hashable, future: asyncio.Future[memoryview]) -> None:
        requests = self._waiting.get(job, deque())
        kept = deque(request for request in requests if request[-1] is not future)
        if kept:
            self._waiting[job] = kept
        else:
            self._waiting.pop(job, None)
        self._serve_waiting()

    def _serve_waiting(self) -> None:
        served = True
        while served:
            served = False
            for job, requests in list(self._waiting.items()):
                size, moves, one_file, future = requests[0]
                if not future.done():
                    if one_file and self._is_busy(job, moves):
                        continue  # others need not wait for it
                    if not self._fits(size, moves):
                        return
                served = True
                requests.popleft()
                del self._waiting[job]
                if requests:
                    self._waiting[job] = requests  # to the back of the queue
                if not future.done():
                    try:
                        future.set_result(self._lend(size, moves, job))
                    except InvalidConfig as error:  # for the borrower, not for the caller that returned a buffer
                        future.set_exception(error)

    def _fits(self, size: int, moves: int) -> bool:
        moving = sum(self._moving.values())
        return self._lent + size <= self.limit and moving + moves <= self._in_flight.bound(moves)

    def _is_busy(self, job: Hashable, moves: int) -> bool:
        """Whether a job that writes one file has to wait until some of its own bytes have arrived."""
        return self._moving.get(job, 0) + moves > self._in_flight.bound(moves, one_file=True)

    def _lend(self, size: int, moves: int, job: Hashable) -> memoryview:
        if not self._lent:
            self._in_flight.restart()
        buffer = self._take_idle(size)
        self._lent += len(buffer)
        self._moving[job] = self._moving.get(job, 0) + moves
        view = memoryview(buffer)[:size]
        self._loans[id(view)] = _Loan(buffer, moves, job)
        return view

    def _take_idle(self, size: int) -> "_Buffer":
        """The smallest idle buffer that fits without wasting budget, or a new one; frees idle buffers for it."""
        room = min(2 * size, self.limit - self._lent)
        # Most recently returned first: it may still be in the CPU cache.
        fitting = [buffer for buffer in reversed(self._idle) if size <= len(buffer) <= room]
        if fitting and size >= _REUSE_FROM:
            best = min(fitting, key=len)
            self._idle = [buffer for buffer in self._idle if buffer is not best]
            return best
        while self._idle and self._lent + size + sum(map(len, self._idle)) > self.limit:
            self._idle.pop(0)
        try:
            return allocate(size) if size >= _REUSE_FROM else bytearray(size)
        except MemoryError:
            hint = f"use a memory budget below {self.limit} bytes: Limits(memory=…)"
            raise InvalidConfig(f"the system cannot allocate {size} more bytes to this process", hint=hint) from None


def default_budget(membership: str | os.PathLike[str] = MEMBERSHIP, mounted: str | os.PathLike[str] = MOUNTED) -> int:
    """128 MiB, or a quarter of the control groups' memory limit if that is less; arguments as in `memory_limit`."""
    return min(_DEFAULT, (memory_limit(membership, mounted) or 4 * _DEFAULT) // 4)
