"""Read several ranges of one version of an object: near ones together, distant ones concurrently."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing

from ..contract import Backend, OnlyInOrder
from ..engine.continued_read import read_into
from ..errors import InvalidConfig, UnsupportedOperation, first_of
from ..frozen_dataclass import dataclass
from ..instance import Instance
from ..runtime.observers import count_read
from ..runtime.part_sizes import DEFAULT_PART
from ..runtime.shielded import cancelled_once
from ..types import MiB, ObjectInfo
from ..types.argument_checks import checked_items, checked_pair, whole_number
from .chunks import chunks
from .open_location import OpenLocation
from .read import range_in, read_span
from .resolve import find_object

__all__ = ["Group", "group_ranges", "read_ranges"]

# Reading so many bytes between two ranges takes no longer than another request, as in Apache Arrow's object_store:
# https://docs.rs/object_store/latest/object_store/constant.OBJECT_STORE_COALESCE_DEFAULT.html
_LARGEST_GAP = MiB
_MAX_CONCURRENT = 16

# Start and end of a range of bytes.
_Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Group:
    """Ranges that are read with one request.

    Attributes:
        start: Offset of the first byte.
        end: Offset after the last byte.
        members: Indexes of the ranges.
    """

    start: int
    end: int
    members: tuple[int, ...]


async def read_ranges(source: OpenLocation, ranges: Iterable[tuple[int, int | None]]) -> list[bytes]:
    """Read ranges of an object; see `AsyncStorage.read_ranges`."""
    wanted = [_checked(each) for each in checked_items("ranges", ranges)]
    found = await _read(source, wanted)
    count_read(sum(map(len, found)))
    return found


async def _read(source: OpenLocation, wanted: Sequence[tuple[int, int | None]]) -> list[bytes]:
    backend, instance = source.backend, source.instance
    obj = await find_object(backend, source.location.key, instance.retry)
    if not wanted:
        return []
    if obj.ranged and obj.size is not None:
        try:
            return await _concurrently(instance, backend, obj, _spans(obj, wanted))
        except OnlyInOrder as error:
            obj = error.obj
    return await _in_order(instance, backend, obj, _spans(obj, wanted))


def _checked(span: tuple[int, int | None]) -> tuple[int, int | None]:
    start, length = checked_pair("ranges", span, "(start, length)")
    start = whole_number("start", start)
    if length is not None and (length := whole_number("length", length)) < 0:
        raise InvalidConfig(f"the length of the range {span} is negative", hint="(start, length); None: to the end")
    return start, length


def _spans(obj: ObjectInfo, wanted: Sequence[tuple[int, int | None]]) -> list[_Range]:
    """Start and end of each range in the object. If its size is unknown, ranges may end after it."""
    spans = []
    for start, length in wanted:
        if obj.size is None and (start < 0 or length is None):
            raise UnsupportedOperation(
                "the server does not report the size of the object, so a range cannot be counted from its end",
                hint="give the length of each range, or read the whole object",
            )
        first, count = range_in(obj.size, start, length)
        spans.append((first, first + (count or 0)))
    return spans


def group_ranges(spans: Sequence[_Range], longest: int) -> Iterator[Group]:
    """Group ranges that are near each other, in the order of their offsets. Empty ranges are left out.

    Args:
        spans: Start and end of each range.
        longest: Bytes that a group of several ranges may have.

    Example:
        >>> [group.members for group in group_ranges([(0, 10), (5 << 20, 6 << 20), (20, 30)], longest=8 << 20)]
        [(0, 2), (1,)]
    """
    start = end = 0
    members: list[int] = []
    for index in sorted(range(len(spans)), key=lambda index: spans[index]):
        first, last = spans[index]
        if first == last:
            continue
        if members and (first > end + _LARGEST_GAP or max(end, last) - start > longest):
            yield Group(start, end, tuple(members))
            members = []
        start, end = (start, max(end, last)) if members else (first, last)
        members.append(index)
    if members:
        yield Group(start, end, tuple(members))


async def _concurrently(instance: Instance, source: Backend, obj: ObjectInfo, spans: Sequence[_Range]) -> list[bytes]:
    groups = group_ranges(spans, min(DEFAULT_PART, instance.memory.limit))
    found = [b""] * len(spans)
    job = object()

    async def read_group(group: Group) -> None:
        if len(group.members) == 1:
            found[group.members[0]] = await read_span(instance, source, obj, group.start, group.end - group.start)
            return
        # The gaps are read, too: unlike the ranges, they are bounded by the memory budget.
        buffer = await instance.memory.borrow(group.end - group.start, job)
        try:
            await read_into(instance.retry, source, obj, group.start, buffer)
            for index in group.members:
                start, end = spans[index]
                found[index] = bytes(buffer[start - group.start : end - group.start])
        finally:
            instance.memory.give_back(buffer)

    async def work() -> None:
        for group in groups:  # shared by all workers
            await read_group(group)

    async def read_all() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(_MAX_CONCURRENT, instance.limits.per_host, len(spans))):
                tasks.create_task(work())

    try:
        await cancelled_once(read_all())
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
    return found


async def _in_order(instance: Instance, source: Backend, obj: ObjectInfo, spans: Sequence[_Range]) -> list[bytes]:
    """Read the object once, up to the end of the last range, and keep the bytes of all ranges."""
    found = [bytearray() for _ in spans]
    last = max((end for start, end in spans if start < end), default=0)
    async with aclosing(_positions(chunks(instance, source, obj, 0, last))) as body:
        async for position, chunk in body:
            for (start, end), kept in zip(spans, found, strict=True):
                kept.extend(chunk[max(start - position, 0) : max(end - position, 0)])
    return [bytes(kept) for kept in found]


async def _positions(body: AsyncGenerator[bytes]) -> AsyncGenerator[tuple[int, bytes]]:
    position = 0
    async with aclosing(body):
        async for chunk in body:
            yield position, chunk
            position += len(chunk)
