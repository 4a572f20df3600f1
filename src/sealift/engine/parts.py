"""Move an object in parts, in any order, and publish it once all parts are stored and the whole object is verified."""

import asyncio
from contextlib import nullcontext
from functools import partial

from ..contract import OnlyInOrder, Upload
from ..errors import IntegrityError, ObjectChanged, ObjectExists, StorageError
from ..integrity import checksums
from ..types import Part, Receipt
from ..wire import PIECE
from .context import JobContext
from .continued_read import fill_range, read_into
from .progress import MovedBytes
from .transfer import Transfer
from .verification import verify_digest

__all__ = ["MultipartTransfer", "move_part"]


class MultipartTransfer:
    """An object whose parts arrive in any order.

    Args:
        transfer: The object.
        parts: Its parts, in order.
        algorithm: The checksum to verify it with; None: no checksum.

    Attributes:
        in_order: Computes that checksum where it cannot be combined from the checksums of the parts.
        receipts: Part index → receipt, for each part that is stored.
        digests: Part index → checksum, where checksums combine.
        upload: The upload, once it is open.
        opening: Held while the upload is opened.
        ended: How many parts are stored, or were given up.
        only_in_order: Why parts cannot be read.
        failure: Why the object is given up, although the job continues.
    """

    __slots__ = (
        "algorithm", "digests", "ended", "failure", "in_order", "only_in_order", "opening", "parts", "receipts",
        "transfer", "upload",
    )  # fmt: skip

    def __init__(self, transfer: Transfer, parts: list[Part], algorithm: str | None) -> None:
        self.transfer = transfer
        self.parts = parts
        self.algorithm = algorithm
        combines = algorithm is None or algorithm in checksums.COMBINABLE
        self.in_order = None if combines or algorithm is None else checksums.InOrder(algorithm)
        self.receipts: dict[int, Receipt] = {}
        self.digests: dict[int, str] = {}
        self.upload: Upload | None = None
        self.opening = asyncio.Lock()
        self.ended = 0
        self.only_in_order: OnlyInOrder | None = None
        self.failure: StorageError | None = None

    @property
    def digest(self) -> str:
        """The checksum of the whole object, once all parts have arrived."""
        if self.in_order is not None:
            return self.in_order.digest
        assert self.algorithm is not None  # noqa: S101  # for mypy: read only where there is an algorithm
        return checksums.combine(self.algorithm, [(self.digests[part.index], part.size) for part in self.parts])


async def move_part(context: JobContext, multipart: MultipartTransfer, part: Part) -> None:
    """Move one part, and publish the object if it was the last.

    If parts turn out to be unreadable, the last one to end reads the object in order instead. If one fails, and the job
    continues without this object, the last one to end closes the upload: until then, others may write to it.
    """
    try:
        if multipart.only_in_order is None and multipart.failure is None:
            await _move_part(context, multipart, part)
    except OnlyInOrder as error:
        multipart.only_in_order = error
        await _let_others_pass(multipart, part)
    except StorageError as error:
        if context.on_failure is None:
            raise
        multipart.failure = multipart.failure or error
        await _let_others_pass(multipart, part)
    multipart.ended += 1
    if multipart.ended == len(multipart.parts):
        if multipart.failure is not None:
            await _give_up(context, multipart, multipart.failure)
        elif multipart.only_in_order is not None:
            move = partial(_move_in_order, context, multipart, multipart.only_in_order)
            await context.attempt(multipart.transfer, move)


async def _let_others_pass(multipart: MultipartTransfer, part: Part) -> None:
    """Let the parts continue that wait for the turns of one that failed."""
    if multipart.in_order is not None:
        await multipart.in_order.memory_turns.give_up(part.index)
        await multipart.in_order.hash_turns.give_up(part.index)


async def _give_up(context: JobContext, multipart: MultipartTransfer, failure: StorageError) -> None:
    async def fail() -> None:
        raise failure

    if multipart.upload is not None:
        await context.suspend_upload(multipart.upload)
    await context.attempt(multipart.transfer, fail)


async def _move_part(context: JobContext, multipart: MultipartTransfer, part: Part) -> None:
    upload = await _upload(context, multipart)
    try:
        if not _reuse(context, multipart, part, upload):
            await _move(context, multipart, part, upload)
        if len(multipart.receipts) == len(multipart.parts):
            await _publish(context, multipart, upload)
    except (IntegrityError, ObjectChanged, ObjectExists):
        context.discard_upload(upload)  # damaged parts, and those of another version, must not be resumed
        raise


def _reuse(context: JobContext, multipart: MultipartTransfer, part: Part, upload: Upload) -> bool:
    """Whether an earlier process has stored a part, so that it need not even be read."""
    recorded = context.recorded_upload(upload)
    if recorded is None or multipart.in_order is not None:
        return False
    found = recorded.find(part, multipart.algorithm)
    if found is None:
        return False
    multipart.receipts[part.index] = found.receipt
    multipart.digests[part.index] = found.digest
    context.emit("resumed", multipart.transfer, part.size)
    context.emit("progress", multipart.transfer, part.size)
    return True


