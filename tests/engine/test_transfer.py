"""Objects arrive unchanged, whichever way they are moved."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift.contract import EVERYTHING, Walk
from sealift.engine.job import Job
from sealift.engine.transfer import Transfer
from sealift.errors import InvalidConfig, ObjectChanged, TransportError
from sealift.types import Event, ObjectInfo
from tests.engine.backends import Faults, Gate, Streaming, Watched, transient
from tests.engine.machine import PART, data, machine, settle, transfers, until

pytestmark = pytest.mark.anyio

SIZES = [0, 1, PART - 1, PART, PART + 1, 3 * PART, 7 * PART + 13]
OBJECTS = {f"size/{size}": data(size, size) for size in SIZES}


async def test_objects_of_all_sizes() -> None:
    source, destination = Watched(OBJECTS), Watched()
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == OBJECTS
    assert [upload.state for upload in destination.uploads] == ["complete"] * 3
    assert destination.count("put") == 4


@given(
    sizes=st.lists(st.integers(0, 9_000), max_size=8),
    memory=st.integers(1, 10_000),
    part_size=st.integers(20, 3_000),
    connections=st.integers(1, 12),
    ranged=st.booleans(),
)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_any_sizes_and_limits_give_the_same_bytes(
    sizes: list[int], memory: int, part_size: int, connections: int, ranged: bool
) -> None:
    objects = {str(number): data(size, number) for number, size in enumerate(sizes)}
    source = Watched(objects) if ranged else Streaming(objects, ranged=False)
    destination = Watched()
    peak = 0

    async def run() -> None:
        async with machine(memory=memory, part_size=part_size, connections=connections) as instance:

            async def look(verb: str, key: str) -> None:
                nonlocal peak
                peak = max(peak, instance.memory.lent)

            source.before = look
            await Job(source, destination, instance).run(transfers(source))

    if min(part_size, max(sizes, default=0)) > memory:
        with pytest.raises(InvalidConfig, match=r"Limits\(memory="):
            asyncio.run(run())
    else:
        asyncio.run(run())
        assert destination.contents() == objects
    assert peak <= memory
    assert source.most_reading <= connections
    assert all(upload.state != "open" for upload in destination.uploads)


async def test_an_empty_object_is_not_read() -> None:
    source, destination = Watched({"empty": b""}), Watched()
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == {"empty": b""}
    assert source.calls == []


async def test_nothing_to_do() -> None:
    source, destination = Watched(), Watched()
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.calls == []


async def test_keys_may_change_on_the_way() -> None:
    source, destination = Watched({"a": b"first", "b": data(2 * PART)}), Watched()

    async def renamed() -> AsyncGenerator[Transfer]:
        async for obj in source.list(""):
            yield Transfer(obj, f"to/{obj.key}")

    async with machine() as instance:
        await Job(source, destination, instance).run(renamed())
    assert destination.contents() == {"to/a": b"first", "to/b": data(2 * PART)}


async def test_transfers_start_before_the_listing_ends() -> None:
    source, destination = Watched({"a": data(3 * PART), "b": b"b"}), Watched()
    arrived = anyio.Event()

    async def tell(verb: str, key: str) -> None:
        if verb == "complete" and key == "a":
            arrived.set()

    destination.before = tell

    async def listing() -> AsyncGenerator[Transfer]:
        yield Transfer(await source.stat("a"), "a")
        await arrived.wait()  # the next page comes only when the first object has arrived
        yield Transfer(await source.stat("b"), "b")

    async with machine() as instance:
        await Job(source, destination, instance).run(listing())
    assert destination.contents() == source.contents()


async def test_the_listing_does_not_run_away() -> None:
    source, destination, gate = Watched({"a": b"x"}), Watched(), Gate("read")
    source.before = gate
    obj = await source.stat("a")
    taken = 0

    async def endless() -> AsyncGenerator[Transfer]:
        nonlocal taken
        while True:
            taken += 1
            yield Transfer(obj, f"copy/{taken}")

    async with machine(connections=4) as instance, anyio.create_task_group() as group:
        group.start_soon(Job(source, destination, instance).run, endless())
        await until(lambda: len(gate.waiting) == 4)
        await settle()
        assert taken <= 4 + 2 * 4 + 1 + 4 + 1  # in progress, in the queues, and waiting to be put there
        group.cancel_scope.cancel()


async def test_a_listing_that_fails_ends_the_job_and_keeps_what_has_arrived() -> None:
    source, destination = Watched({"a": b"first"}), Watched()

    async def listing() -> AsyncGenerator[Transfer]:
        yield Transfer(await source.stat("a"), "a")
        await until(lambda: "a" in destination.contents())
        raise TransportError("the listing broke off")

    async with machine() as instance:
        with pytest.raises(TransportError, match="the listing broke off"):
            await Job(source, destination, instance).run(listing())
    assert destination.contents() == {"a": b"first"}


@pytest.mark.parametrize(
    ("size", "lacks", "checksums", "stats"),
    [
        (PART, {}, ("crc64nvme",), 0),
        (3 * PART, {}, ("crc64nvme",), 0),
        (PART, {"version": None}, ("crc64nvme",), 1),
        (PART, {"checksums": {}}, ("crc64nvme",), 0),  # reported by the read
        (3 * PART, {"checksums": {}}, ("crc64nvme",), 1),
        (3 * PART, {"checksums": {}}, (), 0),
    ],
)
async def test_an_object_is_asked_for_only_where_the_listing_tells_too_little(
    size: int, lacks: dict[str, Any], checksums: tuple[str, ...], stats: int
) -> None:
    class Terse(Watched):
        async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
            async for obj in super().list(prefix, walk):
                yield Streaming({}, **lacks).poorer(obj)

    source, destination = Terse({"k": data(size)}, checksums=checksums), Watched()
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
        assert source.count("stat") == stats
        await Job(source, destination, instance).run(transfers(source, listed=False))
        assert source.count("stat") == stats
    assert destination.contents() == {"k": data(size)}


@pytest.mark.parametrize("lacks", [{"size": None}, {"ranged": False}, {"size": None, "ranged": False, "version": None}])
@pytest.mark.parametrize("piece", [700, 10_000])
async def test_streams(lacks: dict[str, Any], piece: int) -> None:
    source, destination = Streaming(OBJECTS, piece=piece, **lacks), Watched()
    async with machine(memory=3 * PART) as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == OBJECTS
    assert not [read for read in source.reads if read[2] > 0]


async def test_without_a_version_an_object_of_several_parts_is_read_in_order() -> None:
    source, destination = Streaming(OBJECTS, version=None), Watched()
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == OBJECTS
    assert {key for key, _, _ in source.reads} == {f"size/{size}" for size in SIZES if 0 < size <= PART}
    assert source.count("stream") == 3


async def test_a_stream_that_breaks_off_starts_again() -> None:
    objects = {"k": data(5 * PART)}
    source, destination = Streaming(objects, ranged=False, cut=[100, 3 * PART]), Watched()
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.contents() == objects
    assert source.count("stream") == 3
    assert [upload.state for upload in destination.uploads] == ["aborted", "complete"]


async def test_a_stream_that_ends_early_is_not_published() -> None:
    class Short(Streaming):
        def poorer(self, obj: ObjectInfo) -> ObjectInfo:
            return Streaming({}, ranged=False, size=(obj.size or 0) + 1).poorer(obj)

    source, destination = Short({"a": data(10), "b": data(5 * PART)}), Watched()
    for key in ("a", "b"):
        async with machine(attempts=3) as instance:
            with pytest.raises(TransportError, match=r"received .* bytes instead of"):
                await Job(source, destination, instance).run(transfers(source, key))
    assert destination.contents() == {}
    assert source.count("stream") == 6
    assert {upload.state for upload in destination.uploads} == {"aborted"}


@pytest.mark.parametrize("verb", ["open", "write", "complete", "put"])
async def test_the_attempts_of_a_stream_do_not_multiply(verb: str) -> None:
    source = Streaming({"k": data(PART // 2 if verb == "put" else 3 * PART)}, ranged=False)
    destination = Watched()
    destination.before = Faults(**{verb: [transient() for _ in range(50)]})
    async with machine(attempts=3) as instance:
        with pytest.raises(TransportError, match="busy"):
            await Job(source, destination, instance).run(transfers(source))
    assert destination.count(verb) == 3
    assert destination.contents() == {}
    assert all(upload.state == "aborted" for upload in destination.uploads)


async def test_the_service_copies_within_itself() -> None:
    place = Watched({"a/k": data(5 * PART), "a/empty": b""})

    async def listing() -> AsyncGenerator[Transfer]:
        async for obj in place.list("a/"):
            yield Transfer(obj, obj.key.replace("a/", "b/"), listed=True)

    events: list[Event] = []
    async with machine(memory=1) as instance:
        await Job(place, place, instance, events.append).run(listing())
    assert place.content("b/k") == data(5 * PART)
    assert place.content("b/empty") == b""
    assert {verb for verb, _ in place.calls} == {"copy"}
    assert sum(event.size for event in events if event.kind == "progress") == 5 * PART


async def test_between_two_services_bytes_move() -> None:
    source, destination = Watched({"k": b"x"}), Watched()
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.count("copy") == 0


async def test_a_copy_of_a_changed_object_is_refused() -> None:
    place = Watched({"a": b"old"})
    obj = await place.stat("a")
    place.store("a", b"new")

    async def listing() -> AsyncGenerator[Transfer]:
        yield Transfer(obj, "b")

    async with machine() as instance:
        with pytest.raises(ObjectChanged):
            await Job(place, place, instance).run(listing())
    assert place.contents() == {"a": b"new"}


@pytest.mark.parametrize("ranged", [True, False])
async def test_events_sum_up(ranged: bool) -> None:
    source = Watched(OBJECTS) if ranged else Streaming(OBJECTS, ranged=False)
    destination, events = Watched(), list[Event]()
    async with machine() as instance:
        await Job(source, destination, instance, events.append).run(transfers(source))
    for key, body in OBJECTS.items():
        mine = [event for event in events if event.key == key]
        assert (mine[0].kind, mine[-1].kind) == ("listed", "object")
        assert [event.size for event in mine if event.kind in {"listed", "object"}] == [len(body)] * 2
        assert sum(event.size for event in mine if event.kind == "progress") == len(body)
        assert mine[-1].verified == "crc64nvme"  # reported by the source, or compared by the destination
    assert {event.kind for event in events} == {"listed", "progress", "object"}


@pytest.mark.parametrize("kind", ["ranges", "stream", "copy"])
async def test_events_tell_where_an_object_goes(kind: str) -> None:
    source = Streaming(OBJECTS, ranged=False) if kind == "stream" else Watched(OBJECTS)
    destination = source if kind == "copy" else Watched()
    failing = {"ranges": "read", "stream": "stream", "copy": "copy"}[kind]
    source.before = Faults(**{failing: [transient()]})
    events: list[Event] = []

    async def renamed() -> AsyncGenerator[Transfer]:
        async for obj in source.list("size/"):
            yield Transfer(obj, f"to/{obj.key}", listed=True)

    async with machine() as instance:
        await Job(source, destination, instance, events.append).run(renamed())
    assert {event.kind for event in events} == {"listed", "progress", "object", "retry"}
    assert {(event.key, event.target) for event in events} == {(key, f"to/{key}") for key in OBJECTS}


@pytest.mark.parametrize("kind", ["ranges", "stream", "copy"])
async def test_a_dry_run_tells_and_touches_nothing(kind: str) -> None:
    source = Streaming(OBJECTS, ranged=False) if kind == "stream" else Watched(OBJECTS)
    destination = source if kind == "copy" else Watched()
    events: list[Event] = []
    async with machine() as instance:
        await Job(source, destination, instance, events.append, dry_run=True).run(transfers(source))
        assert instance.memory.lent == 0
    assert [(event.kind, event.key, event.size) for event in events] == [
        ("listed", key, len(body)) for key, body in sorted(OBJECTS.items())
    ]
    assert source.calls == destination.calls == []
    assert source.reads == []
    assert destination.contents() == (OBJECTS if kind == "copy" else {})
