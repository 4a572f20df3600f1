"""Store content that is in memory or that arrives in order: in one request, or as parts that are sent concurrently.

Unlike a job, there is no source that could be read again: a failed request is repeated with the bytes that are still in
memory, and an upload that fails is aborted, not resumed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from ..contract import Backend, Upload
from ..errors import StorageError, first_of
from ..instance import Instance
from ..integrity import checksums
from ..lane_contract import ByteCount
from ..runtime import part_sizes
from ..runtime.shielded import cancelled_once, shielded
from ..types import MiB, ObjectInfo, Part, Receipt
from ..types.properties import NO_PROPERTIES, Properties
from .new_objects import NewObjects, digest_of_parts
from .progress import MovedBytes, Progress
from .verification import Verification

__all__ = ["ObjectWriter"]

_MAX_CONCURRENT = 16
# Seconds that aborting an upload may take.
_ABORT_DEADLINE = 10.0
# The bytes of the caller do not count in the memory budget.
_UNLIMITED = 1 << 62


class ObjectWriter:
    """Stores one object. Nothing appears under its key unless the call succeeds.

    Args:
        destination: Where to store it.
        instance: Provides the memory budget and the retry loop.
        key: Its key.
        verification: Which checksums are compared.
        properties: Properties to store with it.
        on_progress: Called with numbers of bytes: several times a second while they are sent, and with a negative one
            if they have to be sent again. The sum is exact.
        overwrite: Whether an object of the same key is replaced; otherwise it is an ObjectExists error.

    Example:
        >>> async def store(backend: Backend, instance: Instance) -> ObjectInfo:
        ...     writer = ObjectWriter(backend, instance, "key", Verification(True, backend))
        ...     return await writer.write_bytes(memoryview(b"content"))
    """

    def __init__(
        self,
        destination: Backend,
        instance: Instance,
        key: str,
        verification: Verification,
        properties: Properties = NO_PROPERTIES,
        on_progress: Callable[[int], None] = lambda _: None,
        *,
        overwrite: bool = True,
    ) -> None:
        self._destination = destination
        self._instance = instance
        self._key = key
        self._verification = verification
        self._properties = properties
        self._progress: Progress[None] = Progress(lambda _, count: on_progress(count))
        self._overwrite = overwrite
        self._new_objects = NewObjects(destination)
        self._upload: Upload | None = None
        self._receipts: dict[int, Receipt] = {}

    async def write_bytes(self, data: memoryview) -> ObjectInfo:
        """Store bytes, which must not change meanwhile.

        Returns:
            The stored object; `checksums` holds those that the service has compared.

        Raises:
            StorageError: They could not be stored.
        """
        limits = self._instance.limits
        length = part_sizes.part_size(len(data), self._destination.capabilities, limits, _UNLIMITED)
        if len(data) <= length:
            return await self._put(data)
        limit = asyncio.Semaphore(min(_MAX_CONCURRENT, limits.per_host))

        async def store(part: Part) -> None:
            async with limit:
                await self._write_part(part, data[part.start : part.start + part.size])

        async def store_all() -> None:
            await self._open(len(data))
            async with asyncio.TaskGroup() as group:
                for part in part_sizes.parts(len(data), length):
                    group.create_task(store(part))

        async with self._aborting():
            await _ended(store_all())
            return await self._complete()

    async def write_stream(self, chunks: AsyncIterable[bytes | memoryview]) -> ObjectInfo:
        """Store chunks in order. No more of them are taken than the memory budget, and one part, can hold.

        Returns:
            As `write_bytes`.

        Raises:
            StorageError: They could not be stored.
            Exception: Whatever the iteration over `chunks` raises.
        """
        pending = _Pending()

        async def store_all() -> None:
            async with asyncio.TaskGroup() as group:
                async for chunk in chunks:
                    pending.append(chunk)
                    while pending.size > (length := self._next_length()):  # more follows
                        await self._start_part(group, pending, length)
                if self._upload is not None:
                    await self._start_part(group, pending, pending.size)

        async with self._aborting():
            await _ended(store_all())
            if self._upload is not None:
                return await self._complete()
        buffer = bytearray(pending.size)
        pending.move_to(memoryview(buffer))
        return await self._put(memoryview(buffer))

    def _next_length(self) -> int:
        limits, memory = self._instance.limits, self._instance.memory
        return part_sizes.stream_part(len(self._receipts), self._destination.capabilities, limits, memory.limit)

    async def _start_part(self, group: asyncio.TaskGroup, pending: "_Pending", length: int) -> None:
        await self._open(None)
        memory = self._instance.memory
        # Borrowed for a complete part only: the caller's iterator may itself need the budget for its next chunk.
        buffer = await memory.borrow(length, self)
        part = Part(len(self._receipts), pending.taken, length)
        self._receipts[part.index] = Receipt(part)  # until it is stored
        pending.move_to(buffer)
        task = group.create_task(self._write_part(part, buffer))
        task.add_done_callback(lambda _: memory.give_back(buffer))  # also of a task that never starts

    async def _open(self, size: int | None) -> None:
        if self._upload is None:
            self._upload = await self._instance.retry(
                lambda: self._destination.open_upload(
                    self._key, size, properties=self._properties, overwrite=self._overwrite
                )
            )

    async def _write_part(self, part: Part, data: memoryview) -> None:
        upload = self._upload
        assert upload is not None  # noqa: S101 - for mypy: it is opened before the first part
        with self._counted(part.size) as sent:
            self._receipts[part.index] = await self._instance.retry(lambda: upload.write_part(part, data, sent))

    async def _complete(self) -> ObjectInfo:
        upload = self._upload
        assert upload is not None  # noqa: S101 - as above
        receipts = [self._receipts[index] for index in sorted(self._receipts)]
        size = sum(receipt.part.size for receipt in receipts)
        obj = ObjectInfo(self._key, size)
        self._verification.before_publishing(obj, None, receipts)
        stored = await self._publish(lambda: upload.complete(receipts), size, partial(digest_of_parts, receipts))
        self._upload = None
        return self._checked(obj, stored)

    async def _put(self, data: memoryview) -> ObjectInfo:
        obj = ObjectInfo(self._key, len(data))
        self._verification.before_writing(obj, None)
        with self._counted(len(data)) as sent:
            stored = await self._publish(
                lambda: self._destination.put(self._key, data, self._properties, overwrite=self._overwrite, sent=sent),
                len(data),
                lambda algorithm: checksums.digest(algorithm, data),
            )
        return self._checked(obj, stored)

    async def _publish(
        self, write: Callable[[], Awaitable[ObjectInfo]], size: int, digest: Callable[[str], str | None]
    ) -> ObjectInfo:
        """Make the object visible; the arguments are those of `NewObjects.write`."""
        if self._overwrite:
            return await self._instance.retry(write)
        return await self._instance.retry(lambda: self._new_objects.write(self._key, write, size, digest))

    @contextmanager
    def _counted(self, size: int) -> Generator[ByteCount]:
        """Report the progress of a request with so many bytes."""
        moved = MovedBytes(None, self._destination)
        moved.received.count = size
        with self._progress.count(None, moved.count):
            yield moved.sent
            moved.store(size)

    def _checked(self, obj: ObjectInfo, stored: ObjectInfo) -> ObjectInfo:
        self._verification.outcome(obj, None, stored)
        return replace(stored, size=obj.size)

    @asynccontextmanager
    async def _aborting(self) -> AsyncGenerator[None]:
        """Abort the upload if the block fails."""
        try:
            yield
        except BaseException:
            if self._upload is not None:
                await shielded(self._abort(self._upload))
            raise

    async def _abort(self, upload: Upload) -> None:
        with suppress(StorageError, TimeoutError):  # report the failure that led here instead
            async with asyncio.timeout(_ABORT_DEADLINE):
                await self._instance.retry(upload.abort)


class _Pending:
    """Chunks that are not sent yet.

    Attributes:
        size: Their bytes.
        taken: Bytes that were removed so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self.taken = 0
        self._chunks: deque[memoryview] = deque()

    def append(self, chunk: bytes | memoryview) -> None:
        # The caller may reuse a buffer that can be written to.
        self._chunks.append(memoryview(chunk if isinstance(chunk, bytes) else bytes(chunk)))
        self.size += len(self._chunks[-1])

    def move_to(self, buffer: memoryview) -> None:
        """Fill a buffer, no longer than the chunks, with the first bytes, and remove them."""
        done = 0
        while done < len(buffer):
            chunk = self._chunks.popleft()
            count = min(len(chunk), len(buffer) - done, MiB)  # a longer copy would hold the interpreter lock
            buffer[done : done + count] = chunk[:count]
            if count < len(chunk):
                self._chunks.appendleft(chunk[count:])
            done += count
        self.size -= done
        self.taken += done


async def _ended(work: Coroutine[Any, Any, None]) -> None:
    """Run work with a task group; its first failure is raised."""
    try:
        await cancelled_once(work)
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
