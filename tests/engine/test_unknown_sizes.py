"""Objects of unknown size: they are uploaded part by part, and all parts but the last have a valid size."""

import pytest

from sealift.engine.job import Job
from sealift.errors import InvalidConfig
from sealift.types import Event, Part
from tests.engine.backends import Faults, Streaming, Watched, transient
from tests.engine.machine import PART, data, machine, transfers

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("size", [PART + 1, 2 * PART, 7 * PART - 1, 7 * PART])
async def test_all_parts_but_the_last_are_long_enough(size: int) -> None:
    source, destination = Streaming({"k": data(size)}, size=None), Watched(min_part=PART)
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    (upload,) = destination.uploads
    *first, last = upload.parts
    assert all(part.size >= PART for part in first)
    assert [part.start for part in upload.parts] == [
        sum(part.size for part in first[:n]) for n in range(len(first) + 1)
    ]
    assert last.start + last.size == size
    assert destination.contents() == {"k": data(size)}


@pytest.mark.parametrize("size", [0, 1, PART - 1])
async def test_what_fits_into_one_request_needs_no_upload(size: int) -> None:
    source, destination = Streaming({"k": data(size)}, size=None), Watched(min_part=PART)
    async with machine() as instance:
        await Job(source, destination, instance).run(transfers(source))
    assert destination.uploads == []
    assert destination.contents() == {"k": data(size)}


async def test_parts_grow_so_that_any_object_fits() -> None:
    size = 100 * PART
    source, destination = Streaming({"k": data(size)}, size=None, piece=10_000), Watched(max_parts=20)
    async with machine(memory=100 * PART) as instance:
        await Job(source, destination, instance).run(transfers(source))
    (upload,) = destination.uploads
    sizes = [part.size for part in upload.parts]
    assert sizes[:6] == [PART, PART, 2 * PART, 2 * PART, 4 * PART, 4 * PART]
    assert len(sizes) <= 20
    assert destination.contents() == {"k": data(size)}


async def test_parts_do_not_grow_beyond_the_memory() -> None:
    size = 100 * PART
    source, destination = Streaming({"k": data(size)}, size=None, piece=10_000), Watched(max_parts=100)
    most = 0
    async with machine(memory=4 * PART) as instance:

        async def look(verb: str, key: str) -> None:
            nonlocal most
            most = max(most, instance.memory.lent)

        destination.before = look
        await Job(source, destination, instance).run(transfers(source))
    assert max(part.size for part in destination.uploads[0].parts) == 2 * PART
    assert most <= 4 * PART
    assert destination.contents() == {"k": data(size)}


async def test_an_object_of_more_parts_than_the_storage_takes_is_not_published() -> None:
    source, destination = Streaming({"k": data(50 * PART)}, size=None), Watched(max_parts=5, max_part=PART)
    async with machine() as instance:
        with pytest.raises(InvalidConfig, match="more than 5 parts"):
            await Job(source, destination, instance).run(transfers(source))
    assert [upload.state for upload in destination.uploads] == ["aborted"]
    assert destination.contents() == {}


async def test_a_part_size_that_the_storage_does_not_take() -> None:
    source, destination = Streaming({"k": data(5 * PART)}, size=None), Watched(min_part=PART + 1)
    async with machine() as instance:
        with pytest.raises(InvalidConfig, match=rf"a part has {PART} bytes, but this storage accepts {PART + 1} to"):
            await Job(source, destination, instance).run(transfers(source))
    assert destination.calls == []


async def test_it_is_begun_again_as_a_whole() -> None:
    source, destination = Streaming({"k": data(5 * PART)}, size=None), Watched()
    destination.before = Faults(write=[transient()])
    events: list[Event] = []
    async with machine() as instance:
        await Job(source, destination, instance, events.append).run(transfers(source))
    assert [upload.state for upload in destination.uploads] == ["aborted", "complete"]
    assert destination.uploads[1].parts[0] == Part(0, 0, PART)
    assert sum(event.size for event in events if event.kind == "progress") == 5 * PART
    assert (events[-1].kind, events[-1].size) == ("object", 5 * PART)
    assert destination.contents() == {"k": data(5 * PART)}
