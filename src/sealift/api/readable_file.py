"""A file object for reading, for any thread."""

import io
import warnings
from typing import TYPE_CHECKING

from .argument_types import WritableBuffer
from .binary_file import BinaryFile
from .facade_thread import run_shared
from .file_position import target

if TYPE_CHECKING:
    from ..operations.object_reader import ObjectReader
    from .async_file import AsyncReadableFile
    from .facade_thread import SharedStorage
    from .opened import Opened

__all__ = ["ReadableFile"]

# Bytes that a short read requests at least.
_SHORT_READ = 1 << 16


class ReadableFile(BinaryFile):
    """An object that is open for reading at any position; an `io.BufferedIOBase`.

    All bytes are of the version that the object had when it was opened. While it is read in order, up to 16 MiB are
    read ahead; other reads request what they need, at least 16 KiB. Threads may share a file: each call is atomic, as
    for files on disk, but they share its position.

    Args:
        shared: What the engine's thread of this process owns.
        file: The same file, in the engine's thread.

    Attributes:
        mode: "rb".
        name: The local path or the URI, without secrets.
        size: Size in bytes. None: the server does not report it.
    """

    _opened: "Opened[ObjectReader]"

    def __init__(self, shared: "SharedStorage", file: "AsyncReadableFile") -> None:
        super().__init__(shared, file.opened, "rb")
        self._chunk = memoryview(b"")  # of what the engine has read ahead
        self._chunk_start = 0
        self.size = file.size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read the next bytes.

        Args:
            size: Number of bytes. Negative or None: all that are left.

        Returns:
            The bytes: fewer only at the end of the object.

        Raises:
            ObjectChanged: The object was replaced after it was opened.
            StorageError: The read failed. It can be repeated: the position is unchanged.
        """
        length = None if size is None or size < 0 else size
        with self._lock:
            self._check_open()
            held = self._held()
            if length is not None and length <= len(held):
                data = bytes(held[:length])
            else:
                data, self._chunk = run_shared(lambda shared: self._receive(shared, length))
                self._chunk_start = self._position + len(data)
            self._position += len(data)
            return data

    def read1(self, size: int = -1, /) -> bytes:
        """Read some of the next bytes, with at most one request.

        Args:
            size: Maximum number of bytes. Negative: as many as are there.
        """
        with self._lock:
            held = len(self._held()) or _SHORT_READ
            return self.read(held if size < 0 else min(size, held))

    def readinto(self, buffer: WritableBuffer, /) -> int:
        """Read the next bytes directly into a buffer of the caller.

        Args:
            buffer: Writable, contiguous memory.

        Returns:
            Number of bytes: fewer than fit only at the end of the object.

        Raises:
            StorageError: As in `read`.
        """
        with self._lock, memoryview(buffer) as given:
            self._check_open()
            if not given.nbytes:
                return 0
            with given.cast("B") as view:
                held = self._held()
                if len(view) <= len(held):
                    view[:] = held[: len(view)]
                    count = len(view)
                else:
                    count, self._chunk = run_shared(lambda shared: self._receive_into(shared, view))
                    self._chunk_start = self._position + count
                self._position += count
                return count

    def readinto1(self, buffer: WritableBuffer, /) -> int:
        """As `readinto`.

        Args:
            buffer: As there.
        """
        return self.readinto(buffer)

    def peek(self, size: int = 0, /) -> bytes:
        """Return bytes at the position without changing it: at least one, unless this is the end.

        Args:
            size: How many are wanted; there may be more or fewer.
        """
        with self._lock:
            self._check_open()
            if not len(self._held()):
                self._chunk = run_shared(self._receive_chunk)
                self._chunk_start = self._position
            return bytes(self._held()[: max(size, io.DEFAULT_BUFFER_SIZE)])

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Set the position. Sends no request.

        Args:
            offset: Bytes from the origin.
            whence: The origin: 0, the beginning; 1, the current position; 2, the end.

        Raises:
            ValueError: The position would be negative.
            io.UnsupportedOperation: The server does not support ranges of this object.
        """
        with self._lock:
            self._check_open()
            reader = self._opened.stream
            self._position = target(self._position, offset, whence, size=reader.obj.size, seekable=reader.seekable)
            return self._position

    def readable(self) -> bool:
        """True."""
        self._check_open()
        return True

    def seekable(self) -> bool:
        """Whether the server supports ranges of the object. If not, it can only be read in order."""
        self._check_open()
        return self._opened.stream.seekable

    def close(self) -> None:
        """Close the file. Idempotent."""
        if not self.closed and not self._close_in_engine():
            try:
                run_shared(self._finish)
            finally:
                super().close()

    def _held(self) -> memoryview:
        """Bytes from the position on that need not be requested."""
        start = self._position - self._chunk_start
        return self._chunk[start:] if 0 <= start < len(self._chunk) else memoryview(b"")

    async def _receive(self, shared: "SharedStorage", length: int | None) -> tuple[bytes, memoryview]:
        self._check_process(shared)
        async with self._opened.use("read") as reader:
            data = await reader.read(self._position, length)
            return data, reader.rest(self._position + len(data))

    async def _receive_into(self, shared: "SharedStorage", view: memoryview) -> tuple[int, memoryview]:
        self._check_process(shared)
        async with self._opened.use("read") as reader:
            count = await reader.readinto(self._position, view)
            return count, reader.rest(self._position + count)

    async def _receive_chunk(self, shared: "SharedStorage") -> memoryview:
        self._check_process(shared)
        async with self._opened.use("read") as reader:
            await reader.read(self._position, 1)
            return reader.rest(self._position)

    def __del__(self) -> None:
        if not self.closed and hasattr(self, "size"):
            warnings.warn(f"unclosed file {self!r}", ResourceWarning, stacklevel=2, source=self)
            self._opened.abandon()
