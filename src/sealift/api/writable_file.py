"""A file object for writing, for any thread."""

import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .argument_types import ReadableBuffer
from .binary_file import BinaryFile
from .facade_thread import run_shared

if TYPE_CHECKING:
    from .async_file import AsyncWritableFile
    from .facade_thread import SharedStorage

__all__ = ["WritableFile"]

# Bytes that `write` collects before it passes them to the engine.
_WRITE_BUFFER = 1 << 18


class WritableFile(BinaryFile):
    """An object that is being written; an `io.BufferedIOBase` that cannot seek.

    The object becomes visible, replacing an older one, when the file is closed, and not before. If the `with` block
    raises an exception, or `abort` is called, or the file is never closed, or the process is killed, nothing becomes
    visible. A wrapper such as `io.TextIOWrapper` closes the file also if its block raises an exception: call `abort`
    before that. Small objects are stored in one request; the parts of larger ones are sent while more is written.
    Threads may share a file: each call is atomic.

    Args:
        shared: What the engine's thread of this process owns.
        file: The same file, in the engine's thread.

    Attributes:
        mode: "wb".
        name: The local path or the URI, without secrets.
    """

    def __init__(self, shared: "SharedStorage", file: "AsyncWritableFile") -> None:
        super().__init__(shared, file.opened, "wb")
        self._file = file
        self._buffer = bytearray()

    def write(self, data: ReadableBuffer, /) -> int:
        """Write bytes at the end. Waits while enough parts are being sent.

        Args:
            data: The bytes, which are copied.

        Returns:
            Number of bytes: all.

        Raises:
            StorageError: A part could not be stored. The file cannot be completed.
        """
        with self._lock, memoryview(data) as given:
            self._check_open()
            if not given.nbytes:
                return 0
            with given.cast("B") as view:
                count = len(view)
                if len(self._buffer) + count <= _WRITE_BUFFER:
                    self._buffer += view
                else:
                    run_shared(lambda shared: self._send(shared, view))
            self._position += count
            return count

    def writable(self) -> bool:
        """True."""
        self._check_open()
        return True

    def flush(self) -> None:
        """Do nothing: the object becomes visible when the file is closed."""
        self._check_open()

    def close(self) -> None:
        """Complete the object and make it visible. Idempotent.

        Raises:
            StorageError: It could not be stored; nothing becomes visible.
        """
        with self._lock:
            if not self.closed and not self._close_in_engine():
                try:
                    run_shared(self._complete)
                finally:
                    super().close()

    def abort(self) -> None:
        """Close the file without making anything visible. Idempotent."""
        with self._lock:
            if not self.closed and not self._close_in_engine():
                try:
                    run_shared(self._finish)
                finally:
                    super().close()

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    async def _send(self, shared: "SharedStorage", data: memoryview) -> None:
        self._check_process(shared)
        with memoryview(self._buffer) as held:
            await self._file.write(held)
        self._buffer.clear()
        await self._file.write(data)

    async def _complete(self, shared: "SharedStorage") -> None:
        self._check_process(shared)
        try:
            with memoryview(self._buffer) as held:
                await self._file.write(held)
            await self._file.aclose()
        finally:
            await self._file.abort()

    def __del__(self) -> None:
        if not self.closed and hasattr(self, "_buffer"):
            warnings.warn(f"unclosed file {self!r}: nothing was stored", ResourceWarning, stacklevel=2, source=self)
            self._opened.abandon()
