"""Reads of a range that continue at the byte where they broke, at the same version."""

from collections.abc import Awaitable, Callable

from ..contract import Backend
from ..errors import ObjectChanged, TransportError
from ..lane_contract import ByteCount, Sink
from ..types import Head, KiB, ObjectInfo
from ..wire import PIECE, memory_sink

__all__ = ["fill_range", "read_into", "read_whole"]

# Fewer bytes usually arrive at once, so they are not counted while they arrive.
_COUNTED = 64 * KiB


# Calls a function until it succeeds.
Retry = Callable[[Callable[[], Awaitable[Head | None]]], Awaitable[Head | None]]


async def fill_range(source: Backend, obj: ObjectInfo, end: int, sink: Sink) -> Head | None:
    """Read what a sink lacks.

    Args:
        source: Where the object is.
        obj: The object.
        end: Offset in the object at which the sink's range ends.
        sink: Where the bytes go. If the read fails, it keeps those that have arrived, for the next call.

    Returns:
        The head of the last reply; None: nothing was missing.

    Raises:
        TransportError: The connection broke with less than 256 KiB received; with more, the read is continued here, and
            so never given up while it makes progress.
        StorageError: The read failed.
    """
    head = None
    while missing := len(sink):
        try:
            head = await source.read_range(obj, end - missing, sink)
        except TransportError as error:
            if not error.retryable or missing - len(sink) < PIECE:
                raise
    return head


async def read_into(
    retry: Retry,
    source: Backend,
    obj: ObjectInfo,
    start: int,
    into: memoryview,
    counter: ByteCount | None = None,
) -> None:
    """Read a range into memory, with retries.

    Args:
        retry: The retry loop.
        source: Where the object is.
        obj: The object.
        start: Offset of the first byte.
        into: Where the bytes go; nothing is written there after this call.
        counter: Counts the bytes as they arrive, if they are many. None: nobody asks.

    Raises:
        StorageError: As `Backend.read_range`.
    """
    if not _continues(source, obj, into):
        await retry(lambda: source.read_range(obj, start, into))
        return
    sink = memory_sink(into, counter)
    try:
        await retry(lambda: fill_range(source, obj, start + len(into), sink))
    finally:
        sink.release()


async def read_whole(source: Backend, obj: ObjectInfo, into: memoryview, counter: ByteCount | None = None) -> Head:
    """Read a whole object into memory, without retries; as `Backend.read_range`.

    Args:
        source: Where the object is.
        obj: The object.
        into: Where the bytes go.
        counter: Counts the bytes as they arrive, if they are many; from 0, as nothing is left of an earlier call.
    """
    if counter is not None:
        counter.count = 0
    if not source.capabilities.sinks or len(into) <= _COUNTED:
        return await source.read_range(obj, 0, into)
    sink = memory_sink(into, counter)
    try:
        try:
            return await source.read_range(obj, 0, sink)
        except TransportError as error:
            if not error.retryable or len(into) - len(sink) < PIECE or not _continues(source, obj, into):
                raise
        await fill_range(source, obj, len(into), sink)
    finally:
        sink.release()
    # Replies to ranges say less about the object.
    found = await source.stat(obj.key)
    if found.version != obj.version:
        raise ObjectChanged(f"{obj.key!r} was replaced while it was read")
    return Head(found.version, found.size, found.checksums, found.composite, found.properties)


def _continues(source: Backend, obj: ObjectInfo, into: memoryview) -> bool:
    """Whether a read that breaks can be continued, and may be long enough for that."""
    return source.capabilities.sinks and obj.ranged and obj.version is not None and len(into) > PIECE
