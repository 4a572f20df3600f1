"""Reading objects into memory: at once, into a caller's buffer, or in chunks."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from ..contract import Backend, OnlyInOrder
from ..engine.continued_read import read_into as read_range_into
from ..engine.verification import fetch_checksums, read_whole, verify_digest, verify_parts
from ..errors import InvalidConfig, first_of
from ..instance import Instance
from ..integrity import checksums
from ..runtime import large_buffer, part_sizes
from ..runtime.observers import count_read
from ..runtime.shielded import cancelled_once
from ..types import MiB, ObjectInfo, Part
from ..types.argument_checks import whole_number, wrong_type
from .chunks import chunks
from .first_read import FirstRead
from .open_location import OpenLocation
from .resolve import find_object

__all__ = ["fill", "range_in", "read", "read_into", "read_span", "stream_object"]

# Ranges of one object that are requested concurrently.
_MAX_CONCURRENT = 16
# Larger objects are copied in a thread, without the interpreter lock.
_SMALL = 2 * MiB


async def read(source: OpenLocation, start: int, length: int | None) -> bytes:
    """Read an object or a range of it; see `AsyncStorage.read`."""
    data = await _read(source, start, length)
    count_read(len(data))
    return data


async def _read(source: OpenLocation, start: int, length: int | None) -> bytes:
    start = whole_number("start", start)
    first = FirstRead(source.backend, _SMALL, -start if start < 0 else None)
    one_request = (start == 0 and length is None) or -_SMALL <= start < 0
    obj, start, count = await _find_range(source, start, length, first.stat if one_request else None)
    if (received := first.received) is not None:
        if len(received.data) != obj.size:
            return bytes(received.data[:count])
        disk, data = source.instance.disk, received.data
        await source.instance.retry(lambda: read_whole(disk, source.backend, obj, data, received=received))
        return bytes(data[:count])
    if count is None or not obj.ranged or obj.size is None:
        body = chunks(source.instance, source.backend, obj, start, count, to_end=length is None)
        return b"".join([chunk async for chunk in body])
    try:
        return await read_span(source.instance, source.backend, obj, start, count)
    except OnlyInOrder as error:
        body = chunks(source.instance, source.backend, error.obj, start, length if error.obj.size is None else count)
        return b"".join([chunk async for chunk in body])


async def read_span(instance: Instance, source: Backend, obj: ObjectInfo, start: int, count: int) -> bytes:
    """Read `count` bytes of an object, which it has; the arguments are otherwise those of `fill`."""
    if count <= _SMALL:
        buffer = bytearray(count)
        await fill(instance, source, obj, start, memoryview(buffer))
        return bytes(buffer)
    memory = large_buffer.allocate(count)
    with memoryview(memory) as view:
        await fill(instance, source, obj, start, view)
    return await instance.disk.run(lambda: large_buffer.to_bytes(memory))


async def read_into(source: OpenLocation, buffer: Any, start: int) -> int:
    """Read a range of an object into a caller's buffer; see `AsyncStorage.read_into`.

    Returns:
        Number of bytes read.
    """
    try:
        view = memoryview(buffer)
    except TypeError:
        raise wrong_type("buffer", buffer, "writable, contiguous memory, such as a bytearray") from None
    if view.readonly or not view.c_contiguous:
        raise InvalidConfig("the buffer is read-only or not contiguous", hint="pass writable, contiguous memory")
    view = view.cast("B") if view.nbytes else memoryview(b"")
    obj, start, found = await _find_range(source, start, len(view))
    count = found or 0
    if obj.ranged and obj.size is not None:
        # Released at once: the traceback of a cancelled task may live on, and the buffer is the caller's.
        try:
            with view[:count] as part, view:
                await fill(source.instance, source.backend, obj, start, part)
            count_read(count)
            return count
        except OnlyInOrder as error:
            obj, view = error.obj, memoryview(buffer).cast("B")
    done = 0
    async with aclosing(chunks(source.instance, source.backend, obj, start, count)) as body:
        async for chunk in body:
            view[done : done + len(chunk)] = chunk
            done += len(chunk)
    count_read(done)
    return done


async def stream_object(source: OpenLocation, start: int, length: int | None) -> AsyncGenerator[bytes]:
    """Read an object or a range of it chunk by chunk; see `AsyncStorage.stream`."""
    obj, start, count = await _find_range(source, start, length)
    to_end = length is None
    async with aclosing(chunks(source.instance, source.backend, obj, start, count, to_end=to_end)) as body:
        async for chunk in body:
            count_read(len(chunk))
            yield chunk


async def _find_range(
    source: OpenLocation,
    start: int,
    length: int | None,
    stat: Callable[[str], Awaitable[ObjectInfo]] | None = None,
) -> tuple[ObjectInfo, int, int | None]:
    """Find an object, and the part of a range that it has; as with a slice, a range may exceed the object.

    Returns:
        The object, the offset of the first byte, and the number of bytes. If the size of the object is unknown, the
        offset may be negative, and the number may be None: to the end.
    """
    start = whole_number("start", start)
    if length is not None and (length := whole_number("length", length)) < 0:
        raise InvalidConfig(f"length={length} is negative", hint="None: to the end; only start counts from the end")
    obj = await find_object(source.backend, source.location.key, source.instance.retry, stat)
    return obj, *range_in(obj.size, start, length)


def range_in(size: int | None, start: int, length: int | None) -> tuple[int, int | None]:
    """The part of a range that is in an object of this size, as `_find_range` returns it."""
    if size is None:
        return start, length
    first = max(start + size, 0) if start < 0 else start
    rest = max(size - first, 0)
    return first, rest if length is None else min(rest, length)


async def fill(instance: Instance, source: Backend, obj: ObjectInfo, start: int, view: memoryview) -> None:
    """Read a range of an object concurrently, directly into a buffer.

    Args:
        instance: The instance.
        source: The object's backend.
        obj: An object of known size that supports ranges.
        start: Offset of the first byte.
        view: Writable bytes, no more than the object has after `start`.
    """
    if not len(view):
        return
    whole = start == 0 and len(view) == obj.size
    length = instance.limits.part_size or part_sizes.DEFAULT_PART
    if whole and len(view) <= length:
        await instance.retry(lambda: read_whole(instance.disk, source, obj, view))
        return
    if whole:
        obj = replace(obj, checksums=await instance.retry(lambda: fetch_checksums(source, obj)))
    algorithm = checksums.best(obj.checksums, combinable=True) if whole else None
    parts = list(part_sizes.parts(len(view), length))
    digests = [""] * len(parts)
    limit = asyncio.Semaphore(min(_MAX_CONCURRENT, instance.limits.per_host))

    async def read_part(part: Part) -> None:
        with view[part.start : part.start + part.size] as buffer:
            async with limit:
                await read_range_into(instance.retry, source, obj, start + part.start, buffer)
            if algorithm is not None:
                digests[part.index] = checksums.digest(algorithm, buffer)

    async def read_all() -> None:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(read_part(part))

    try:
        await cancelled_once(read_all())
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
    if algorithm is not None:
        verify_parts(obj, algorithm, digests, parts)
    elif whole and (in_order := checksums.best(obj.checksums, combinable=False)) is not None:
        verify_digest(obj, obj.checksums, in_order, await instance.disk.run(lambda: checksums.digest(in_order, view)))
