"""One version of an object, open for reading at any offset: what a file object reads from."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Self

from ..contract import OnlyInOrder
from ..engine.verification import read_whole
from ..errors import ClosedError, UnsupportedOperation
from ..runtime import large_buffer
from ..runtime.observers import count_bytes, current_call
from ..types import MiB, ObjectInfo
from .chunks import chunks
from .first_read import FirstRead
from .open_location import OpenLocation
from .read import fill
from .read_ahead import MAX_WINDOW, ReadAhead
from .resolve import find_object

__all__ = ["ObjectReader"]

# An object of this size is received whole when it is opened, with the request that finds it.
_SMALL_OBJECT = MiB
# Larger results are copied in a thread, without the interpreter lock.
_SMALL_READ = 2 * MiB
# The read-ahead of one file takes no more than this part of the memory budget.
_BUDGET_SHARE = 8


class ObjectReader:
    """Reads ranges of one version of an object. One call at a time.

    An object without ranges or without a version, as on some web servers, is read once, in order.

    Args:
        source: The object's location.
        obj: The object.

    Attributes:
        obj: The object.
        seekable: Whether a read may begin at any offset; otherwise each must begin where the last one ended, or after.
    """

    def __init__(self, source: OpenLocation, obj: ObjectInfo) -> None:
        self.obj = obj
        self._call = current_call()
        self.seekable = obj.ranged and obj.size is not None and obj.version is not None
        self._source = source
        window = min(MAX_WINDOW, source.instance.memory.limit // _BUDGET_SHARE)
        self._ahead = ReadAhead(obj.size or 0, self.fetch, window)
        self._in_order: _InOrder | None = None if self.seekable else _InOrder(self._chunks(obj, 0))
        self._has_read = False

    @classmethod
    async def open(cls, source: OpenLocation) -> Self:
        """Find an object, and read it if it is small; one request does both.

        Raises:
            ModelMissingError: There is no such object.
            IntegrityError: The bytes of a small object do not match its checksum.
            StorageError: Any other failure.
        """
        first, instance = FirstRead(source.backend, _SMALL_OBJECT), source.instance
        obj = await find_object(source.backend, source.location.key, instance.retry, first.stat)
        reader = cls(source, obj)
        if (received := first.received) is not None:
            data = received.data
            await instance.retry(lambda: read_whole(instance.disk, source.backend, obj, data, received=received))
            reader._ahead.hold(data)
            count_bytes(reader._call, len(data))
        return reader

    async def readinto(self, position: int, view: memoryview) -> int:
        """Fill memory with the bytes from an offset on.

        Args:
            position: Offset of the first byte.
            view: Where the bytes go.

        Returns:
            Number of bytes: fewer than fit only at the end of the object.

        Raises:
            ObjectChanged: The object has another version now.
            UnsupportedOperation: The object must be read in order, and these bytes have been read.
            StorageError: The read failed.
        """
        if self._in_order is None:
            count = min(len(view), max((self.obj.size or 0) - position, 0))
            if not count:
                return 0
            try:
                with view[:count] as part:
                    await self._ahead.readinto(position, part)
                self._has_read = True
                return count
            except OnlyInOrder as error:
                await self._continue_in_order(error, position)
        done = 0
        while done < len(view) and len(chunk := await self._next(position + done, len(view) - done)):
            view[done : done + len(chunk)] = chunk
            done += len(chunk)
        return done

    async def read(self, position: int, length: int | None) -> bytes:
        """Read the bytes from an offset on.

        Args:
            position: Offset of the first byte.
            length: Number of bytes. None: all up to the end of the object.

        Returns:
            The bytes: fewer only at the end of the object.

        Raises:
            StorageError: As in `readinto`.
        """
        if self._in_order is not None:
            return await self._join(position, length)
        rest = max((self.obj.size or 0) - position, 0)
        count = rest if length is None else min(length, rest)
        if count <= _SMALL_READ:
            buffer = bytearray(count)
            with memoryview(buffer) as view:
                done = await self.readinto(position, view)
            del buffer[done:]
            return bytes(buffer)
        memory = large_buffer.allocate(count)
        with memoryview(memory) as view:
            done = await self.readinto(position, view)
        data = await self._source.instance.disk.run(lambda: large_buffer.to_bytes(memory))
        if length is None and not self.seekable:  # now its size may be unknown
            return data[:done] + await self._join(position + done, None)
        return data[:done]

    def rest(self, position: int) -> memoryview:
        """The bytes from an offset on that are in memory, perhaps none."""
        return self._ahead.rest(position) if self._in_order is None else self._in_order.rest(position)

    async def aclose(self) -> None:
        """Stop reading ahead."""
        await self._ahead.aclose()
        if self._in_order is not None:
            await self._in_order.aclose()

    async def fetch(self, start: int, view: memoryview) -> None:
        """Fill memory with a range of a seekable object, without reading ahead; calls may run at the same time.

        Args:
            start: Offset of the first byte.
            view: Where the bytes go, no more than the object has.
        """
        await fill(self._source.instance, self._source.backend, self.obj, start, view)
        count_bytes(self._call, len(view))

    async def _chunks(self, obj: ObjectInfo, start: int) -> AsyncGenerator[bytes]:
        length = None if obj.size is None else max(obj.size - start, 0)
        body = chunks(self._source.instance, self._source.backend, obj, start, length, to_end=True)
        async with aclosing(body):
            async for chunk in body:
                count_bytes(self._call, len(chunk))
                yield chunk

    async def _continue_in_order(self, error: OnlyInOrder, position: int) -> None:
        """From here on, read an object in order whose metadata promises ranges."""
        if self._has_read and error.obj.version is None:
            raise error
        await self._ahead.aclose()
        self.obj, self.seekable = error.obj, False
        self._in_order = _InOrder(self._chunks(error.obj, position), position)

    async def _next(self, position: int, length: int) -> memoryview:
        assert self._in_order is not None  # noqa: S101 - for mypy: called only then
        return await self._in_order.read(position, length)

    async def _join(self, position: int, length: int | None) -> bytes:
        joined = bytearray()
        while length is None or len(joined) < length:
            chunk = await self._next(position + len(joined), MiB if length is None else length - len(joined))
            if not len(chunk):
                break
            joined += chunk
        return bytes(joined)


class _InOrder:
    """An object that is read in order, chunk by chunk.

    Args:
        body: Its bytes.
        position: Offset of the first of them.
    """

    def __init__(self, body: AsyncGenerator[bytes], position: int = 0) -> None:
        self._body = body
        self._chunk = memoryview(b"")
        self._position = position  # of the chunk
        self._interrupted = False

    async def read(self, position: int, length: int) -> memoryview:
        """The next bytes from an offset on, at least one; none at the end."""
        if position < self._position:
            raise UnsupportedOperation(
                "the server does not support ranges of this object, so it is read once, in order",
                hint="download it, and open the file",
            )
        while position >= self._position + len(self._chunk):
            self._position += len(self._chunk)
            self._chunk = memoryview(b"")
            if self._interrupted:
                raise ClosedError("an earlier read was interrupted or failed", hint="open the object again")
            self._interrupted = True  # a generator that was cancelled yields nothing more, as if this were the end
            chunk = await anext(self._body, None)
            self._interrupted = False
            if chunk is None:
                return self._chunk
            self._chunk = memoryview(chunk)
        start = position - self._position
        return self._chunk[start : start + length]

    def rest(self, position: int) -> memoryview:
        """The bytes from an offset on that are in memory."""
        return self._chunk[max(position - self._position, 0) :] if position >= self._position else memoryview(b"")

    async def aclose(self) -> None:
        """Close the response."""
        await self._body.aclose()
