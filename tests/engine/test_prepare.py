"""Objects that need a request before their parts can be read do not wait for one another."""

from collections.abc import AsyncGenerator

import anyio
import pytest

from sealift.contract import EVERYTHING, Walk
from sealift.engine.job import Job
from sealift.errors import ServiceError
from sealift.types import Event, ObjectInfo
from tests.engine.backends import Faults, Gate, Streaming, Watched
from tests.engine.machine import PART, data, machine, settle, transfers, until

pytestmark = pytest.mark.anyio

OBJECTS = {f"{number:02}": data(3 * PART, number) for number in range(40)}


class Terse(Watched):
    """Its listings contain no checksums, so that each object of several parts costs a request."""

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        async for obj in super().list(prefix, walk):
            yield Streaming({}, checksums={}).poorer(obj)


async def test_objects_are_prepared_side_by_side() -> None:
    source, destination, gate = Terse(OBJECTS), Watched(), Gate("stat")
    source.before = gate
    events: list[Event] = []
    async with machine() as instance, anyio.create_task_group() as group:
        group.start_soon(Job(source, destination, instance, events.append).run, transfers(source))
        await until(lambda: len(gate.waiting) >= 16)
        await settle()
        assert len(gate.waiting) <= 18  # so the listing waits, too
        assert len(events) <= 19
        gate.open()
    assert destination.contents() == OBJECTS
    assert source.count("stat") == len(OBJECTS)
    assert [event.key for event in events if event.kind == "listed"] == sorted(OBJECTS)


async def test_an_object_is_moved_while_the_next_is_prepared() -> None:
    source, destination = Terse({"a": data(3 * PART), "b": data(3 * PART)}), Watched()
    arrived = anyio.Event()

    async def wait(verb: str, key: str) -> None:
        if (verb, key) == ("stat", "b"):
            await arrived.wait()

    async def tell(verb: str, key: str) -> None:
        if (verb, key) == ("complete", "a"):
            arrived.set()

    source.before, destination.before = wait, tell
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == source.contents()


async def test_parts_are_read_in_the_order_of_the_listing() -> None:
    source, destination = Terse(OBJECTS), Watched()

    async def delay(verb: str, key: str) -> None:
        if verb == "stat" and not int(key) % 4:
            await settle()

    source.before = delay
    async with machine(connections=1) as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert source.reads == [(key, start, PART) for key in sorted(OBJECTS) for start in range(0, 3 * PART, PART)]


async def test_a_failure_ends_the_job_with_one_error() -> None:
    source, destination = Terse(OBJECTS), Watched()
    source.before = Faults(stat=[ServiceError("refused", status=400)])
    async with machine() as instance:
        with pytest.raises(ServiceError, match="refused") as caught:
            await Job(source, destination, instance).run(transfers(source))
    assert not getattr(caught.value, "__notes__", [])


async def test_a_cancelled_job_prepares_nothing_more() -> None:
    source, destination, gate = Terse(OBJECTS), Watched(), Gate("stat")
    source.before = gate
    async with machine() as instance, anyio.create_task_group() as group:
        group.start_soon(Job(source, destination, instance).run, transfers(source))
        await until(lambda: len(gate.waiting) >= 16)
        group.cancel_scope.cancel()
    assert not source.reads
