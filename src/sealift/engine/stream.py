"""Move an object that can only be read once, in order: without ranges, a known size or a version."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from ..contract import OnlyInOrder, Upload
from ..errors import IntegrityError, ObjectChanged, ObjectExists, StorageError, TransportError
from ..integrity import checksums
from ..lane_contract import ByteCount
from ..runtime import part_sizes
from ..types import ObjectInfo, Part, Receipt
from ..types.properties import NO_PROPERTIES
from ..wire import fill_buffer
from .context import JobContext
from .progress import MovedBytes
from .transfer import Transfer
from .verification import verify_digest

__all__ = ["move_stream"]


async def move_stream(context: JobContext, transfer: Transfer, algorithm: str | None) -> None:
    """Read an object once, in order, and write it.

    Args:
        context: The job's context.
        transfer: The object.
        algorithm: The checksum to verify it with; None: no checksum.
    """
    try:
        attempt = await context.retry(transfer, lambda: _read_and_write(context, transfer, algorithm))
    except OnlyInOrder as error:
        transfer = context.in_order(transfer, error)
        attempt = await context.retry(transfer, lambda: _read_and_write(context, transfer, algorithm))
    stored = attempt.stored
    if attempt.upload is not None:
        stored = await context.complete_upload(transfer, attempt.upload, attempt.receipts, algorithm)
    obj = replace(transfer.obj, size=attempt.size)
    verified = context.verification.outcome(obj, algorithm, stored)
    context.report_stored(transfer, attempt.size, verified, obj.properties, stored)


class _Attempt:
    """One read of the whole object.

    Attributes:
        size: Bytes read and written.
        upload: The upload to complete; None: one request was enough.
        receipts: Those of the upload's parts, in order.
        stored: The stored object, where one request was enough.
    """

    __slots__ = ("receipts", "size", "stored", "upload")

    def __init__(self) -> None:
        self.size = 0
        self.upload: Upload | None = None
        self.receipts: list[Receipt] = []
        self.stored: ObjectInfo | None = None


async def _read_and_write(context: JobContext, transfer: Transfer, algorithm: str | None) -> _Attempt:
    """Read the whole object and write it. It is retried as a whole, so nothing in it is retried separately."""
    attempt, moved = _Attempt(), MovedBytes(context.source, context.destination)
    with context.progress.count(transfer, moved.count):
        await _move_in_order(context, transfer, algorithm, attempt, moved)
    return attempt


async def _move_in_order(
    context: JobContext, transfer: Transfer, algorithm: str | None, attempt: _Attempt, moved: MovedBytes
) -> None:
    obj = transfer.obj
    running = checksums.Running(algorithm) if algorithm is not None else None
    try:
        async with context.source.open_read(obj) as reader:
            more = True
            while more:
                async with _buffer(context, obj, len(attempt.receipts)) as buffer:
                    count = await fill_buffer(reader, buffer, moved.received)
                    more = count == len(buffer)
                    size = attempt.size + count
                    if not more and obj.size not in {None, size}:
                        raise TransportError(f"received {size} bytes instead of {obj.size}", retryable=True)
                    if running is not None:
                        await context.instance.disk.run(partial(running.update, buffer[:count]))
                        if not more and algorithm is not None:
                            verify_digest(obj, obj.checksums, algorithm, running.digest, retryable=True)
                    await _write(context, transfer, attempt, buffer[:count], moved.sent, last=not more)
                attempt.size += count
                moved.store(count)
    except StorageError as error:
        if attempt.upload is not None:
            if isinstance(error, IntegrityError | ObjectChanged | ObjectExists):
                context.discard_upload(attempt.upload)
            await context.suspend_upload(attempt.upload)
        raise


async def _write(
    context: JobContext, transfer: Transfer, attempt: _Attempt, data: memoryview, sent: ByteCount, *, last: bool
) -> None:
    """Write the next bytes of an object: as the next part, or in one request if these are all."""
    if last and attempt.upload is None:
        attempt.stored = await context.put(transfer, data, transfer.obj.properties or NO_PROPERTIES, sent)
    elif len(data):
        attempt.upload = attempt.upload or await context.open_upload(transfer)
        part = Part(len(attempt.receipts), attempt.size, len(data))
        attempt.receipts.append(await attempt.upload.write_part(part, data, sent))


@asynccontextmanager
async def _buffer(context: JobContext, obj: ObjectInfo, index: int) -> AsyncGenerator[memoryview]:
    memory = context.instance.memory
    if obj.size is None:
        limits = context.instance.limits
        length = part_sizes.stream_part(index, context.destination.capabilities, limits, memory.limit)
    else:  # one byte longer than the object, so that a single read also finds its end
        length = min(context.part_size(obj) or memory.limit, obj.size + 1, memory.limit)
    buffer = await memory.borrow(length, context)
    try:
        yield buffer
    finally:
        memory.give_back(buffer)
