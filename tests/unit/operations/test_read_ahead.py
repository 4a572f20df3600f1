"""Reading ahead: which ranges are requested, and that the bytes are right."""

import asyncio
import io
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift import TransportError
from sealift.operations.read_ahead import ReadAhead
from sealift.types import KiB, MiB

pytestmark = pytest.mark.anyio

SIZE = 20 * MiB
DATA = bytes(range(256)) * (SIZE // 256)


class Source:
    """Records the ranges that are requested; `fail` makes the next requests fail."""

    def __init__(self, data: bytes = DATA) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []
        self.fail = 0
        self.hold: asyncio.Event | None = None

    async def fetch(self, start: int, view: memoryview) -> None:
        self.asked.append((start, len(view)))
        if self.hold is not None:
            await self.hold.wait()
        if self.fail:
            self.fail -= 1
            raise TransportError("broken")
        view[:] = self.data[start : start + len(view)]


async def take(ahead: ReadAhead, start: int, length: int) -> bytes:
    buffer = bytearray(length)
    with memoryview(buffer) as view:
        await ahead.readinto(start, view)
    return bytes(buffer)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_random_reads_request_what_they_need() -> None:
    source = Source()
    ahead = ReadAhead(SIZE, source.fetch)
    for start, length in ((9 * MiB, 100), (MiB, 200 * KiB), (5 * MiB, 16 * KiB), (SIZE - 22, 22)):
        assert await take(ahead, start, length) == DATA[start : start + length]
    await settled()
    assert source.asked == [(9 * MiB, 16 * KiB), (MiB, 200 * KiB), (5 * MiB, 16 * KiB), (SIZE - 22, 22)]
    await ahead.aclose()


async def test_reads_in_order_request_more_and_more() -> None:
    source = Source()
    ahead = ReadAhead(SIZE, source.fetch)
    position = 0
    while position < SIZE:
        length = min(10_000, SIZE - position)
        assert await take(ahead, position, length) == DATA[position : position + length]
        position += length
    assert len(source.asked) < 40
    assert max(length for _, length in source.asked) == 4 * MiB
    assert sum(length for _, length in source.asked) == SIZE  # nothing twice
    await ahead.aclose()


async def test_never_more_than_the_window_ahead() -> None:
    source = Source()
    ahead = ReadAhead(SIZE, source.fetch, MiB)
    for position in range(0, 10 * MiB, 64 * KiB):
        await take(ahead, position, 64 * KiB)
        await settled()
        assert max(start + length for start, length in source.asked) <= position + 64 * KiB + MiB + 256 * KiB
    await ahead.aclose()


async def test_large_reads_go_directly_to_the_caller() -> None:
    source = Source()
    ahead = ReadAhead(SIZE, source.fetch, MiB)
    assert await take(ahead, 0, 8 * MiB) == DATA[: 8 * MiB]
    assert source.asked == [(0, 8 * MiB)]
    assert await take(ahead, 8 * MiB, 8 * MiB) == DATA[8 * MiB : 16 * MiB]
    assert source.asked[1] == (8 * MiB, 8 * MiB)
    await ahead.aclose()


async def test_a_jump_ends_the_read_ahead() -> None:
    source = Source()
    ahead = ReadAhead(SIZE, source.fetch)
    for position in range(0, MiB, 64 * KiB):
        await take(ahead, position, 64 * KiB)
    source.asked.clear()
    await take(ahead, 10 * MiB, 10)
    await settled()
    assert source.asked == [(10 * MiB, 16 * KiB)]
    await ahead.aclose()


async def test_a_read_that_fails_can_be_repeated() -> None:
    source = Source()
    ahead = ReadAhead(SIZE, source.fetch)
    await take(ahead, 0, 16 * KiB)
    for length in (100, 200 * KiB, 20 * MiB - 16 * KiB):
        source.fail = 100
        with pytest.raises(TransportError):
            await take(ahead, 16 * KiB, length)
        source.fail = 0
        assert await take(ahead, 16 * KiB, length) == DATA[16 * KiB : 16 * KiB + length]
        await take(ahead, 0, 16 * KiB)
    await ahead.aclose()


async def test_a_read_that_is_cancelled_can_be_repeated() -> None:
    source = Source()
    ahead = ReadAhead(SIZE, source.fetch)
    source.hold = asyncio.Event()
    reading = asyncio.ensure_future(take(ahead, 0, 100))
    await settled()
    reading.cancel()
    await asyncio.wait((reading,))
    source.hold.set()
    assert await take(ahead, 0, 100) == DATA[:100]
    assert source.asked == [(0, 16 * KiB)]
    await ahead.aclose()


async def test_closing_ends_what_was_requested() -> None:
    source = Source()
    ahead, tasks = ReadAhead(SIZE, source.fetch), asyncio.all_tasks()
    await take(ahead, 0, 16 * KiB)
    source.hold = asyncio.Event()
    reading = asyncio.ensure_future(take(ahead, 16 * KiB, 10))
    await settled()
    reading.cancel()
    await asyncio.wait((reading,))
    assert asyncio.all_tasks() > tasks
    await ahead.aclose()
    assert asyncio.all_tasks() <= tasks


async def test_bytes_that_are_held_are_not_requested() -> None:
    source = Source()
    ahead = ReadAhead(1000, source.fetch)
    ahead.hold(memoryview(DATA)[:1000])
    for start, length in ((0, 10), (990, 10), (5, 900), (0, 1000)):
        assert await take(ahead, start, length) == DATA[start : start + length]
    assert ahead.rest(400) == DATA[400:1000]
    assert source.asked == []


def reads() -> Iterator[st.SearchStrategy[tuple[str, int]]]:
    yield st.tuples(st.just("seek"), st.integers(0, 300_000))
    yield st.tuples(st.just("read"), st.one_of(st.integers(0, 200), st.integers(0, 150_000)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(*reads()), max_size=40), st.sampled_from([64 * KiB, 256 * KiB, 16 * MiB]))
def test_any_sequence_of_reads(steps: list[tuple[str, int]], window: int) -> None:
    """As from `io.BytesIO`."""
    data = DATA[:300_000]

    async def compare() -> None:
        expected, ahead, position = io.BytesIO(data), ReadAhead(len(data), Source(data).fetch, window), 0
        for verb, number in steps:
            if verb == "seek":
                position = expected.seek(number)
                continue
            count = min(number, len(data) - position)
            assert await take(ahead, position, count) == expected.read(number)
            position += count
            rest = ahead.rest(position)
            assert rest == data[position : position + len(rest)]
        await ahead.aclose()

    asyncio.run(compare())
