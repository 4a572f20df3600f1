"""The memory budget: never exceeded, lent to jobs in turn, and complete again after a cancellation."""

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.errors import InvalidConfig
from sealift.runtime.memory_budget import MemoryBudget, default_budget
from sealift.runtime.parts_in_flight import PartsInFlight
from sealift.types import KiB, MiB

pytestmark = pytest.mark.anyio


def held(memory: MemoryBudget) -> int:
    """Bytes that the budget keeps alive: lent ones, and idle ones kept for the next borrower."""
    return memory.lent + sum(map(len, memory._idle))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Borrowers:
    """Tasks that borrow memory and record the order in which they got it."""

    def __init__(self, memory: MemoryBudget) -> None:
        self.memory = memory
        self.served: list[str] = []
        self.views: dict[str, memoryview] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, name: str, size: int, job: str, *, one_file: bool = False) -> None:
        async def borrow() -> None:
            self.views[name] = await self.memory.borrow(size, job, one_file=one_file)
            self.served.append(name)

        self.tasks[name] = asyncio.ensure_future(borrow())

    def give_back(self, name: str) -> None:
        self.memory.give_back(self.views.pop(name))

    async def finish(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def test_a_view_has_exactly_the_length_asked_for() -> None:
    memory = MemoryBudget(MiB)
    view = await memory.borrow(1000, "job")
    assert (len(view), view.readonly, memory.lent) == (1000, False, 1000)
    view[:] = bytes(1000)
    memory.give_back(view)
    assert memory.lent == 0
    with pytest.raises(ValueError, match="released"):
        view[0]


async def test_more_than_the_whole_budget_is_an_error_that_names_the_limit() -> None:
    memory = MemoryBudget(1000)
    with pytest.raises(InvalidConfig, match=r"1001 bytes .* budget of 1000 bytes \(Limits\(memory=1001\)"):
        await memory.borrow(1001, "job")
    view = await memory.borrow(1000, "job")
    memory.give_back(view)


async def test_jobs_take_turns() -> None:
    memory = MemoryBudget(100)
    borrowers = Borrowers(memory)
    borrowers.begin("first", 100, "a")
    await settle()
    for name, job in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c"), ("b2", "b")):
        borrowers.begin(name, 100, job)
    await settle()
    for name in ("first", "a1", "b1", "c1", "a2", "b2"):
        borrowers.give_back(name)
        await settle()
    assert borrowers.served == ["first", "a1", "b1", "c1", "a2", "b2", "a3"]
    borrowers.give_back("a3")
    assert memory.lent == 0


async def test_a_large_wish_is_not_starved_by_small_ones() -> None:
    memory = MemoryBudget(100)
    borrowers = Borrowers(memory)
    borrowers.begin("small 1", 50, "small")
    borrowers.begin("small 2", 50, "small")
    borrowers.begin("large", 100, "large")
    borrowers.begin("small 3", 10, "small")
    await settle()
    assert borrowers.served == ["small 1", "small 2"]
    borrowers.give_back("small 1")
    await settle()
    assert borrowers.served == ["small 1", "small 2"]  # the large one is next, so the small one waits
    borrowers.give_back("small 2")
    await settle()
    borrowers.give_back("large")
    await settle()
    assert borrowers.served == ["small 1", "small 2", "large", "small 3"]
    await borrowers.finish()


async def test_nobody_jumps_the_queue() -> None:
    memory = MemoryBudget(100)
    borrowers = Borrowers(memory)
    borrowers.begin("half", 50, "a")
    borrowers.begin("whole", 100, "b")
    await settle()
    borrowers.begin("late", 10, "c")  # would fit
    await settle()
    assert borrowers.served == ["half"]
    borrowers.give_back("half")
    await settle()
    assert borrowers.served == ["half", "whole"]
    await borrowers.finish()


async def test_a_job_that_writes_one_file_waits_for_its_own_bytes_and_holds_up_no_other() -> None:
    part = 8 * MiB
    busy = PartsInFlight(itertools.count().__next__, itertools.count().__next__, cpus=2)  # always one CPU
    memory = MemoryBudget(8 * part, busy)  # two in flight, and one of each file
    borrowers = Borrowers(memory)
    for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
        borrowers.begin(name, part, name[0], one_file=True)
    await settle()
    assert borrowers.served == ["a1", "b1"]
    for given_back, served in (("b1", "b2"), ("a1", "a2"), ("b2", "c1"), ("a2", "a3")):
        borrowers.give_back(given_back)
        await settle()
        assert borrowers.served[-1] == served
    assert len(borrowers.served) == 6
    await borrowers.finish()


async def test_a_cancelled_waiter_lets_the_next_one_pass() -> None:
    memory = MemoryBudget(100)
    borrowers = Borrowers(memory)
    borrowers.begin("half", 50, "a")
    borrowers.begin("whole", 100, "b")
    borrowers.begin("small", 10, "c")
    await settle()
    borrowers.tasks["whole"].cancel()
    await settle()
    assert borrowers.served == ["half", "small"]
    await borrowers.finish()


async def test_cancelled_just_after_the_grant_gives_back() -> None:
    memory = MemoryBudget(100)
    borrowers = Borrowers(memory)
    borrowers.begin("first", 100, "a")
    borrowers.begin("second", 100, "b")
    borrowers.begin("third", 100, "c")
    await settle()
    borrowers.give_back("first")  # grants to the second, which has not run yet
    borrowers.tasks["second"].cancel()
    await settle()
    assert borrowers.served == ["first", "third"]
    assert memory.lent == 100
    borrowers.give_back("third")
    assert memory.lent == 0
    await borrowers.finish()


async def test_large_buffers_are_reused() -> None:
    memory = MemoryBudget(4 * MiB)
    view = await memory.borrow(MiB, "job")
    view[:4] = b"mark"
    memory.give_back(view)
    again = await memory.borrow(MiB - 10, "job")
    assert bytes(again[:4]) == b"mark"
    assert len(again) == MiB - 10
    memory.give_back(again)
    assert memory.lent == 0


async def test_what_stalls_does_not_hold_up_other_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that makes no progress uses no CPU time, so it counts as in flight for a moment only."""
    monkeypatch.setattr("sealift.runtime.memory_budget._SLOW", 0.02)
    memory = MemoryBudget(100 * MiB, PartsInFlight(cpus=2))
    stalled = [await memory.borrow(KiB, "stalled", moves=8 * MiB) for _ in range(2)]
    waiting = asyncio.ensure_future(memory.borrow(KiB, "stalled", moves=8 * MiB))
    other = asyncio.ensure_future(memory.borrow(KiB, "other", moves=8 * MiB))
    await settle()
    assert not waiting.done()
    assert not other.done()
    for view in [*stalled, await waiting, await other]:
        memory.give_back(view)
    assert (memory.lent, memory._moving, memory._loans) == (0, {}, {})


async def test_what_a_bandwidth_limit_slows_down_is_not_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealift.runtime.memory_budget._SLOW", 0.0)
    memory = MemoryBudget(64 * MiB, PartsInFlight(cpus=1), bandwidth=MiB)
    view = await memory.borrow(KiB, "job", moves=8 * MiB)
    waiting = asyncio.ensure_future(memory.borrow(KiB, "job", moves=8 * MiB))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    memory.give_back(view)
    memory.give_back(await waiting)


async def test_a_much_larger_idle_buffer_is_not_wasted_on_a_small_wish() -> None:
    memory = MemoryBudget(8 * MiB)
    memory.give_back(await memory.borrow(4 * MiB, "job"))
    view = await memory.borrow(MiB, "job")
    assert memory.lent == MiB
    memory.give_back(view)


@pytest.mark.parametrize("size", [64 * KiB, 512 * KiB])
async def test_idle_buffers_count_too(size: int) -> None:
    memory = MemoryBudget(4 * MiB)
    memory.give_back(await memory.borrow(4 * MiB, "job"))
    views = [await memory.borrow(size, "job") for _ in range(4 * MiB // size)]
    assert held(memory) == memory.lent == 4 * MiB
    for view in views:
        memory.give_back(view)


async def test_two_borrowers_never_share_bytes() -> None:
    memory = MemoryBudget(4 * MiB)
    views = [await memory.borrow(256 * KiB, index % 3) for index in range(16)]
    for view in views[::2]:
        memory.give_back(view)
    views = views[1::2] + [await memory.borrow(200 * KiB, "job") for _ in range(8)]
    for index, view in enumerate(views):
        view[:] = bytes([index]) * len(view)
    assert all(bytes(view) == bytes([index]) * len(view) for index, view in enumerate(views))


def run(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(function())


@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([100, 1000, MiB, 3 * MiB]))
def test_any_sequence_keeps_the_limit_and_serves_everyone(seed: int, steps: int, limit: int) -> None:
    dice = random.Random(seed)

    async def play() -> None:
        memory, jobs = MemoryBudget(limit, PartsInFlight(cpus=2)), "abc"
        borrowers = Borrowers(memory)
        for step in range(steps):
            action = dice.random()
            if action < 0.6:
                borrowers.begin(str(step), dice.randint(1, limit), dice.choice(jobs), one_file=dice.random() < 0.5)
            elif action < 0.85 and borrowers.views:
                borrowers.give_back(dice.choice(list(borrowers.views)))
            elif borrowers.tasks:
                borrowers.tasks[dice.choice(list(borrowers.tasks))].cancel()
            if dice.random() < 0.5:
                await settle()
            assert memory.lent <= memory.limit
            assert held(memory) <= memory.limit
        while not all(task.done() for task in borrowers.tasks.values()):
            await settle()
            for name in list(borrowers.views):
                borrowers.give_back(name)
        assert all(task.cancelled() or name in borrowers.served for name, task in borrowers.tasks.items())
        for name in list(borrowers.views):
            borrowers.give_back(name)
        assert memory.lent == 0
        assert not memory._waiting
        assert not memory._loans
        assert not memory._moving

    run(play)


NO_MACHINE_HAS = 1 << 60


async def test_memory_that_the_system_does_not_give_is_an_error_of_who_asks_for_it() -> None:
    memory = MemoryBudget(NO_MACHINE_HAS)
    with pytest.raises(InvalidConfig, match=rf"cannot allocate {NO_MACHINE_HAS} more bytes .*Limits\(memory=…\)"):
        await memory.borrow(NO_MACHINE_HAS, "a")
    first = await memory.borrow(1, "a")
    tasks = [asyncio.ensure_future(memory.borrow(size, job)) for size, job in ((NO_MACHINE_HAS, "b"), (2, "c"))]
    await settle()
    assert not any(task.done() for task in tasks)
    memory.give_back(first)  # no error here: this job has its memory
    with pytest.raises(InvalidConfig):
        await tasks[0]
    memory.give_back(await tasks[1])  # the job behind it gets its memory
    assert (memory.lent, memory._waiting, memory._loans) == (0, {}, {})


class Cgroups:
    """A directory that looks like /sys/fs/cgroup, and a file that looks like /proc/self/cgroup."""

    def __init__(self, root: Path) -> None:
        self.mounted = root / "cgroup"
        self.membership = root / "self"

    def limit(self, file: str, text: str) -> None:
        path = self.mounted / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    def budget(self, membership: str) -> int:
        self.membership.write_text(f"{membership}\n")
        return default_budget(self.membership, self.mounted)


@pytest.fixture
def cgroups(tmp_path: Path) -> Cgroups:
    return Cgroups(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "membership", "budget"),
    [
        ("pod/box/memory.max", str(256 * MiB), "0::/pod/box", 64 * MiB),
        ("pod/memory.max", str(256 * MiB), "0::/pod/box", 64 * MiB),
        ("memory.max", str(100 * MiB), "0::/", 25 * MiB),
        ("pod/memory.max", "max", "0::/pod", 128 * MiB),
        ("pod/memory.max", str(64 << 30), "0::/pod", 128 * MiB),
        ("other/memory.max", str(MiB), "0::/pod", 128 * MiB),
        ("memory/pod/memory.limit_in_bytes", str(256 * MiB), "4:cpu,cpuacct:/x\n3:memory:/pod", 64 * MiB),
        ("memory/pod/memory.limit_in_bytes", str(0x7FFFFFFFFFFFF000), "3:memory:/pod", 128 * MiB),
        ("memory/memory.limit_in_bytes", str(256 * MiB), "3:memory:/of/the/host", 64 * MiB),
        ("pod/memory.max", str(256 * MiB), "1:name=systemd:/pod", 128 * MiB),
    ],
)
def test_the_budget_by_default(cgroups: Cgroups, file: str, text: str, membership: str, budget: int) -> None:
    cgroups.limit(file, text)
    assert cgroups.budget(membership) == budget


def test_the_tightest_limit_on_the_way_up_counts(cgroups: Cgroups) -> None:
    cgroups.limit("a/b/memory.max", str(400 * MiB))
    cgroups.limit("a/memory.max", str(200 * MiB))
    cgroups.limit("memory.max", "max")
    assert cgroups.budget("0::/a/b") == 50 * MiB


def test_without_control_groups(tmp_path: Path) -> None:
    assert default_budget(tmp_path / "missing", tmp_path) == 128 * MiB
    assert 0 < default_budget() <= 128 * MiB
