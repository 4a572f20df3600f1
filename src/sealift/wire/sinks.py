"""Memory as the destination of a body, and copying to any destination."""

from typing import TYPE_CHECKING, TypeGuard

from ..errors import InvalidConfig
from .range_writer import PIECE

if TYPE_CHECKING:
    from ..lane_contract import ByteCount, FileRange, Sink

__all__ = ["MemorySink", "fill", "is_file_range", "memory_sink"]


class MemorySink:
    """A `Sink` that fills a buffer.

    Args:
        into: The buffer, of bytes.
        counter: Counts the bytes that are in the buffer. None: nobody asks.
    """

    def __init__(self, into: memoryview, counter: "ByteCount | None" = None) -> None:
        self._into = into
        self._rest = into[:]
        self._counter = counter

    def __len__(self) -> int:
        return len(self._rest)

    def space(self) -> memoryview:
        return self._rest[:PIECE]  # an interrupted lane notices it soon

    def filled(self, count: int) -> None:
        self._rest = self._rest[count:]
        if self._counter is not None:
            self._counter.count = len(self._into) - len(self._rest)

    def flush(self) -> None:
        """Nothing is buffered."""

    def rewind(self) -> None:
        self._rest = self._into[:]
        if self._counter is not None:
            self._counter.count = 0

    def release(self) -> None:
        """Give the buffer back to the caller, who may want to resize it."""
        self._rest.release()
        self._into.release()


def is_file_range(sink: "Sink") -> "TypeGuard[FileRange]":
    """Whether another process can receive the bytes of a sink."""
    return hasattr(sink, "descriptor")


def memory_sink(into: memoryview, counter: "ByteCount | None" = None) -> MemorySink:
    """Use any buffer as a sink; the arguments are those of `MemorySink`.

    Raises:
        InvalidConfig: The buffer is empty, read-only or not contiguous.
    """
    if into.readonly or not into.nbytes or not into.c_contiguous:
        raise InvalidConfig("a body needs a writable, contiguous buffer of at least one byte")
    return MemorySink(into.cast("B"), counter)


def fill(sink: "Sink", data: memoryview) -> None:
    """Copy bytes to a sink, which has room for them."""
    done = 0
    while done < len(data):
        space = sink.space()
        count = min(len(space), len(data) - done)
        space[:count] = data[done : done + count]
        sink.filled(count)
        done += count
