"""Reading objects into memory: all at once into the caller's, or chunk by chunk in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial

import anyio

from ..contract import Backend
from ..engine.verification import fetch_checksums, read_whole, verify_digest
from ..errors import InvalidConfig, TransportError, first_of
from ..instance import Instance
from ..integrity import checksums
from ..runtime import part_sizes
from ..types import Capabilities, ObjectInfo, Part

__all__ = ["chunks", "length_of", "read_into"]

# Parts of one object that are asked for at once.
_AT_ONCE = 16
_AHEAD = 4
# What is only read may have any number of parts.
_ANY = Capabilities(max_part=1 << 62, max_parts=1 << 62)


def length_of(obj: ObjectInfo, start: int, length: int | None) -> int | None:
    """How many bytes a range has within an object, as for a slice; None: as many as will come.

    Raises:
        InvalidConfig: A number is negative.
    """
    if start < 0 or (length is not None and length < 0):
        raise InvalidConfig(f"the range from {start} of length {length}", hint="neither may be negative")
    if obj.size is None:
        return length
    rest = max(obj.size - start, 0)
    return rest if length is None else min(rest, length)


async def read_into(instance: Instance, source: Backend, obj: ObjectInfo, start: int, view: memoryview) -> None:
    """Fill memory of the caller with a part of an object, in parallel and in place.

    Args:
        instance: Of the instance.
        source: Where the object is.
        obj: What to read; it tells its size and can be read in ranges.
        start: Offset of the first byte.
        view: Writable bytes, no more than the object has from there on.
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
    limit = anyio.Semaphore(min(_AT_ONCE, instance.limits.per_host))

    async def read(part: Part) -> None:
        into = view[part.start : part.start + part.size]
        async with limit:
            await instance.retry(partial(source.read_range, obj, start + part.start, into))
        if algorithm is not None:
            digests[part.index] = checksums.digest(algorithm, into)

    try:
        async with anyio.create_task_group() as group:
            for part in parts:
                group.start_soon(read, part)
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
    if algorithm is not None:
        _compare(obj, algorithm, digests, parts)
    elif whole and (in_order := checksums.best(obj.checksums, combinable=False)) is not None:
        verify_digest(obj, obj.checksums, in_order, await instance.disk.run(lambda: checksums.digest(in_order, view)))


async def chunks(
    instance: Instance, source: Backend, obj: ObjectInfo, start: int, length: int | None
) -> AsyncGenerator[bytes]:
    """A part of an object in order; a few chunks are read ahead, and no more while nobody asks for them.

    Budget is held only while bytes arrive, never while a caller works on a chunk: he may wait for budget himself.

    Args:
        instance: Of the instance.
        source: Where the object is.
        obj: What to read.
        start: Offset of the first byte.
        length: In bytes; None: to the end. As `length_of` gave it.
    """
    if not obj.ranged or obj.size is None or length is None or obj.version is None:
        async for chunk in _in_order(instance, source, obj, start, length):
            yield chunk
        return
    job = object()
    memory = instance.memory
    size, whole = obj.size, length == obj.size
    if whole:
        obj = replace(obj, checksums=await instance.retry(lambda: fetch_checksums(source, obj)))
    algorithm = checksums.best(obj.checksums, combinable=True) if whole else None
    in_order = checksums.best(obj.checksums, combinable=False) if whole and algorithm is None else None
    running = checksums.Running(in_order) if in_order is not None else None
    parts = (
        list(part_sizes.parts(length, part_sizes.part_size(size, _ANY, instance.limits, memory.limit)))
        if length
        else []
    )
    digests: list[str] = []

    async def read(part: Part) -> bytes:
        buffer = await memory.borrow(part.size, job)
        try:
            await instance.retry(lambda: source.read_range(obj, start + part.start, buffer))
            return bytes(buffer)
        finally:
            memory.give_back(buffer)

    ahead: deque[asyncio.Task[bytes]] = deque()
    try:
        for part in parts[:_AHEAD]:
            ahead.append(asyncio.create_task(read(part)))
        for index in range(len(parts)):
            chunk = await ahead.popleft()
            if index + _AHEAD < len(parts):
                ahead.append(asyncio.create_task(read(parts[index + _AHEAD])))
            if algorithm is not None:
                digests.append(checksums.digest(algorithm, chunk))
            elif running is not None:
                await instance.disk.run(partial(running.update, chunk))
            yield chunk
    finally:
        for task in ahead:
            task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.gather(*ahead, return_exceptions=True)
    if algorithm is not None and parts:
        _compare(obj, algorithm, digests, parts)
    elif in_order is not None and running is not None:
        verify_digest(obj, obj.checksums, in_order, running.digest)


async def _in_order(
    instance: Instance, source: Backend, obj: ObjectInfo, start: int, length: int | None
) -> AsyncGenerator[bytes]:
    """The only way to read what has no ranges: from its beginning, and once."""
    chunk = memoryview(bytearray(min(part_sizes.DEFAULT_PART, instance.memory.limit)))
    position, end = 0, None if length is None else start + length
    async with source.open_read(obj) as reader:
        while end is None or position < end:
            count = await reader.readinto(chunk if end is None else chunk[: end - position])
            if count == 0:
                break
            skipped = min(max(start - position, 0), count)
            position += count
            if skipped < count:
                yield bytes(chunk[skipped:count])
    if end is not None and position < end and obj.size is not None:
        raise TransportError(f"{position} bytes came instead of {obj.size}")


def _compare(obj: ObjectInfo, algorithm: str, digests: list[str], parts: list[Part]) -> None:
    verify_digest(
        obj,
        obj.checksums,
        algorithm,
        checksums.combine(algorithm, zip(digests, (part.size for part in parts), strict=True)),
    )
