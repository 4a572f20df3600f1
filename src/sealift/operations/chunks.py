"""Read an object, or a range of it, chunk by chunk and in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from ..contract import Backend, OnlyInOrder
from ..engine.continued_read import read_into
from ..engine.verification import fetch_checksums, verify_digest, verify_parts
from ..errors import TransportError
from ..instance import Instance
from ..integrity import checksums
from ..runtime import part_sizes
from ..runtime.shielded import shielded
from ..types import Capabilities, ObjectInfo, Part
from .sequential_read import SequentialRead

__all__ = ["chunks"]

_READ_AHEAD = 4
# A download to memory may have any number of parts of any size.
_UNLIMITED = Capabilities(max_part=1 << 62, max_parts=1 << 62)


async def chunks(
    instance: Instance, source: Backend, obj: ObjectInfo, start: int, length: int | None, *, to_end: bool = False
) -> AsyncGenerator[bytes]:
    """Yield a range of an object in order, with a bounded read-ahead.

    The memory budget is held only while bytes arrive, never while the caller works on a chunk: the caller may itself
    wait for the budget.

    Args:
        instance: The instance.
        source: The object's backend.
        obj: The object.
        start: Offset of the first byte.
        length: Number of bytes, no more than the object has after `start`. None: to the end.
        to_end: Whether that is the rest of the object.
    """
    in_parts = obj.ranged and obj.size is not None and length is not None and obj.version is not None
    body = (_in_parts if in_parts else _in_order)(instance, source, obj, start, length)
    done = 0
    try:
        async with aclosing(body):
            async for chunk in body:
                done += len(chunk)
                yield chunk
    except OnlyInOrder as error:
        obj = error.obj
        if done and obj.version is None:
            raise
        rest = None if length is None or (to_end and obj.size is None) else length - done
        async with aclosing(_in_order(instance, source, obj, start + done, rest)) as body:
            async for chunk in body:
                yield chunk


async def _in_parts(
    instance: Instance, source: Backend, obj: ObjectInfo, start: int, length: int | None
) -> AsyncGenerator[bytes]:
    """Read parts of an object concurrently; yield them in order."""
    job = object()
    memory = instance.memory
    assert obj.size is not None and length is not None  # noqa: S101, PT018  # for mypy
    size, whole = obj.size, length == obj.size
    if whole:
        obj = replace(obj, checksums=await instance.retry(lambda: fetch_checksums(source, obj)))
    algorithm = checksums.best(obj.checksums, combinable=True) if whole else None
    in_order = checksums.best(obj.checksums, combinable=False) if whole and algorithm is None else None
    running = checksums.Running(in_order) if in_order is not None else None
    parts = (
        list(part_sizes.parts(length, part_sizes.part_size(size, _UNLIMITED, instance.limits, memory.limit)))
        if length
        else []
    )
    digests: list[str] = []

    async def read_part(part: Part) -> bytes:
        buffer = await memory.borrow(part.size, job)
        try:
            await read_into(instance.retry, source, obj, start + part.start, buffer)
            return bytes(buffer)
        finally:
            memory.give_back(buffer)

    ahead: deque[asyncio.Task[bytes]] = deque()
    try:
        for part in parts[:_READ_AHEAD]:
            ahead.append(asyncio.create_task(read_part(part)))
        for index in range(len(parts)):
            chunk = await ahead.popleft()
            if index + _READ_AHEAD < len(parts):
                ahead.append(asyncio.create_task(read_part(parts[index + _READ_AHEAD])))
            if algorithm is not None:
                digests.append(checksums.digest(algorithm, chunk))
            elif running is not None:
                await instance.disk.run(partial(running.update, chunk))
            yield chunk
    finally:
        for task in ahead:
            task.cancel()
        await shielded(asyncio.gather(*ahead, return_exceptions=True))
    if algorithm is not None and parts:
        verify_parts(obj, algorithm, digests, parts)
    elif in_order is not None and running is not None:
        verify_digest(obj, obj.checksums, in_order, running.digest)


async def _in_order(
    instance: Instance, source: Backend, obj: ObjectInfo, start: int, length: int | None
) -> AsyncGenerator[bytes]:
    """Read an object without range support: from its beginning, discarding the bytes before `start`."""
    if start < 0:  # of an object of unknown size
        tail = bytearray()
        async with aclosing(_in_order(instance, source, obj, 0, None)) as body:
            async for piece in body:
                tail += piece
                del tail[:start]  # all but the last bytes
        yield bytes(tail[:length])
        return
    chunk = memoryview(bytearray(min(part_sizes.DEFAULT_PART, instance.memory.limit)))
    position, end = 0, None if length is None else start + length
    async with aclosing(SequentialRead(source, obj)) as reader:
        while end is None or position < end:
            view = chunk if end is None else chunk[: end - position]
            count = await instance.retry(lambda: reader.readinto(view))  # noqa: B023 - awaited here
            if count == 0:
                break
            skipped = min(max(start - position, 0), count)
            position += count
            if skipped < count:
                yield bytes(chunk[skipped:count])
    if end is not None and position < end and obj.size is not None:
        raise TransportError(f"received {position} bytes instead of {obj.size}")
