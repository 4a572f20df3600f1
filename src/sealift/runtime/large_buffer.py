"""Memory for large buffers, and copies of it, without stopping the other threads of the process.

`bytearray(n)` and `bytes(view)` write the whole buffer while they hold the interpreter lock, about 1 ms per 2 MiB.
"""

from typing import TYPE_CHECKING

from ..types import MiB

if TYPE_CHECKING:
    import mmap

__all__ = ["allocate", "to_bytes"]

_PIECE = MiB


def allocate(size: int) -> "mmap.mmap":
    """Allocate zeroed memory. Pages are made when they are first written, as a rule by the kernel without the lock.

    Args:
        size: Number of bytes, at least 1.

    Raises:
        MemoryError: The system cannot allocate it.
    """
    import mmap  # noqa: PLC0415 - downloads of small objects need none

    try:
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"cannot allocate {size} bytes: {error.strerror}") from None


def to_bytes(buffer: "mmap.mmap") -> bytes:
    """Copy a buffer piece by piece, and free each piece that has been copied. Call it in a thread.

    Args:
        buffer: The buffer; its content is lost.

    Example:
        >>> buffer = allocate(4)
        >>> buffer[:] = b"GGUF"
        >>> to_bytes(buffer)
        b'GGUF'
    """
    import mmap  # noqa: PLC0415 - loaded by now

    pieces = []
    for start in range(0, len(buffer), _PIECE):
        pieces.append(buffer[start : start + _PIECE])
        buffer.madvise(mmap.MADV_DONTNEED, start, min(_PIECE, len(buffer) - start))
    joined = b"".join(pieces)  # joins bytes without the lock: https://bugs.python.org/issue36051
    while pieces:  # one at a time: freeing the list would hold the lock
        pieces.pop()
    return joined
