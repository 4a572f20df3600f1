"""Move small objects in bundles: a few lanes carry them out one after the other, without a task for each object.

    feeder ─▶ queue ─▶ lane: [ read ▸ verify ▸ store ] [ read ▸ verify ▸ store ] … ─▶ results, a batch at a time

A lane moves an object only if nothing goes wrong. Everything else (an error of the service, a broken connection, wrong
bytes, a full disk) is left to `whole.py`, which starts that object again, with its retries and its errors.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress

from ..errors import ObjectExists, StorageError
from ..lane_contract import Lane, SmallObjects
from ..runtime import part_sizes
from ..types import KiB, ObjectInfo
from ..types.properties import Properties
from .context import JobContext
from .transfer import Transfer
from .verification import compare_whole

__all__ = ["Bundles"]

_SMALL = 256 * KiB
# Objects that are listed and not moved yet.
_AHEAD = 1024
# Seconds after which a lane gives its connection back, so that other requests get their turn.
_TURN = 0.05
# Seconds that a lane sleeps when it has caught up with the listing. Waking it for each object would cost more.
_PAUSE = 0.001
# Objects after which the listing lets other threads run.
_YIELD = 16
# Before the first request has ended, as many lanes as this, or more with a distant server, move one object each.
_FIRST_LANES = 16
_FEWEST_LANES = 1
# Seconds of interpreter time that the two objects of a lane's connections take. While one lane waits, others use it.
_BUSY = 0.0003
# A turn has stalled if it lasts for as long as so many requests, none of which counts as less than the seconds below.
_STALLED_REQUESTS = 10
_SHORTEST_REQUEST = 0.02
# Failures after which the lanes give up, if they are more than the successes.
_MANY_FAILURES = 16


class _Turn:
    """What a lane has done before it gave its connection back.

    Attributes:
        moved: The objects that it has moved, with their properties, the checksum and what the destination returned.
        failed: An object that it has given up.
        error: Why.
    """

    __slots__ = ("error", "failed", "moved")

    def __init__(self, failed: Transfer | None = None) -> None:
        self.error: Exception | None = None
        self.moved: list[tuple[Transfer, Properties, str, ObjectInfo]] = []
        self.failed = failed


class Bundles:
    """The small objects of one job.

    One of the two ends has connections, and the other one works in any thread (`SmallObjects`). Otherwise, nothing
    `fits`.

    Args:
        context: The job.
        group: The job's tasks.
        move_alone: Called with each object that a lane has given up.
    """

    def __init__(
        self, context: JobContext, group: asyncio.TaskGroup, move_alone: Callable[[Transfer], Awaitable[None]]
    ) -> None:
        self._context = context
        self._group = group
        self._move_alone = move_alone
        instance = context.instance
        part = part_sizes.part_size(1, context.destination.capabilities, instance.limits, instance.memory.limit)
        self._limit = min(_SMALL, part)
        self._in_use: bool | None = None  # None: not known before the first small object
        self._connections = min(instance.limits.connections, instance.limits.per_host)
        # Each has two connections, if there are enough.
        self._most_lanes = max(1, self._connections // 2)
        self._waiting: deque[Transfer] = deque()
        self._lanes = 0
        self._stalled = 0  # lanes whose turn lasts too long, because a response does not arrive
        self._idle: list[asyncio.Future[None]] = []
        self._room: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._closing = False
        self._fastest: float | None = None
        self._added = self._moved = self._failed = 0
        self._wanted = min(_FIRST_LANES, self._most_lanes)

    def fits(self, transfer: Transfer) -> bool:
        """Whether `add` takes an object."""
        obj = transfer.obj
        small = (
            obj.size is not None
            and 0 < obj.size <= self._limit
            and transfer.listed
            and obj.version is not None
            and obj.ranged
        )
        if small and self._in_use is None:
            self._in_use = self._open_lane() is not None
        return small and bool(self._in_use)

    async def add(self, transfer: Transfer) -> None:
        """Move an object soon; waits while many are waiting."""
        self._waiting.append(transfer)
        self._added += 1
        if self._idle:
            _wake(self._idle.pop())
        elif self._lanes - self._stalled < self._wanted:
            self._start_lanes()
        if len(self._waiting) >= _AHEAD:
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        elif not self._added % _YIELD:
            await asyncio.sleep(0)

    async def finish(self) -> None:
        """Wait until all objects have been moved or given up."""
        self._closing = True
        while self._idle:
            _wake(self._idle.pop())
        if self._lanes:
            self._ended = asyncio.get_running_loop().create_future()
            await self._ended

    def _open_lane(self) -> AbstractAsyncContextManager[Lane] | None:
        """Open a lane to the end that has connections; None: it has none, or both have."""
        source, destination = self._context.source, self._context.destination
        if destination.small_objects is not None:
            return source.open_lane()
        return None if source.small_objects is None else destination.open_lane()

    def _start_lanes(self) -> None:
        missing, possible = self._wanted - (self._lanes - self._stalled), self._connections - self._lanes
        for _ in range(min(missing, possible, len(self._waiting))):
            self._lanes += 1
            self._group.create_task(self._run_lane())

    async def _run_lane(self) -> None:
        while self._waiting or not self._closing:
            if not self._waiting:
                self._idle.append(waiting := asyncio.get_running_loop().create_future())
                await waiting
            elif self._lanes - self._stalled > self._wanted:
                break
            else:
                await self._take_turn()
        self._lanes -= 1
        if self._ended is not None and not self._lanes:
            _wake(self._ended)

    async def _take_turn(self) -> None:
        memory = self._context.instance.memory
        buffer = await memory.borrow(self._limit, self._context)
        try:
            turn = await self._use_lane(buffer)
        finally:
            memory.give_back(buffer)
        if self._room is not None and len(self._waiting) < _AHEAD:
            _wake(self._room)
        self._start_lanes()
        for transfer, properties, verified, stored in turn.moved if self._context.is_observed else ():
            size = transfer.obj.size or 0
            self._context.emit("progress", transfer, size)
            self._context.report_stored(transfer, size, verified, properties, stored)
        self._moved += len(turn.moved)
        if turn.failed is not None:
            self._failed += 1
            if not self._context.overwrite and not isinstance(turn.error, ObjectExists):
                self._context.new_objects.unanswered(turn.failed.key)
            await self._wait_as_asked(turn.failed, turn.error)
            await self._move_alone(turn.failed)
            if self._failed >= max(_MANY_FAILURES, self._moved):
                self._in_use = False
                while self._waiting:
                    await self._move_alone(self._waiting.popleft())
                if self._room is not None:  # no later turn makes room
                    _wake(self._room)

    async def _wait_as_asked(self, transfer: Transfer, error: Exception | None) -> None:
        """Wait if the service has asked for it, or for fewer requests; counts as a retry.

        If no retry is left, the object is moved alone at once: its own request has the service's error.
        """
        errors = [error] if isinstance(error, StorageError) and (error.retry_after or error.throttled) else []

        async def fail_once() -> None:
            if errors:
                raise errors.pop()

        with suppress(StorageError):
            await self._context.retry(transfer, fail_once)

    async def _use_lane(self, buffer: memoryview) -> _Turn:
        opening = self._open_lane()
        if opening is None:  # a redirect has led to a host behind a proxy
            return _Turn(self._take())
        try:
            async with opening as lane:
                if self._fastest is None:  # no request has ended, but the kernel has measured the round trip
                    self._choose_lanes(lane.fastest, _FIRST_LANES)
                    self._start_lanes()
                turn = await self._run_turn(lane, buffer)
                if turn.moved:
                    self._measure(lane.fastest)
                return turn
        except StorageError:
            return _Turn(self._take())

    async def _run_turn(self, lane: Lane, buffer: memoryview) -> _Turn:
        """Use a lane for one turn. If it stalls, another lane moves the objects that wait."""
        task, stalled = asyncio.current_task(), False

        def replace_lane() -> None:
            nonlocal stalled
            if task is not None and not task.cancelling():
                stalled = True
                self._stalled += 1
                self._start_lanes()

        longest = _TURN + _STALLED_REQUESTS * max(lane.fastest, _SHORTEST_REQUEST)
        timer = asyncio.get_running_loop().call_later(longest, replace_lane)
        try:
            return await lane.run(lambda: self._move(lane, buffer))
        finally:
            timer.cancel()
            self._stalled -= stalled

    def _measure(self, fastest: float) -> None:
        """Take the time of the fastest request of a turn into account."""
        self._fastest = fastest if self._fastest is None else (self._fastest + fastest) / 2
        self._choose_lanes(self._fastest, _FEWEST_LANES)

    def _choose_lanes(self, request: float, fewest: int) -> None:
        """Choose how many lanes keep the interpreter busy, given the seconds that a request takes."""
        self._wanted = min(max(fewest, round(request / _BUSY)), self._most_lanes)

    def _take(self) -> Transfer | None:
        try:
            return self._waiting.popleft()
        except IndexError:  # another lane was faster
            return None

    def _move(self, lane: Lane, buffer: memoryview) -> _Turn:
        """Move objects until the turn ends; blocks."""
        reads = self._context.source.small_objects is None
        source = self._context.source.small_objects or lane
        destination = self._context.destination.small_objects or lane
        turn, until = _Turn(), time.monotonic() + (_TURN if self._fastest is not None else 0)
        taken: deque[Transfer] = deque()  # not moved yet; if the lane reads, they are requested
        ahead = lane.ahead if reads else 0
        more = True
        try:
            while True:
                while more and len(taken) <= ahead and (transfer := self._take()) is not None:
                    taken.append(transfer)
                    if reads:
                        lane.ask(transfer.obj)
                if not taken:
                    if not more or self._closing or time.monotonic() >= until:
                        break
                    time.sleep(_PAUSE)
                    continue
                transfer = taken[0]
                with buffer[: transfer.obj.size] as data:
                    turn.moved.append((transfer, *self._move_one(transfer, data, source, destination)))
                taken.popleft()
                more = more and time.monotonic() < until and lane.usable
        except Exception as error:  # noqa: BLE001 - moved again by `move_alone`, which raises it if it persists
            turn.failed, turn.error = taken.popleft(), error
            self._waiting.extendleft(reversed(taken))
        return turn

    def _move_one(
        self, transfer: Transfer, data: memoryview, source: SmallObjects, destination: SmallObjects
    ) -> tuple[Properties, str, ObjectInfo]:
        obj, verification = transfer.obj, self._context.verification
        head = source.read(obj, data)
        algorithm = compare_whole(obj, head, data) if verification.wanted else None
        verification.before_writing(obj, algorithm)
        properties = self._context.written_properties(transfer, obj.properties)
        stored = destination.put(transfer.key, data, properties, overwrite=self._context.overwrite)
        return properties, verification.outcome(obj, algorithm, stored), stored


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
