"""An object that is written piece by piece, and becomes visible when it is complete: what a file object writes to."""

import asyncio
import os
from contextlib import suppress
from typing import Self

from ..backends.local import LocalBackend, destination
from ..contract import Backend, Upload
from ..engine.copied_properties import written_properties
from ..engine.resume_upload import open_stream
from ..errors import ClosedError, InvalidConfig, StorageError
from ..instance import Instance
from ..runtime import part_sizes
from ..runtime.observers import count_bytes, current_call
from ..runtime.shielded import shielded
from ..types import ObjectInfo, Part, Receipt
from ..types.properties import Properties
from ..types.write_options import WriteOptions
from .copy import check_writable, checked_key
from .local_destination import check_destination
from .open_location import OpenLocation

__all__ = ["ObjectWriter"]

# Parts of one file that are sent at once. `write` waits while there are as many.
_MAX_CONCURRENT = 4
# Seconds that the cleanup of an aborted file may take.
_ABORT_DEADLINE = 10.0


class ObjectWriter:
    """Stores bytes as one object: small ones in one request, others in parts that are sent while more bytes come.

    The part that is being filled is the caller's memory. Parts that are sent count in the memory budget, which is never
    held while the caller works: the caller may itself wait for the budget. One call at a time.

    Args:
        instance: The instance.
        backend: Where the object is stored.
        key: Its key.
        properties: What to store with it.
        owns_backend: Whether to close the backend.

    Attributes:
        stored: The object, once it is complete.
    """

    def __init__(
        self, instance: Instance, backend: Backend, key: str, properties: Properties, *, owns_backend: bool
    ) -> None:
        self.stored: ObjectInfo | None = None
        self._call = current_call()
        self._instance = instance
        self._backend = backend
        self._key = key
        self._properties = properties
        self._owns_backend = owns_backend
        self._part = bytearray()
        self._length = self._part_length(0)
        self._sent = 0  # bytes of the parts before this one
        self._upload: Upload | None = None
        self._receipts: dict[int, Receipt] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._count = 0
        self._failure: BaseException | None = None

    @classmethod
    async def open(cls, place: OpenLocation, options: WriteOptions | None = None) -> Self:
        """Check where an object is to be stored. Sends no request.

        Args:
            place: Its location.
            options: What to store with it. None: a Content-Type by the extension of its name.

        Raises:
            UnsupportedOperation: The storage can only be read, or does not have one of the options.
            InvalidConfig: The location is a prefix.
            LocalIOError: The path is a directory, a pipe, a device, a socket or a dangling link.
        """
        check_writable(place, options)
        key, instance = place.location.key, place.instance
        if not key or key.endswith("/"):
            raise InvalidConfig("this is a directory or a prefix, not a file", hint="add a name")
        properties = written_properties(None, key, options)
        if not place.on_disk:
            return cls(instance, place.backend, checked_key(key), properties, owns_backend=False)
        check_destination(f"/{key}")
        path = await LocalBackend("/", instance.disk).run(lambda: destination(f"/{key}", follow=True))
        directory, name = os.path.split(path)
        return cls(instance, LocalBackend(directory, instance.disk), name, properties, owns_backend=True)

    async def write(self, data: memoryview) -> None:
        """Take over bytes; waits while enough parts are being sent.

        Args:
            data: The bytes, which are copied.

        Raises:
            StorageError: A part could not be stored. The object cannot be completed.
        """
        self._check()
        try:
            done = 0
            while done < len(data):
                if len(self._part) == self._length:
                    await self._send_part(self._part)
                    self._part.clear()
                count = min(len(data) - done, self._length - len(self._part))
                piece = data[done : done + count]
                if count == self._length and done + count < len(data):  # a whole part, and not the last one
                    await self._send_part(piece)
                else:
                    self._part += piece
                done += count
        except BaseException as failure:
            self._failure = failure  # some of the bytes are missing
            raise

    async def complete(self) -> None:
        """Store what is left, and publish the object.

        Raises:
            StorageError: It could not be stored; nothing is visible.
        """
        try:
            self._check()
            if self._upload is None:
                self.stored = await self._put()
                return
            if self._part:
                await self._send_part(self._part)
            await self._wait_below(1)
            upload, receipts = self._upload, [self._receipts[index] for index in range(self._count)]
            self.stored = await self._instance.retry(lambda: upload.complete(receipts))
            self._upload = None
        finally:
            await shielded(self._clean_up())

    async def abort(self) -> None:
        """Discard the object: nothing becomes visible, and stored parts are deleted."""
        await shielded(self._clean_up())

    def _check(self) -> None:
        if isinstance(self._failure, StorageError):
            raise self._failure
        if self._failure is not None:
            raise ClosedError("an earlier write was interrupted, so bytes are missing", hint="write the file again")

    def _part_length(self, index: int) -> int:
        instance = self._instance
        return part_sizes.stream_part(index, self._backend.capabilities, instance.limits, instance.memory.limit)

    async def _borrow(self, data: memoryview | bytearray) -> memoryview:
        """Copy bytes to memory of the budget."""
        buffer = await self._instance.memory.borrow(len(data), self)
        buffer[:] = data
        return buffer

    async def _put(self) -> ObjectInfo:
        if not self._part:
            empty = memoryview(b"")
            return await self._instance.retry(lambda: self._backend.put(self._key, empty, self._properties))
        buffer = await self._borrow(self._part)
        try:
            stored = await self._instance.retry(lambda: self._backend.put(self._key, buffer, self._properties))
            count_bytes(self._call, len(buffer))
            return stored
        finally:
            self._instance.memory.give_back(buffer)

    async def _send_part(self, data: memoryview | bytearray) -> None:
        """Start to send the next part."""
        upload = self._upload = self._upload or await self._open_upload()
        await self._wait_below(_MAX_CONCURRENT if self._backend.capabilities.parallel_parts else 1)
        buffer, memory = await self._borrow(data), self._instance.memory
        part = Part(self._count, self._sent, len(buffer))
        task = asyncio.get_running_loop().create_task(self._store(upload, part, buffer))
        task.add_done_callback(lambda _: memory.give_back(buffer))  # also if it is cancelled before it begins
        self._sending.add(task)
        self._count += 1
        self._sent += part.size
        self._length = self._part_length(self._count)

    async def _store(self, upload: Upload, part: Part, buffer: memoryview) -> None:
        self._receipts[part.index] = await self._instance.retry(lambda: upload.write_part(part, buffer))
        count_bytes(self._call, part.size)

    async def _wait_below(self, count: int) -> None:
        """Wait until fewer parts than this are being sent.

        Raises:
            StorageError: One could not be stored.
        """
        while True:
            for task in [task for task in self._sending if task.done()]:
                self._sending.discard(task)
                task.result()
            if len(self._sending) < count:
                return
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)

    async def _open_upload(self) -> Upload:
        """Start a multi-part upload, which is aborted also if the caller is cancelled while it starts."""
        opening = asyncio.ensure_future(
            self._instance.retry(lambda: open_stream(self._backend, self._key, self._instance, self._properties))
        )
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            await shielded(self._abort_opened(opening))
            raise

    async def _abort_opened(self, opening: asyncio.Future[Upload]) -> None:
        with suppress(TimeoutError, StorageError):  # the cancellation is raised instead
            async with asyncio.timeout(_ABORT_DEADLINE):
                await (await opening).abort()

    async def _clean_up(self) -> None:
        """Delete what is stored of an object that is not complete."""
        self._failure = self._failure or ClosedError("the file is closed")
        self._part.clear()
        for task in self._sending:
            task.cancel()
        if self._sending:
            await asyncio.wait(self._sending)
        for task in self._sending:
            if not task.cancelled():
                task.exception()  # the failure that led here is raised instead
        self._sending.clear()
        upload, self._upload = self._upload, None
        if upload is not None:
            with suppress(TimeoutError, StorageError):  # as above
                async with asyncio.timeout(_ABORT_DEADLINE):
                    await self._instance.retry(upload.abort)
        if self._owns_backend:
            self._owns_backend = False
            await self._backend.aclose()
