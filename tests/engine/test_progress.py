"""The sum of the progress events: exact, whatever the sizes, and whatever breaks on the way."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift.engine import progress
from sealift.engine.job import Job
from sealift.engine.transfer import Transfer
from sealift.errors import StorageError, TransportError
from sealift.lane_contract import ByteCount, Sink
from sealift.types import Event, Head, KiB, MiB, ObjectInfo, Part, Receipt
from sealift.types.properties import NO_PROPERTIES, Properties
from tests.engine.backends import Streaming, Watched, WatchedUpload, transient
from tests.engine.machine import data, machine, transfers

PIECE = 100 * KiB


class Counting(Streaming):
    """Moves bytes in pieces, which are counted, and breaks off.

    Args:
        objects: Its objects.
        breaks: For each request, after how many pieces it breaks off; None: not at all. Further ones succeed.
        counts: Whether bytes are counted in between.
        lacks: As in `Streaming`.
    """

    def __init__(self, objects: dict[str, bytes], breaks: list[int | None], *, counts: bool, **lacks: Any) -> None:
        cut = [PIECE * pieces for pieces in breaks if pieces is not None]
        super().__init__(objects, piece=PIECE, cut=cut, **lacks)
        self.capabilities = Watched(sinks=counts, counts_sent=counts).capabilities
        self.breaks = breaks

    async def pieces(self) -> AsyncGenerator[None]:
        """Let the other tasks run before each piece, and break off."""
        left = self.breaks.pop(0) if self.breaks else None
        while left is None or left > 0:
            await asyncio.sleep(0)
            yield
            left = None if left is None else left - 1
        raise transient("broken off")

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        content, pieces = memoryview(self.content(obj.key))[start : start + len(into)], self.pieces()
        if isinstance(into, memoryview):
            await anext(pieces)
            return await super().read_range(obj, start, into)
        async for _ in pieces:
            count = min(len(space := into.space()), PIECE, len(into))
            space[:count] = content[len(content) - len(into) :][:count]
            into.filled(count)
            if not len(into):
                break
        return Head(obj.version, obj.size, obj.checksums if len(content) == obj.size else {})

    async def send(self, size: int, sent: ByteCount | None) -> None:
        """Count the bytes of a request body, which is a little longer than what it stores."""
        if sent is not None:
            sent.count = 0
        async for _ in self.pieces():
            size -= PIECE
            if sent is not None and self.capabilities.counts_sent:
                sent.count += PIECE + min(size, 0) + 200
            if size <= 0:
                break

    async def put(  # type: ignore[override]  # the arguments after the data are passed on
        self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES, **options: Any
    ) -> ObjectInfo:
        await self.send(len(data), options["sent"])
        return await super().put(key, data, properties, **options)

    async def open_upload(self, key: str, size: int | None, **options: Any) -> Any:
        upload = await super().open_upload(key, size, **options)
        return CountingUpload(self, key, upload)


class CountingUpload(WatchedUpload):
    async def write_part(self, part: Part, data: memoryview, sent: ByteCount | None = None) -> Receipt:
        assert isinstance(self._backend, Counting)
        await self._backend.send(len(data), sent)
        return await super().write_part(part, data, sent)


@pytest.fixture(autouse=True, scope="module")
def at_each_turn() -> Any:
    """Report progress whenever the event loop has nothing else to do."""
    with mock.patch.object(progress, "_INTERVAL", 0):
        yield


SIZES = st.lists(st.sampled_from([0, 1, 300 * KiB]) | st.integers(0, 2 * MiB), min_size=1, max_size=3)
BREAKS = st.lists(st.none() | st.integers(0, 12), max_size=5)


@given(SIZES, BREAKS, BREAKS, st.booleans(), st.booleans(), st.sampled_from([{}, {"ranged": False}, {"size": None}]))
@settings(deadline=None, derandomize=True, max_examples=40)
def test_sizes_and_failures(
    sizes: list[int],
    reads: list[int | None],
    writes: list[int | None],
    receives: bool,
    sends: bool,
    lacks: dict[str, Any],
) -> None:
    objects = {str(number): data(size, number) for number, size in enumerate(sizes)}
    source = Counting(objects, reads, counts=receives, **lacks)
    destination = Counting({}, writes, counts=sends)
    sums: Counter[str] = Counter()

    def add(event: Event) -> None:
        if event.kind == "progress":
            sums[event.key] += event.size
            assert 0 <= sums[event.key] <= len(objects[event.key])

    async def run() -> None:
        async with machine(memory=16 * MiB, part_size=MiB, attempts=20) as instance:
            await Job(source, destination, instance, add).run(transfers(source))

    asyncio.run(run())
    assert destination.contents() == objects
    assert {key: count for key, count in sums.items() if count} == {key: len(of) for key, of in objects.items() if of}


@pytest.mark.parametrize("lacks", [{}, {"ranged": False}])
@pytest.mark.parametrize("side", ["read", "write"])
def test_an_object_that_is_given_up_counts_nothing(side: str, lacks: dict[str, Any]) -> None:
    """The job goes on without it."""
    objects = {"bad": data(MiB), "good": data(MiB, 1)}
    # A read of a range is continued after a break, so it is given up after the second one.
    breaks: list[int | None] = [4] if lacks or side == "write" else [4, 0]
    source = Counting(objects, breaks if side == "read" else [], counts=True, **lacks)
    destination = Counting({}, breaks if side == "write" else [], counts=True)
    sums: Counter[str] = Counter()
    most: Counter[str] = Counter()
    failed: list[str] = []

    def add(event: Event) -> None:
        if event.kind == "progress":
            sums[event.key] += event.size
            most[event.key] = max(most[event.key], sums[event.key])

    def give_up(transfer: Transfer, error: StorageError) -> None:
        assert isinstance(error, TransportError)
        failed.append(transfer.key)

    async def run() -> None:
        async with machine(memory=16 * MiB, part_size=MiB, attempts=1, connections=1) as instance:
            job = Job(source, destination, instance, add, on_failure=give_up)
            await job.run(transfers(source))

    asyncio.run(run())
    assert failed == ["bad"]
    assert most["bad"] > 0
    assert sums == Counter(bad=0, good=MiB)
    assert most["good"] == MiB
