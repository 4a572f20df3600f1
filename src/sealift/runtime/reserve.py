"""Preallocate the blocks of a part in one call, which costs less than allocating them write by write."""

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ctypes

__all__ = ["reserve"]


# https://man7.org/linux/man-pages/man2/statfs.2.html: the type of tmpfs, the first field of the result, and its size.
_TMPFS = 0x01021994
_STATFS_SIZE = 256


def reserve(descriptor: int, start: int, length: int) -> None:
    """Allocate a range of a file without changing its content; do nothing where that does not help.

    On tmpfs, fallocate would clear the pages, which are then written a second time.

    Python offers only posix_fallocate, for which the C library writes to every block if the file system does not
    support fallocate (https://man7.org/linux/man-pages/man3/posix_fallocate.3.html), as most network file systems do
    not. Failures, such as a full disk, are ignored: the following write reports them.

    Args:
        descriptor: Descriptor of the file, open for writing.
        start: Offset in bytes.
        length: Length in bytes, at least 1.
    """
    if (fallocate := _function("fallocate")) and not _in_memory(descriptor):
        fallocate(descriptor, 0, start, length)


def _in_memory(descriptor: int) -> bool:
    """Whether a file is on tmpfs."""
    import ctypes  # noqa: PLC0415 - takes 2 ms, not needed for small files

    status = ctypes.create_string_buffer(_STATFS_SIZE)
    fstatfs = _function("fstatfs")
    return fstatfs is not None and not fstatfs(descriptor, status) and ctypes.c_long.from_buffer(status).value == _TMPFS


@cache
def _function(name: str) -> "ctypes._NamedFuncPointer | None":
    """Load a function of the C library, where file offsets have 64 bits.

    https://man7.org/linux/man-pages/man2/fallocate.2.html
    """
    if sys.platform != "linux" or sys.maxsize < 1 << 32:
        return None
    try:
        import ctypes  # noqa: PLC0415 - takes 2 ms, not needed for small files

        function: ctypes._NamedFuncPointer = getattr(ctypes.CDLL(None), name)
    except (ImportError, OSError, AttributeError):  # no ctypes, a static build, or another C library
        return None
    signatures: dict[str, list[Any]] = {
        "fallocate": [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64],
        "fstatfs": [ctypes.c_int, ctypes.c_char_p],
    }
    function.argtypes = signatures[name]
    return function
