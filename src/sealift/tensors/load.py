"""Read the bytes of tensors: requests in order, several at a time, straight into the memory of the tensors.

Memory. A tensor is allocated when its first request is sent. If the tensors are handed out one by one, those that the
caller does not have yet count as in flight, and a larger one is read alone. So do the bytes of requests that are not
received in place; their memory is borrowed from the budget of the instance, too.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ..contract import OnlyInOrder
from ..engine.continued_read import fill_range, read_into
from ..errors import InvalidConfig, UnsupportedOperation, first_of
from ..operations.open_location import OpenLocation
from ..runtime.observers import count_read
from ..runtime.part_sizes import DEFAULT_PART
from ..runtime.shielded import cancelled_once
from ..types import KiB, ObjectInfo
from .file_check import FileCheck
from .file_load import FileLoad
from .in_flight import InFlight
from .in_order import read_in_order
from .requests import Request
from .scatter_sink import ScatterSink
from .shown import shown
from .target import Target, allocate, copy_piece, view_of

if TYPE_CHECKING:
    from .cuda_staging import CudaStaging

__all__ = ["Load"]

# Requests that wait for memory or a connection cost little; `PartsInFlight` decides how many are sent.
_WORKERS = 64
# Smaller tensors are received together and copied: a system call for each would cost more.
_SMALL = 64 * KiB
# A request has at most this part of the memory that it may use.
_SHARE = 4
# Files without ranges that are read at a time, and the part of the memory that each receives at once.
_IN_ORDER = 16
_PIECES = _SHARE * _IN_ORDER


class Load:
    """One call that reads tensors.

    Args:
        source: Where the files are.
        files: What to read of each.
        memory: Bytes in flight.
        one_by_one: Whether the tensors are handed out one by one; otherwise the caller keeps all of them anyway.
        on_bytes: Called with the number of bytes of each request that was answered.
        staging: Copies to the GPU; None: the tensors are in main memory.
    """

    def __init__(
        self,
        source: OpenLocation,
        files: Sequence[FileLoad],
        memory: int,
        one_by_one: bool,
        on_bytes: Callable[[int], None],
        staging: "CudaStaging | None" = None,
    ) -> None:
        self._source = source
        self._instance = source.instance
        self._files = files
        # Files that are read in order have buffers of their own: they wait for room for tensors while they hold them.
        self._piece = max(min(memory // _PIECES, DEFAULT_PART), _SMALL)
        in_order = min(sum(not file.file.ranged for file in files), max(memory // (_SHARE * self._piece), 1), _IN_ORDER)
        self._in_order = asyncio.Semaphore(in_order)
        self._in_flight = InFlight(memory - in_order * self._piece)
        self._one_by_one = one_by_one
        self._on_bytes = on_bytes
        self._staging = staging
        self._turn = asyncio.Lock()
        self._work = self._in_order_of_files()

    @staticmethod
    def request_length(source: OpenLocation, memory: int) -> int:
        """Bytes that a request has at most.

        Args:
            source: Its limits apply.
            memory: Bytes that the call may use.
        """
        part_size, limit = source.instance.limits.part_size or DEFAULT_PART, source.instance.memory.limit
        return max(min(part_size, min(memory, limit) // _SHARE), min(_SMALL, limit))

    async def run(self, done: Callable[[Target], None]) -> None:
        """Read all tensors.

        Args:
            done: Called with each tensor when it is complete. Of a file with a checksum, the last tensor is reported
                only if the checksum is right.

        Raises:
            StorageError: The first failure.
        """
        try:
            await cancelled_once(self._run(done))
        except BaseExceptionGroup as failures:
            raise first_of(failures) from None

    def taken(self, size: int) -> None:
        """The caller has tensors now: they count no longer as in flight.

        Args:
            size: Their bytes.
        """
        self._in_flight.remove_tensors(size)

    async def _run(self, done: Callable[[Target], None]) -> None:
        limits = self._instance.limits
        async with asyncio.TaskGroup() as group:
            preparing = asyncio.Semaphore(min(limits.per_host, 8))

            async def prepare(check: FileCheck) -> None:
                async with preparing:
                    await check.prepare()

            for file in self._files:
                if file.check is not None:
                    file.prepared = group.create_task(prepare(file.check))
            for file in self._files:
                for target in file.targets:
                    if not target.selected.nbytes:
                        self._begin([target])
                        done(target)
            for _ in range(min(_WORKERS, limits.per_host, max(self._count(), 1))):
                group.create_task(self._take_work(done))

    def _count(self) -> int:
        return sum(len(file.requests) if file.file.ranged else 1 for file in self._files)

    def _in_order_of_files(self) -> Iterator[tuple[FileLoad, int]]:
        for file in self._files:
            yield from ((file, index) for index in range(len(file.requests) if file.file.ranged else 1))

    async def _take_work(self, done: Callable[[Target], None]) -> None:
        while True:
            # Tensors are begun in order: a later one never takes the memory that an earlier one waits for.
            async with self._turn:
                if (work := next(self._work, None)) is None:
                    return
                file, index = work
                if file.file.ranged:
                    request = file.requests[index]
                    if not request.pieces[0].target.begun:
                        await self._admit([piece.target for piece in request.pieces])
                    if buffer := self._buffer(request):
                        await self._in_flight.add_buffer(buffer)
                else:
                    await self._in_order.acquire()
            if not file.file.ranged:
                await self._read_in_order(file, done)
                self._in_order.release()
                continue
            await self._receive(file, index, request)
            self._in_flight.remove_buffer(buffer)
            self._count_bytes(request.end - request.start)
            for piece in request.pieces:
                piece.target.missing -= 1
                if not piece.target.missing:
                    done(piece.target)

    def _count_bytes(self, size: int) -> None:
        count_read(size)
        self._on_bytes(size)

    async def _read_in_order(self, file: FileLoad, done: Callable[[Target], None]) -> None:
        staging, received = self._staging, memoryview(b"")

        async def admit(target: Target) -> memoryview:
            nonlocal received
            await self._admit([target])
            place: Any = target.data if staging is None else allocate(target.selected.nbytes)
            received = memoryview(place)
            return received

        async def complete(target: Target) -> None:
            if staging is not None:
                await self._instance.disk.run(lambda: staging.upload(received, target.data))
            done(target)

        await read_in_order(self._source, file.file, file.targets, self._piece, admit, complete, self._count_bytes)

    def _buffer(self, request: Request) -> int:
        """Bytes that are not received in place; those for a GPU have pinned buffers."""
        return 0 if self._staging is not None or _is_direct(request) else request.end - request.start

    async def _admit(self, targets: Sequence[Target]) -> None:
        """Wait until tensors may take memory, and allocate them."""
        if self._one_by_one:
            await self._in_flight.add_tensors(sum(target.selected.nbytes for target in targets))
        if self._staging is None:
            self._begin(targets)
        else:  # to allocate memory of a GPU may block
            await self._instance.disk.run(lambda: self._begin(targets))

    def _begin(self, targets: Sequence[Target]) -> None:
        for target in targets:
            target.begun = True
            if target.data is None:
                target.data = self._allocate(target)
            elif self._staging is not None:
                self._staging.use(target.data)

    def _allocate(self, target: Target) -> Any:
        size = target.selected.nbytes
        try:
            return allocate(size) if self._staging is None else self._staging.allocate(size)
        except MemoryError:
            raise InvalidConfig(
                f"the system cannot allocate {size} bytes for the tensor {shown(target.name)}",
                hint="read a slice of it, or fewer tensors",
            ) from None

    async def _receive(self, file: FileLoad, index: int, request: Request) -> None:
        try:
            if self._staging is not None:
                await self._receive_staged(self._staging, file, index, request)
            elif _is_direct(request):
                await self._receive_directly(file, index, request)
            else:
                await self._receive_and_copy(file, index, request)
        except OnlyInOrder as error:
            raise UnsupportedOperation(
                f"{file.file.name!r}: the server stopped serving ranges of the file",
                hint="try again, or download the file and read it from the disk",
            ) from error

    async def _receive_directly(self, file: FileLoad, index: int, request: Request) -> None:
        """Receive into the memory of the tensors. Only the bytes in flight are limited, not memory."""
        with ExitStack() as views_end:  # a traceback may keep this frame, and must not keep the memory
            views = [views_end.enter_context(view_of(piece)) for piece in request.pieces]
            ticket = await self._instance.memory.borrow(1, self, moves=request.end - request.start)
            try:
                await self._fill(file.file.obj, request, views)
            finally:
                self._instance.memory.give_back(ticket)
            await self._compare(file, index, views)

    async def _fill(self, obj: ObjectInfo, request: Request, views: Sequence[memoryview]) -> None:
        instance, backend = self._instance, self._source.backend
        if len(views) == 1:
            with views[0][:] as view:
                await read_into(instance.retry, backend, obj, request.start, view)
        elif backend.capabilities.sinks and obj.version is not None:
            sink = ScatterSink(views)
            await instance.retry(lambda: fill_range(backend, obj, request.end, sink))
        else:
            for piece, view in zip(request.pieces, views, strict=True):
                with view[:] as part:
                    await read_into(instance.retry, backend, obj, request.start + piece.start, part)

    async def _receive_and_copy(self, file: FileLoad, index: int, request: Request) -> None:
        """Receive into borrowed memory, and copy: for slices, and for many small tensors."""
        instance = self._instance
        buffer = await instance.memory.borrow(request.end - request.start, self)
        try:
            await read_into(instance.retry, self._source.backend, file.file.obj, request.start, buffer[:])
            await self._compare(file, index, [buffer])
            await instance.disk.run(lambda: _copy(request, buffer))
        finally:
            instance.memory.give_back(buffer)

    async def _receive_staged(self, staging: "CudaStaging", file: FileLoad, index: int, request: Request) -> None:
        """Receive into pinned memory, and copy to the GPU."""
        instance = self._instance
        async with staging.slab(request.end - request.start) as slab:
            with slab.view[:] as view:
                await read_into(instance.retry, self._source.backend, file.file.obj, request.start, view)
            await self._compare(file, index, [slab.view])
            await instance.disk.run(lambda: staging.copy(slab, request))

    async def _compare(self, file: FileLoad, index: int, data: Sequence[memoryview]) -> None:
        if file.check is not None and file.prepared is not None:
            await file.prepared
            await file.check.add(index, data)


def _is_direct(request: Request) -> bool:
    if len(request.pieces) == 1:
        return request.pieces[0].count == 1
    return request.is_dense and request.end - request.start >= _SMALL * len(request.pieces)


def _copy(request: Request, received: memoryview) -> None:
    for piece in request.pieces:
        copy_piece(piece, received)
