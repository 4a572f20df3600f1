"""Read the bytes of tensors: requests in order, several at a time, straight into the memory of the tensors.

Memory. A tensor is allocated when its first request is sent. If the tensors are handed out one by one, those that the
caller does not have yet may take as much memory as the window; a larger one is read alone. Other bytes in flight are
borrowed from the budget of the instance.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..contract import OnlyInOrder
from ..engine.continued_read import fill_range, read_into
from ..engine.verification import SIZE_ONLY, unverifiable
from ..errors import InvalidConfig, UnsupportedOperation, first_of
from ..operations.open_location import OpenLocation
from ..runtime.observers import count_read
from ..runtime.part_sizes import DEFAULT_PART
from ..runtime.shielded import cancelled_once
from ..types import KiB, Verify
from .file_check import FileCheck
from .in_order import read_in_order
from .requests import Method, Request, choose_methods, plan_requests
from .scatter_sink import ScatterSink
from .shown import shown
from .target import Target, allocate, copy_piece, view_of
from .tensor_files import TensorFile

if TYPE_CHECKING:
    from .cuda_staging import CudaStaging

__all__ = ["FileLoad", "Load"]

# Requests that wait for memory or a connection cost little; `PartsInFlight` decides how many are sent.
_WORKERS = 64
# Smaller tensors are received together and copied: a system call for each would cost more.
_SMALL = 64 * KiB
# A request has at most this part of the memory that it may use.
_SHARE = 4


class FileLoad:
    """What a call reads of one file.

    Args:
        source: Where the file is.
        file: The file.
        targets: The tensors to read, in the order of their bytes.
        verify: As in `AsyncStorage.download`.
        length: Bytes that a request has at most.

    Attributes:
        methods: How each tensor is read.
        requests: The requests; none for a file without ranges.
        check: Compares the checksum. None: not all of the file is read.

    Raises:
        IntegrityError: A checksum is required, and only a part is read.
    """

    def __init__(
        self, source: OpenLocation, file: TensorFile, targets: Sequence[Target], verify: Verify, length: int
    ) -> None:
        self.file = file
        self.targets = targets
        self.methods: dict[str, Method] = dict(choose_methods(target.selected for target in targets))
        self.requests = list(plan_requests(targets, self.methods, length)) if file.ranged else []
        whole = len(targets) == len(file.header.tensors) and all(target.selected.is_whole for target in targets)
        self.check = FileCheck(source, file, len(self.requests), verify) if whole and file.ranged else None
        if self.check is None and verify == "require":
            raise unverifiable(f"only a part of {file.name!r} is read, or it can only be read in order")
        self.prepared: asyncio.Task[None] | None = None
        if not file.ranged:
            for target in targets:
                target.requested = target.selected.nbytes
        for request in self.requests:
            for piece in request.pieces:
                piece.target.missing += 1
                size = request.end - request.start if len(request.pieces) == 1 else piece.nbytes
                piece.target.requested += size

    @property
    def verified(self) -> str:
        """The checksum that was compared, `SIZE_ONLY`, or "": not known yet."""
        return SIZE_ONLY if self.check is None else self.check.outcome


class Load:
    """One call that reads tensors.

    Args:
        source: Where the files are.
        files: What to read of each.
        window: Bytes of tensors that were begun and not handed out. None: the caller keeps all of them anyway.
        on_bytes: Called with the number of bytes of each request that was answered.
        staging: Copies to the GPU; None: the tensors are in main memory.
    """

    def __init__(
        self,
        source: OpenLocation,
        files: Sequence[FileLoad],
        window: int | None,
        on_bytes: Callable[[int], None],
        staging: "CudaStaging | None" = None,
    ) -> None:
        self._source = source
        self._instance = source.instance
        self._files = files
        self._window = window
        self._on_bytes = on_bytes
        self._staging = staging
        self._held = 0
        self._room = asyncio.Event()
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

    def taken(self, target: Target) -> None:
        """The caller has this tensor now: it counts no longer as in flight."""
        self._held -= target.selected.nbytes
        self._room.set()

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
                        self._begin(target)
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
                    await self._admit(file.requests[index])
            if not file.file.ranged:
                await read_in_order(self._source, file.file, file.targets, self._admit_one, done, self._count_bytes)
                continue
            request = file.requests[index]
            await self._receive(file, index, request)
            self._count_bytes(request.end - request.start)
            for piece in request.pieces:
                piece.target.missing -= 1
                if not piece.target.missing:
                    done(piece.target)

    def _count_bytes(self, size: int) -> None:
        count_read(size)
        self._on_bytes(size)

    async def _admit(self, request: Request) -> None:
        """Wait until the tensors that begin with a request may take memory, and allocate them."""
        if not request.pieces[0].target.begun:
            await self._admit_all([piece.target for piece in request.pieces])

    async def _admit_one(self, target: Target) -> None:
        await self._admit_all([target])

    async def _admit_all(self, targets: Sequence[Target]) -> None:
        size = sum(target.selected.nbytes for target in targets)
        while self._window is not None and self._held and self._held + size > self._window:
            self._room.clear()
            await self._room.wait()
        for target in targets:
            self._begin(target)

    def _begin(self, target: Target) -> None:
        target.begun = True
        self._held += target.selected.nbytes
        if target.data is None:
            size = target.selected.nbytes
            try:
                target.data = allocate(size) if self._staging is None else self._staging.allocate(size)
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
        instance, backend, obj = self._instance, self._source.backend, file.file.obj
        views = [view_of(piece) for piece in request.pieces]
        ticket = await instance.memory.borrow(1, self, moves=request.end - request.start)
        try:
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
        finally:
            instance.memory.give_back(ticket)
        await self._compare(file, index, views)

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