async def _move(context: JobContext, multipart: MultipartTransfer, part: Part, upload: Upload) -> None:
    memory, in_order = context.instance.memory, multipart.in_order
    to_file = context.source.capabilities.sinks and upload.writes_ranges
    size = min(part.size, PIECE) if to_file else part.size
    async with nullcontext() if in_order is None else in_order.memory_turns.turn(part.index):
        one_file = to_file and in_order is None and context.total == multipart.transfer.obj.size
        buffer = await memory.borrow(size, context, moves=part.size, one_file=one_file)
    try:
        move = _move_to_file if to_file else _move_through_memory
        multipart.receipts[part.index] = await move(context, multipart, part, upload, buffer)
    finally:
        memory.give_back(buffer)


async def _move_through_memory(
    context: JobContext, multipart: MultipartTransfer, part: Part, upload: Upload, buffer: memoryview
) -> Receipt:
    """Read a part into memory and write it."""
    transfer, in_order = multipart.transfer, multipart.in_order
    receipt, moved = Receipt(part), MovedBytes(context.source, context.destination)
    retry = partial(context.retry, transfer)
    with context.progress.count(transfer, moved.count):
        recalled = await upload.recall(part, buffer)
        if not recalled:
            await read_into(retry, context.source, transfer.obj, part.start, buffer, moved.received)
            moved.received.count = part.size
        if multipart.algorithm is not None and in_order is None:
            multipart.digests[part.index] = checksums.digest(multipart.algorithm, buffer)
        if not recalled:
            receipt = await retry(lambda: upload.write_part(part, buffer, moved.sent))
        if recalled or receipt.reused:
            context.emit("resumed", transfer, part.size)
        moved.store(part.size)
    if in_order is not None:
        async with in_order.hash_turns.turn(part.index):
            await context.instance.disk.run(lambda: in_order.update(buffer))
    elif (recorded := context.recorded_upload(upload)) is not None:
        await recorded.add(receipt, multipart.algorithm, multipart.digests.get(part.index, ""))
    return receipt


async def _move_to_file(
    context: JobContext, multipart: MultipartTransfer, part: Part, upload: Upload, piece: memoryview
) -> Receipt:
    """Read a part straight into its file."""
    transfer, in_order = multipart.transfer, multipart.in_order
    algorithm = multipart.algorithm if in_order is None else None
    sink = upload.file_range(part, piece, algorithm)
    if await upload.recall_range(part, sink):
        context.emit("resumed", transfer, part.size - len(sink))

    with context.progress.count(transfer, lambda: part.size - len(sink), keep=True):
        try:
            await context.retry(
                transfer, lambda: fill_range(context.source, transfer.obj, part.start + part.size, sink)
            )
        except OnlyInOrder:
            sink.rewind()  # of its progress, too
            raise
        if sink.position < part.start + part.size:  # a backend has not flushed it
            await context.instance.disk.run(sink.flush)
    if algorithm is not None:
        multipart.digests[part.index] = checksums.crc_digest(algorithm, sink.crcs[algorithm])
    if in_order is not None:
        async with in_order.hash_turns.turn(part.index):
            await context.instance.disk.run(lambda: sink.read_back(in_order.update))
    return Receipt(part)


async def _upload(context: JobContext, multipart: MultipartTransfer) -> Upload:
    """The object's upload, opened by the first part that needs it."""
    if multipart.upload is None:
        async with multipart.opening:
            await asyncio.sleep(0)  # if another part failed to open it, this one is cancelled here
            if multipart.failure is not None:  # or ends here, if the job continues without this object
                raise multipart.failure
            if multipart.upload is None:
                transfer = multipart.transfer
                multipart.upload = await context.retry(transfer, lambda: context.open_upload(transfer))
    return multipart.upload


async def _move_in_order(context: JobContext, multipart: MultipartTransfer, error: OnlyInOrder) -> None:
    """Read the object in order; what is stored of its parts may be wrong."""
    from .stream import move_stream  # noqa: PLC0415 - rare

    if stored := sum(receipt.part.size for receipt in multipart.receipts.values()):
        context.emit("progress", multipart.transfer, -stored)
    if multipart.upload is not None:
        context.discard_upload(multipart.upload)
        await context.suspend_upload(multipart.upload)
    transfer = context.in_order(multipart.transfer, error)
    await move_stream(context, transfer, context.verification.choose_algorithm(transfer.obj))


async def _publish(context: JobContext, multipart: MultipartTransfer, upload: Upload) -> None:
    transfer, algorithm = multipart.transfer, multipart.algorithm
    if algorithm is not None:
        verify_digest(transfer.obj, transfer.obj.checksums, algorithm, multipart.digest)
    receipts = [multipart.receipts[part.index] for part in multipart.parts]
    stored = await context.complete_upload(transfer, upload, receipts, algorithm)
    verified = context.verification.outcome(transfer.obj, algorithm, stored)
    context.report_stored(transfer, transfer.obj.size or 0, verified, transfer.obj.properties, stored)
