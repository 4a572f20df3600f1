"""Asking the file system for all blocks of a part at once: else a write asks for each by itself, which costs more."""

import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

__all__ = ["reserve"]


def reserve(descriptor: int, start: int, length: int) -> None:
    """Have a range of a file allocated, which leaves what is in it as it is; where that is not to be had, do nothing.

    Python has only posix_fallocate, with which the C library writes into every block where the file system knows no
    such request (https://man7.org/linux/man-pages/man3/posix_fallocate.3.html), as most network ones do not. What it
    fails by, a full disk for one, the write that follows tells.

    Args:
        descriptor: Of the file, open for writing.
        start: In bytes.
        length: In bytes, at least 1.
    """
    if request := _fallocate():
        request(descriptor, 0, start, length)


@cache
def _fallocate() -> "ctypes._NamedFuncPointer | None":
    """https://man7.org/linux/man-pages/man2/fallocate.2.html, where its offsets are known to have 64 bits."""
    if sys.platform != "linux" or sys.maxsize < 1 << 32:
        return None
    try:
        import ctypes  # noqa: PLC0415 - 2 ms, which small files need not wait for

        function = ctypes.CDLL(None).fallocate
    except (ImportError, OSError, AttributeError):  # built without it, linked statically, or another C library
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return function
