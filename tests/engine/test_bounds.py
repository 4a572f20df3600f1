"""Concurrency is limited by memory and connections, and jobs take turns."""

import re
from typing import Any

import anyio
import pytest

from sealift.engine.job import Job
from sealift.errors import InvalidConfig
from sealift.types import MiB
from tests.engine.backends import Gate, Streaming, Watched
from tests.engine.machine import PART, data, machine, settle, transfers, until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("limits", "at_once"),
    [
        ({"connections": 4}, 4),
        ({"connections": 1}, 1),
        ({"memory": 3 * PART}, 3),
        ({"memory": 4 * PART - 1}, 3),
        ({"memory": PART}, 1),
        ({"connections": 64, "memory": 100 * PART}, 20),
    ],
)
@pytest.mark.parametrize("objects", [1, 20])
async def test_as_many_at_once_as_the_limits_allow(limits: dict[str, int], at_once: int, objects: int) -> None:
    """Parts of one object move concurrently, and so do small objects."""
    source = Watched({f"{number:02}": data(20 * PART // objects, number) for number in range(objects)})
    destination, gate = Watched(), Gate("read")
    source.before = gate
    async with machine(**limits) as instance, anyio.create_task_group() as group:
        group.start_soon(Job(source, destination, instance).run, transfers(source))
        await until(lambda: len(gate.waiting) == at_once)
        await settle()
        assert len(gate.waiting) == at_once
        assert instance.memory.lent == at_once * PART <= instance.memory.limit
        gate.open()
    assert destination.contents() == source.contents()
    assert source.most_reading == at_once


async def test_many_small_objects_where_few_large_parts_fit() -> None:
    source = Watched({f"{number:02}": data(10, number) for number in range(40)})
    destination, gate = Watched(), Gate("read")
    source.before = gate
    async with machine(memory=PART) as instance, anyio.create_task_group() as group:
        group.start_soon(Job(source, destination, instance).run, transfers(source))
        await until(lambda: len(gate.waiting) == 40)
        assert instance.memory.lent == 400
        gate.open()
    assert destination.contents() == source.contents()


async def test_memory_is_held_until_the_bytes_are_written() -> None:
    source, destination, gate = Watched({"k": data(10 * PART)}), Watched(), Gate("write")
    destination.before = gate
    async with machine(memory=2 * PART) as instance, anyio.create_task_group() as group:
        group.start_soon(Job(source, destination, instance).run, transfers(source))
        await until(lambda: len(gate.waiting) == 2)
        await settle()
        assert len(source.reads) == 2
        gate.open()
    assert destination.contents() == source.contents()


async def test_the_most_that_is_ever_lent() -> None:
    sizes = [1, 10, PART, 2 * PART + 1, 17 * PART, 999, 5 * PART]
    objects = {str(number): data(size, number) for number, size in enumerate(sizes)}
    for memory in (PART, PART + 1, 3 * PART - 1, 10 * PART, 1000 * PART):
        for source in (Watched(objects), Streaming(objects, ranged=False)):
            peak = 0
            async with machine(memory=memory) as instance:

                async def look(verb: str, key: str) -> None:
                    nonlocal peak
                    peak = max(peak, instance.memory.lent)

                destination = Watched()
                source.before = destination.before = look
                await Job(source, destination, instance).run(transfers(source))
            assert 0 < peak <= memory
            assert destination.contents() == objects


async def test_two_jobs_take_turns() -> None:
    """A job that started first cannot keep all memory to itself."""
    gates: dict[str, Gate] = {"a": Gate("read"), "b": Gate("read")}
    order: list[str] = []
    sources: dict[str, Watched] = {}
    for name, gate in gates.items():
        source = sources[name] = Watched({name: data(6 * PART)})

        async def note(verb: str, key: str, gate: Gate = gate) -> None:
            if verb == "read":
                order.append(key)
            await gate(verb, key)

        source.before = note
    destination = Watched()
    async with machine(memory=PART) as instance, anyio.create_task_group() as group:
        first = Job(sources["a"], destination, instance)
        second = Job(sources["b"], destination, instance)
        group.start_soon(first.run, transfers(sources["a"]))
        await until(lambda: order == ["a"])
        await settle()
        group.start_soon(second.run, transfers(sources["b"]))
        await until(lambda: set(instance.memory._waiting) == {first._context, second._context})
        await settle()
        for granted in range(1, 13):
            assert len(order) == granted
            gates[order[-1]].let_one_through()
            await settle()
    assert order == ["a", *["a", "b"] * 5, "b"]
    assert destination.contents() == {"a": data(6 * PART), "b": data(6 * PART)}


async def test_a_small_object_is_not_stuck_behind_a_large_one() -> None:
    large, small = Watched({"large": data(50 * PART)}), Watched({"small": data(PART)})
    gate, destination = Gate("read"), Watched()
    large.before = gate
    async with machine(memory=2 * PART) as instance, anyio.create_task_group() as group:
        group.start_soon(Job(large, destination, instance).run, transfers(large))
        await until(lambda: len(gate.waiting) == 2)
        await settle()
        group.start_soon(Job(small, destination, instance).run, transfers(small))
        await settle()
        assert "small" not in destination.contents()
        # One of the next two buffers goes to the small job.
        gate.let_one_through()
        await settle()
        gate.let_one_through()
        await until(lambda: "small" in destination.contents())
        assert len(large.reads) <= 4
        gate.open()
    assert destination.contents() == large.contents() | small.contents()


@pytest.mark.parametrize(
    ("size", "limits", "capabilities"),
    [
        (2 * PART, {"memory": PART - 1}, {}),
        (MiB, {"memory": 1000, "part_size": None}, {"min_part": 5000}),
        (PART, {"memory": PART - 1}, {}),
    ],
)
async def test_a_part_larger_than_the_budget_names_the_memory_it_needs(
    size: int, limits: dict[str, int | None], capabilities: dict[str, Any]
) -> None:
    source, destination = Watched({"k": data(size)}), Watched(**capabilities)
    async with machine(**limits) as instance:
        with pytest.raises(InvalidConfig, match=r"larger than the memory budget") as caught:
            await Job(source, destination, instance).run(transfers(source))
    assert (destination.calls, source.reads) == ([], [])
    named = re.search(r"Limits\(memory=(\d+)\)", str(caught.value))
    assert named is not None
    async with machine(**{**limits, "memory": int(named[1])}) as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == source.contents()
