"""Moves objects from one backend to another: any → any.

    feeder: transfers, while the listing goes on ─▶ bounded queue ─▶ workers: memory ▸ read ▸ check ▸ write

Each job has a task group of its own. An object of one part is read and `put`; a larger one is cut into parts that land
in an upload in any order, and is published when its last part has landed and the whole is verified; one that cannot be
read in ranges is read once, in order; and between two places of one service the service copies by itself. On failure or
cancellation the group unwinds and open uploads are aborted; other jobs do not notice.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from ..contract import Backend, Reader, Upload
from ..errors import IntegrityError, ObjectChanged, StorageError, TransportError, first_of
from ..instance import Instance
from ..integrity import checksums, composite
from ..keys import paths
from ..runtime import part_sizes
from ..types import Event, EventKind, ObjectInfo, OnEvent, Part, Receipt, Verify
from ..types.properties import NO_PROPERTIES, Properties, dropped
from . import resume_upload
from .copied_properties import carried, naming_tags, of_empty
from .transfer import Assembly, OnStored, Transfer
from .verification import Verification, check, read_whole, told_of, unverified

__all__ = ["Job"]

# How long the cleanup after a failure may take, in seconds.
_ABORT_DEADLINE = 10.0
_NOTHING = memoryview(b"")

T = TypeVar("T")
Work = Callable[[], Awaitable[None]]


class Job:
    """One call's transfers.

    Args:
        source: Where objects are read.
        destination: Where they are written.
        instance: Of the instance that both belong to.
        on_event: Told of progress, on the loop's thread; it must not block.
        dry_run: Only tell what would be moved.
        verify: Whether bytes are compared with checksums.
        on_stored: Called for each object that is complete and verified.

    Example:
        >>> async def copy_all(source: Backend, destination: Backend, instance: Instance) -> None:
        ...     async def transfers():
        ...         async for obj in source.list("models/"):
        ...             yield Transfer(obj, obj.key, listed=True)
        ...     await Job(source, destination, instance).run(transfers())
    """

    def __init__(
        self,
        source: Backend,
        destination: Backend,
        instance: Instance,
        on_event: OnEvent | None = None,
        *,
        dry_run: bool = False,
        verify: Verify = True,
        on_stored: OnStored | None = None,
    ) -> None:
        self._source = source
        self._destination = destination
        self._instance = instance
        self._on_event = on_event
        self._on_stored = on_stored
        self._dry_run = dry_run
        self._verification = Verification(verify, destination)
        self._describes = destination.capabilities.properties
        self._copies = destination.capabilities.server_copy and source.service == destination.service
        self._most_workers = instance.limits.connections
        self._workers = 0
        self._idle = 0
        self._queue: asyncio.Queue[Work | None] = asyncio.Queue(2 * self._most_workers)
        self._open: dict[int, Upload] = {}

    async def run(self, transfers: AsyncGenerator[Transfer]) -> None:
        """Move them all, or raise the first failure.

        Args:
            transfers: Taken from while earlier ones are under way.

        Raises:
            StorageError: What failed first; later failures are its notes. Objects that were published before stay.
        """
        try:
            async with anyio.create_task_group() as group:
                await self._feed(transfers, group)
        except BaseExceptionGroup as failures:
            raise first_of(failures) from None
        finally:
            if self._open:
                with anyio.move_on_after(_ABORT_DEADLINE, shield=True):
                    for upload in list(self._open.values()):
                        with suppress(StorageError):  # the failure that led here is the one to tell
                            await self._instance.retry(upload.suspend)

    async def _feed(self, transfers: AsyncGenerator[Transfer], group: TaskGroup) -> None:
        async with aclosing(transfers):
            async for transfer in transfers:
                self._emit("listed", transfer, transfer.obj.size or 0)
                if self._dry_run:
                    continue
                for work in await self._cut(transfer):
                    if self._idle <= self._queue.qsize() and self._workers < self._most_workers:
                        self._workers += 1
                        group.start_soon(self._work)
                    await self._queue.put(work)
        for _ in range(self._workers):
            await self._queue.put(None)

    async def _work(self) -> None:
        while True:
            self._idle += 1
            work = await self._queue.get()
            self._idle -= 1
            if work is None:
                return
            await work()

    async def _cut(self, transfer: Transfer) -> Iterable[Work]:
        """The pieces of work that an object is made of."""
        # A directory marker is written anew: SeaweedFS does not find one to copy.
        if self._copies and not paths.is_directory_marker(transfer.obj.key, transfer.obj.size):
            return [partial(self._copy, transfer)]
        transfer, length = await self._sized(transfer)
        obj = transfer.obj
        if length is not None and obj.size is not None and obj.size <= length:
            return [partial(self._move_whole, transfer)]
        algorithm = self._verification.algorithm(obj)
        if length is None or obj.size is None:
            return [partial(self._move_stream, transfer, algorithm)]
        pieces = list(part_sizes.parts(obj.size, length))
        in_order = checksums.InOrder(algorithm) if algorithm and algorithm not in checksums.COMBINABLE else None
        assembly = Assembly(transfer, pieces, algorithm, in_order)
        return (partial(self._move_part, assembly, part) for part in pieces)

    async def _sized(self, transfer: Transfer) -> tuple[Transfer, int | None]:
        """The transfer, with all that is needed to cut it, and the length of its parts; None: it is read in order."""
        obj, length = transfer.obj, self._part_size(transfer.obj)
        in_parts = length is not None and obj.size is not None and obj.size > length
        compared = in_parts and self._verification.wanted
        told_less = obj.version is None or (compared and self._source.capabilities.checksums and not obj.checksums)
        if self._describes and (in_parts or length is None or not obj.ranged):
            told_less = told_less or obj.properties is None
        if transfer.listed and told_less:
            obj = await self._retry(transfer, lambda: self._source.stat(obj.key))
            if transfer.obj.version not in {None, obj.version}:
                raise ObjectChanged(f"{obj.key!r} was replaced after it had been listed")
            length = self._part_size(obj)
        if compared and obj.composite:
            sums = await self._retry(transfer, lambda: told_of(self._source, obj))
            obj = replace(obj, checksums=sums)
        if not obj.ranged or (obj.version is None and length is not None and (obj.size or 0) > length):
            length = None
        if self._describes and (length is None or obj.size is None or obj.size > length):
            obj = replace(obj, properties=await self._carried(transfer, obj.properties))
        return Transfer(obj, transfer.key), length

    def _part_size(self, obj: ObjectInfo) -> int | None:
        if obj.size is None:
            return None
        instance = self._instance
        return part_sizes.part_size(obj.size, self._destination.capabilities, instance.limits, instance.memory.limit)

    async def _move_whole(self, transfer: Transfer) -> None:
        obj = transfer.obj
        if not obj.size:
            await self._move_empty(transfer)
            return
        memory = self._instance.memory
        buffer = await memory.borrow(obj.size, self)
        try:
            verify = self._verification.wanted
            verified, head = await self._retry(
                transfer, lambda: read_whole(self._instance.disk, self._source, obj, buffer, verify=verify)
            )
            self._verification.before_writing(obj, verified)
            # The reply that brought the bytes tells their properties too, without a request more.
            properties = await self._carried(transfer, head.properties or obj.properties)
            stored = await self._retry(transfer, lambda: self._put(transfer, buffer, properties))
        finally:
            memory.give_back(buffer)
        self._emit("progress", transfer, obj.size)
        self._moved(transfer, obj.size, self._verification.outcome(obj, verified, stored), properties, stored)

    async def _move_empty(self, transfer: Transfer) -> None:
        obj, properties = transfer.obj, transfer.obj.properties
        if properties is None and self._describes:
            properties = await self._retry(transfer, lambda: of_empty(self._source, obj))
        properties = await self._carried(transfer, properties)
        stored = await self._retry(transfer, lambda: self._put(transfer, _NOTHING, properties))
        self._moved(transfer, 0, self._verification.outcome(obj, None, stored), properties, stored)

    async def _carried(self, transfer: Transfer, told: Properties | None) -> Properties:
        """The properties to store beside the bytes, of those that the source has told."""
        if told is None or not self._describes:
            return NO_PROPERTIES
        return await self._retry(transfer, lambda: carried(self._source, transfer.obj, told, self._destination))

    async def _put(self, transfer: Transfer, data: memoryview, properties: Properties) -> ObjectInfo:
        with naming_tags(properties):
            return await self._destination.put(transfer.key, data, properties)

    async def _move_part(self, assembly: Assembly, part: Part) -> None:
        transfer, in_order = assembly.transfer, assembly.in_order
        upload = await self._upload_of(assembly)
        memory = self._instance.memory
        async with nullcontext() if in_order is None else in_order.memory_turns.turn(part.index):
            buffer = await memory.borrow(part.size, self)
        try:
            recalled = await upload.recall(part, buffer)
            if not recalled:
                await self._retry(transfer, lambda: self._source.read_range(transfer.obj, part.start, buffer))
            if assembly.algorithm is not None and in_order is None:
                assembly.digests[part.index] = checksums.digest(assembly.algorithm, buffer)
            receipt = Receipt(part)
            if not recalled:
                receipt = await self._retry(transfer, lambda: upload.write_part(part, buffer))
            if in_order is not None:
                async with in_order.hash_turns.turn(part.index):
                    await self._instance.disk.run(lambda: in_order.update(buffer))
        finally:
            memory.give_back(buffer)
        assembly.receipts[part.index] = receipt
        if recalled or receipt.reused:
            self._emit("resumed", transfer, part.size)
        self._emit("progress", transfer, part.size)
        if len(assembly.receipts) == len(assembly.parts):
            await self._publish(assembly, upload)

    async def _upload_of(self, assembly: Assembly) -> Upload:
        if assembly.upload is None:
            async with assembly.opening:
                await anyio.lowlevel.checkpoint()  # where another one could not open it, this one is cancelled here
                if assembly.upload is None:
                    transfer = assembly.transfer
                    assembly.upload = await self._retry(transfer, lambda: self._open_upload(transfer))
        return assembly.upload

    async def _open_upload(self, transfer: Transfer) -> Upload:
        """Begin an upload that will be aborted if the job fails, also when it is cancelled in this very moment."""
        length, properties = self._part_size(transfer.obj), transfer.obj.properties or NO_PROPERTIES
        opening = asyncio.ensure_future(
            resume_upload.open_upload(
                self._source,
                transfer.obj,
                self._destination,
                transfer.key,
                length,
                self._instance,
                properties,
            )
        )
        try:
            with naming_tags(properties):
                upload = await asyncio.shield(opening)
        except asyncio.CancelledError:
            with anyio.move_on_after(_ABORT_DEADLINE, shield=True), suppress(StorageError):
                await (await opening).suspend()
            raise
        self._open[id(upload)] = upload
        return upload

    async def _publish(self, assembly: Assembly, upload: Upload) -> None:
        transfer, algorithm = assembly.transfer, assembly.algorithm
        if algorithm is not None:
            try:
                check(transfer.obj, transfer.obj.checksums, algorithm, assembly.digest)
            except IntegrityError:
                with suppress(StorageError):  # what is wrong is that the bytes are
                    await self._instance.retry(upload.abort)  # nobody shall go on with them
                raise
        receipts = [assembly.receipts[part.index] for part in assembly.parts]
        stored = await self._complete(transfer, upload, receipts, algorithm)
        verified = self._verification.outcome(transfer.obj, algorithm, stored)
        self._moved(transfer, transfer.obj.size or 0, verified, transfer.obj.properties, stored)

    async def _complete(
        self, transfer: Transfer, upload: Upload, receipts: list[Receipt], algorithm: str | None
    ) -> ObjectInfo:
        self._verification.before_publishing(transfer.obj, algorithm, receipts)
        with naming_tags(transfer.obj.properties or NO_PROPERTIES):
            stored = await self._retry(transfer, lambda: upload.complete(receipts))
        del self._open[id(upload)]
        return stored

    async def _move_stream(self, transfer: Transfer, algorithm: str | None) -> None:
        upload, receipts, size, stored = await self._retry(transfer, lambda: self._stream(transfer, algorithm))
        if upload is not None:
            stored = await self._complete(transfer, upload, receipts, algorithm)
        found = replace(transfer.obj, size=size)
        verified = self._verification.outcome(found, algorithm, stored)
        self._moved(transfer, size, verified, found.properties, stored)

    async def _stream(
        self, transfer: Transfer, algorithm: str | None
    ) -> tuple[Upload | None, list[Receipt], int, ObjectInfo | None]:
        """Read an object once, in order, and write it.

        It is tried again as a whole, so nothing in it is tried again by itself.

        Returns:
            The upload to complete, its receipts, the object's size in bytes; where one request did instead of an
            upload, what is stored.
        """
        obj = transfer.obj
        running = checksums.Running(algorithm) if algorithm is not None else None
        upload: Upload | None = None
        stored: ObjectInfo | None = None
        receipts: list[Receipt] = []
        done = 0
        try:
            async with self._source.open_read(obj) as reader:
                more = True
                while more:
                    async with self._stream_buffer(obj, len(receipts)) as buffer:
                        count = await _fill(reader, buffer)
                        more = count == len(buffer)
                        if not more and obj.size not in {None, done + count}:
                            raise TransportError(f"{done + count} bytes came instead of {obj.size}", retryable=True)
                        if running is not None:
                            await self._instance.disk.run(partial(running.update, buffer[:count]))
                            if not more and algorithm is not None:
                                check(obj, obj.checksums, algorithm, running.digest, retryable=True)
                        if not more and upload is None:
                            properties = obj.properties or NO_PROPERTIES
                            stored = await self._put(transfer, buffer[:count], properties)
                        elif count:
                            upload = upload or await self._open_upload(transfer)
                            receipts.append(await upload.write_part(Part(len(receipts), done, count), buffer[:count]))
                    done += count
                    self._emit("progress", transfer, count)
        except StorageError:
            if done:  # the next attempt starts from the beginning
                self._emit("progress", transfer, -done)
            if upload is not None:
                with suppress(StorageError):
                    await upload.abort()
                    del self._open[id(upload)]
            raise
        return upload, receipts, done, stored

    @asynccontextmanager
    async def _stream_buffer(self, obj: ObjectInfo, index: int) -> AsyncGenerator[memoryview]:
        memory = self._instance.memory
        if obj.size is None:
            length = part_sizes.stream_part(index, self._destination.capabilities, self._instance.limits, memory.limit)
        else:  # one byte more than the object tells its end without another read
            length = min(self._part_size(obj) or memory.limit, obj.size + 1, memory.limit)
        buffer = await memory.borrow(length, self)
        try:
            yield buffer
        finally:
            memory.give_back(buffer)

    async def _copy(self, transfer: Transfer) -> None:
        source, destination = self._source.location, self._destination
        obj = transfer.obj
        required = self._verification.required and obj.size != 0
        if required:
            obj = await self._with_checksums(transfer, self._source, obj, listed=transfer.listed)
            # A copy has parts of its own, or none: hashes of the source's have no like there.
            if all(composite.is_composite(algorithm) for algorithm in obj.checksums):
                raise unverified(f"there is no checksum to verify {obj.key!r} by")
        copied = stored = await self._retry(transfer, lambda: destination.copy(source, obj, transfer.key))
        verified = self._verification.of_copy(obj, stored)
        if verified is None and required:
            stored = await self._with_checksums(transfer, destination, replace(stored, checksums={}), listed=True)
            verified = self._verification.of_copy(obj, stored)
            if verified is None:
                raise unverified(f"{obj.key!r} is copied, but the two have no checksum in common")
        self._emit("progress", transfer, obj.size or 0)
        self._moved(transfer, obj.size or 0, verified or "size-only", obj.properties, copied)

    async def _with_checksums(
        self, transfer: Transfer, backend: Backend, obj: ObjectInfo, *, listed: bool
    ) -> ObjectInfo:
        """An object with all that its service can tell of it, in requests more."""
        if listed and not obj.checksums:
            obj = await self._retry(transfer, lambda: backend.stat(obj.key))
        return replace(obj, checksums=await self._retry(transfer, lambda: told_of(backend, obj)))

    async def _retry(self, transfer: Transfer, function: Callable[[], Awaitable[T]]) -> T:
        def told(error: StorageError, delay: float) -> None:
            if self._on_event is not None:
                self._on_event(Event("retry", transfer.obj.key, error=error, delay=delay, target=transfer.key))

        return await self._instance.retry(function, on_retry=told)

    def _emit(self, kind: EventKind, transfer: Transfer, size: int = 0) -> None:
        if self._on_event is not None:
            self._on_event(Event(kind, transfer.obj.key, size, target=transfer.key))

    def _moved(
        self, transfer: Transfer, size: int, verified: str, sent: Properties | None, stored: ObjectInfo | None
    ) -> None:
        if self._on_stored is not None and stored is not None:
            self._on_stored(transfer.obj, transfer.key, replace(stored, size=size))
        if self._on_event is not None:
            kept = stored.properties if stored is not None else None
            lost = dropped(sent, kept) if self._describes and sent is not None and kept is not None else ()
            event = Event("object", transfer.obj.key, size, verified, target=transfer.key, dropped=lost)
            self._on_event(event)


async def _fill(reader: Reader, buffer: memoryview) -> int:
    done = 0
    while done < len(buffer):
        count = await reader.readinto(buffer[done:])
        if count == 0:
            break
        done += count
    return done
