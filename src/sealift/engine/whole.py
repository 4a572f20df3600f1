"""Move an object of one part: read it into memory, verify it, and store it in one request."""

from ..contract import OnlyInOrder
from ..integrity import checksums
from ..integrity.signed import signed
from ..lane_contract import ByteCount
from ..types import Head
from .context import JobContext
from .copied_properties import of_empty_object
from .progress import MovedBytes
from .transfer import Transfer
from .verification import read_whole, verify_digest

__all__ = ["move_whole"]

_EMPTY = memoryview(b"")


async def move_whole(context: JobContext, transfer: Transfer) -> None:
    """Move an object that is no longer than one part."""
    try:
        await _move_whole(context, transfer)
    except OnlyInOrder as error:
        from .stream import move_stream  # noqa: PLC0415 - rare

        transfer = context.in_order(transfer, error)
        await move_stream(context, transfer, context.verification.choose_algorithm(transfer.obj))


async def _move_whole(context: JobContext, transfer: Transfer) -> None:
    obj, instance, verification = transfer.obj, context.instance, context.verification
    if not obj.size:
        await _move_empty(context, transfer)
        return
    buffer = await instance.memory.borrow(obj.size, context)
    moved = MovedBytes(context.source, context.destination)

    async def read() -> tuple[str | None, Head]:
        disk, source, verify = instance.disk, context.source, verification.wanted
        return await read_whole(disk, source, obj, buffer, verify=verify, counter=moved.received)

    try:
        with context.progress.count(transfer, moved.count):
            verified, head = await context.retry(transfer, read)
            verification.before_writing(obj, verified)
            moved.received.count = obj.size
            # The reply with the bytes carries their properties too, which saves a request.
            properties = await context.properties_to_store(transfer, head.properties or obj.properties)
            stored = await context.retry(transfer, lambda: context.put(transfer, buffer, properties, moved.sent))
            moved.store(obj.size)
    finally:
        instance.memory.give_back(buffer)
    context.report_stored(transfer, obj.size, verification.outcome(obj, verified, stored), properties, stored)


async def _move_empty(context: JobContext, transfer: Transfer) -> None:
    obj, properties = transfer.obj, transfer.obj.properties
    algorithm = signed(obj.checksums)
    if algorithm is not None:  # a service may say that an object is empty which was not when it was signed
        verify_digest(obj, obj.checksums, algorithm, checksums.digest(algorithm, _EMPTY))
    if properties is None and context.stores_properties:
        properties = await context.retry(transfer, lambda: of_empty_object(context.source, obj))
    properties = await context.properties_to_store(transfer, properties)
    stored = await context.retry(transfer, lambda: context.put(transfer, _EMPTY, properties, ByteCount()))
    context.report_stored(transfer, 0, context.verification.outcome(obj, algorithm, stored), properties, stored)
