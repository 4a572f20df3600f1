"""Limit the bytes per second that the threads of a process, and its worker processes, move together."""

import errno
import fcntl
import os
import struct
import threading
import time
from typing import NamedTuple, Self

from ..types.sizes import KiB

__all__ = ["Bandwidth", "Bandwidths"]

# Bytes that are moved before a thread waits: what it moves in this time, but not more than a piece or less than 1 KiB.
_SECONDS_AT_ONCE = 0.125
_MOST, _LEAST = 256 * KiB, KiB
# Seconds whose bytes may be made up for later, because threads wake up late.
_CREDIT = 0.1
_TIME = struct.Struct("=d")


class Bandwidth:
    """Bytes per second, in one direction.

    The bytes that were moved determine a point in time, before which no more may be moved. It is a number in memory, or
    in a file if several processes share it; all of them have the same monotonic clock.

    Args:
        rate: Bytes per second.
        descriptor: The file, from `share` in another process. None: only this process moves bytes.

    Attributes:
        rate: Bytes per second.
        piece: The most bytes to move before `spend` is called.

    Example:
        >>> limit = Bandwidth(1_000_000)
        >>> round(limit.spend(200_000), 1)  # a tenth of a second is credit
        0.1
    """

    def __init__(self, rate: int, descriptor: int | None = None) -> None:
        self.rate = rate
        self.piece = max(_LEAST, min(_MOST, int(rate * _SECONDS_AT_ONCE)))
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._descriptor = descriptor
        self._closed = False

    def spend(self, count: int) -> float:
        """Count bytes that were moved; any thread.

        Args:
            count: How many.

        Returns:
            Seconds to wait before more are moved; 0 or less: none.
        """
        with self._lock:
            if self._descriptor is None:
                return self._add(count)
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)  # of this process; the lock above is that of its threads
            try:
                (self._free_at,) = _TIME.unpack(os.pread(self._descriptor, _TIME.size, 0))
                left = self._add(count)
                os.pwrite(self._descriptor, _TIME.pack(self._free_at), 0)
                return left
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def share(self) -> int:
        """Share the limit with processes that this one will start. Blocks.

        Returns:
            A descriptor for them. It belongs to this object.

        Raises:
            OSError: The limit is closed, or the file cannot be created.
        """
        with self._lock:
            if self._closed:
                raise OSError(errno.EBADF, "the bandwidth limit is closed")
            if self._descriptor is None:
                descriptor = _anonymous_file()
                os.pwrite(descriptor, _TIME.pack(self._free_at), 0)
                self._descriptor = descriptor
            return self._descriptor

    def close(self) -> None:
        """Close the file. Idempotent; what this process moves afterwards is still limited."""
        with self._lock:
            self._closed, descriptor, self._descriptor = True, self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def _add(self, count: int) -> float:
        now = time.monotonic()
        self._free_at = max(self._free_at, now - _CREDIT) + count / self.rate
        return self._free_at - now


class Bandwidths(NamedTuple):
    """The limits of both directions.

    Attributes:
        received: Of the bytes that are received.
        sent: Of the bytes that are sent.
    """

    received: Bandwidth
    sent: Bandwidth

    @classmethod
    def of(cls, rate: int, received: int | None = None) -> Self:
        """The same limit in both directions.

        Args:
            rate: Bytes per second.
            received: As `descriptor` of `Bandwidth`, for the bytes that are received.
        """
        return cls(Bandwidth(rate, received), Bandwidth(rate))

    def close(self) -> None:
        """Close what both have open."""
        self.received.close()
        self.sent.close()


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("sealift-bandwidth")
    import tempfile  # noqa: PLC0415 - for systems without memfd_create

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
