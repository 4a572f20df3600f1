"""The part of the contract that lanes use: where bytes go, and small objects without an event loop. All of it blocks.

A lane is a thread that moves bytes with a blocking socket (`wire/lanes.py`). `contract.py` has the rest, and its rules.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from .errors import StorageError
from .types import Head, ObjectInfo
from .types.properties import NO_PROPERTIES, Properties

__all__ = ["ByteCount", "FileRange", "Lane", "Sink", "SmallObjects"]

T = TypeVar("T")


class ByteCount:
    """Counts the bytes of one request body that were sent so far, or those that were received into memory.

    Written by the thread that moves them.

    Attributes:
        count: The number of bytes.
    """

    def __init__(self) -> None:
        self.count = 0


class Sink(Protocol):
    """Where the bytes of one read go, in order, other than memory. A read that fails can be continued.

    Used by a thread that receives the bytes, while no other thread uses it. All methods may block.
    """

    def __len__(self) -> int:
        """Bytes that are still missing."""

    def space(self) -> memoryview:
        """Where to receive the next bytes; at most 256 KiB, and never more than are missing."""

    def filled(self, count: int) -> None:
        """Take over the first `count` bytes of `space`."""

    def flush(self) -> None:
        """Write what was taken over and not written yet; called at the end of each read, failed or not."""

    def rewind(self) -> None:
        """Start again with the first byte."""


class FileRange(Sink, Protocol):
    """A range of an open file, as a sink. Another process may receive and write its bytes instead.

    Attributes:
        descriptor: The file, open for reading and writing.
        crcs: The checksum of the bytes so far, for each algorithm that is wanted: "crc32", "crc32c" or "crc64nvme".
    """

    descriptor: int
    crcs: Mapping[str, int]

    def pipe(self) -> AbstractContextManager[int | None]:
        """Open a pipe for the next bytes, out of which the kernel writes them to the file.

        While it is open, `filled` takes over bytes that were put into it, and `space` must not be called.

        Returns:
            Its descriptor; None: there is none, or the file is perhaps not on this computer.
        """

    @property
    def position(self) -> int:
        """Offset in the file of the first byte that is missing; to be used after `flush`."""

    def read_back(self, update: Callable[[memoryview], None]) -> None:
        """Read all bytes from the file, piece by piece; blocks."""

    def advance(self, count: int, crcs: Mapping[str, int]) -> None:
        """Record bytes that were written to the file.

        Args:
            count: How many, from `position` on.
            crcs: The checksums of all bytes so far.
        """

    def write_error(self, error: OSError) -> StorageError:
        """The error to raise if another process could not write to the file."""


class SmallObjects(Protocol):
    """Reads and stores small objects without an event loop. Both methods block.

    For the usual case only: any exception means that the caller repeats the read or the write with `Backend.read_range`
    or `Backend.put`, which report errors, renew credentials and follow redirects.
    """

    def read(self, obj: ObjectInfo, into: memoryview) -> Head:
        """Read a whole object, of `len(into)` bytes; as `Backend.read_range`, but without `Head.properties`."""

    def put(
        self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES, *, overwrite: bool = True
    ) -> ObjectInfo:
        """Store an object; as `Backend.put`. Leaves nothing behind if it fails."""


class Lane(SmallObjects, Protocol):
    """A connection for many small requests, one after the other, and a thread to send them from.

    After an exception it must not be used again.

    Attributes:
        received: Counts the bytes of the object that `read` receives; may be replaced before each.
        sent: Counts the bytes of the request that `put` sends; likewise.
        fastest: Seconds that the fastest request so far took; before the first one, an estimate or 0.
        usable: Whether the connection can be used for another request.
        ahead: How many objects `ask` may request before the first of them is read.
    """

    received: ByteCount
    sent: ByteCount

    @property
    def fastest(self) -> float: ...
    @property
    def usable(self) -> bool: ...
    @property
    def ahead(self) -> int: ...

    def ask(self, obj: ObjectInfo) -> None:
        """Send the request for an object ahead of `read`; objects are then read in this order. Blocks."""

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function that calls `read` or `put`, in a thread.

        If this call is cancelled, the running request fails, and the call returns when the function has ended.
        """
