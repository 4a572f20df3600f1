"""Objects whose only checksum needs the bytes in order, although their parts arrive in any order."""

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import anyio
import pytest

from sealift.contract import EVERYTHING, Walk
from sealift.engine.job import Job
from sealift.errors import IntegrityError
from sealift.types import Event, Head, ObjectInfo
from tests.engine.backends import Faults, Gate, Watched, transient
from tests.engine.machine import PART, data, machine, settle, transfers, until

pytestmark = pytest.mark.anyio


class Hashed(Watched):
    """Provides only a SHA-256, a wrong one for some objects."""

    def __init__(self, objects: dict[str, bytes], *, wrong: str = "") -> None:
        super().__init__(objects, checksums=("sha256",))
        self._wrong = wrong

    def told(self, obj: ObjectInfo) -> ObjectInfo:
        content = b"other bytes" if obj.key == self._wrong else self.content(obj.key)
        return replace(obj, checksums={"sha256": hashlib.sha256(content).hexdigest()})

    async def stat(self, key: str) -> ObjectInfo:
        return self.told(await super().stat(key))

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        async for obj in super().list(prefix, walk):
            yield self.told(obj)

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview) -> Head:
        return replace(await super().read_range(obj, start, into), checksums={})


def finished(events: list[Event]) -> dict[str, str | None]:
    return {event.key: event.verified for event in events if event.kind == "object"}


@pytest.mark.parametrize("limits", [{}, {"memory": PART}, {"memory": 3 * PART}, {"connections": 1}, {"connections": 3}])
async def test_objects_of_all_sizes_are_verified(limits: dict[str, Any]) -> None:
    sizes = [1, PART, PART + 1, 3 * PART, 25 * PART + 13, 25 * PART + 14]
    source, destination = Hashed({str(size): data(size, size) for size in sizes}), Watched()
    events: list[Event] = []
    async with machine(**limits) as instance:
        await Job(source, destination, instance, events.append).run(transfers(source))
    assert destination.contents() == source.contents()
    assert finished(events) == {str(size): "sha256" for size in sizes}


async def test_parts_that_arrive_backwards() -> None:
    source, destination, gate = Hashed({"k": data(5 * PART + 1)}), Watched(), Gate("read")
    source.before = gate
    events: list[Event] = []
    async with machine() as instance, anyio.create_task_group() as group:
        group.start_soon(Job(source, destination, instance, events.append).run, transfers(source))
        await until(lambda: len(gate.waiting) == 6)
        for event in reversed(gate._held[1:]):
            event.set()
            await settle()
        assert destination.count("write") == 5
        gate.open()
    assert destination.contents() == source.contents()
    assert finished(events) == {"k": "sha256"}


async def test_a_part_keeps_its_memory_until_those_before_it_have_come() -> None:
    source, destination, gate = Hashed({"k": data(20 * PART)}), Watched(), Gate("read")
    source.before = gate
    async with machine(memory=4 * PART) as instance, anyio.create_task_group() as group:
        group.start_soon(Job(source, destination, instance).run, transfers(source))
        await until(lambda: len(gate.waiting) == 4)
        for event in gate._held[1:]:
            event.set()
        await until(lambda: destination.count("write") == 3)
        await settle()
        assert instance.memory.lent == 4 * PART
        assert source.reads == [("k", index * PART, PART) for index in range(4)]
        gate._held[0].set()
        gate._open = True
    assert destination.contents() == source.contents()


async def test_a_part_that_is_read_again_is_taken_in_once() -> None:
    source, destination = Hashed({"k": data(12 * PART)}), Watched()
    source.before = Faults(read=[transient(), transient(), transient()])
    destination.before = Faults(write=[transient(), transient()])
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == source.contents()


async def test_other_bytes_are_not_published() -> None:
    source, destination = Hashed({"k": data(12 * PART)}, wrong="k"), Watched()
    async with machine() as instance:
        with pytest.raises(IntegrityError, match="'k' do not match its sha256 checksum"):
            await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == {}
    assert [upload.state for upload in destination.uploads] == ["aborted"]


async def test_a_failure_leaves_nobody_waiting_for_his_turn() -> None:
    source, destination = Hashed({"k": data(12 * PART)}), Watched()
    source.before = Faults(read=[IntegrityError("for good")])
    async with machine(memory=3 * PART) as instance:
        with pytest.raises(IntegrityError, match="for good"):
            await Job(source, destination, instance).run(transfers(source))
    assert [upload.state for upload in destination.uploads] == ["aborted"]
