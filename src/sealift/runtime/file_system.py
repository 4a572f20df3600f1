"""The kind of file system that a file is on."""

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ctypes

__all__ = ["c_function", "is_in_memory", "is_local"]

# The size of the result of statfs, whose first field is the type: https://man7.org/linux/man-pages/man2/statfs.2.html
_STATFS_SIZE = 256
_TMPFS = 0x01021994
# ext2 to ext4, XFS, Btrfs, F2FS, ZFS and overlayfs. What was written to them can be read from memory again, while a
# network file system may first send it to the server, and then ask the server for it.
_LOCAL = {_TMPFS, 0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x2FC12FC1, 0x794C7630}


def is_in_memory(descriptor: int) -> bool:
    """Whether a file is on tmpfs."""
    return _type(descriptor) == _TMPFS


def is_local(descriptor: int) -> bool:
    """Whether a file is on a file system that is known to be local."""
    return _type(descriptor) in _LOCAL


def _type(descriptor: int) -> int | None:
    fstatfs = c_function("fstatfs")
    if fstatfs is None:
        return None
    import ctypes  # noqa: PLC0415 - takes 2 ms, not needed for small files

    status = ctypes.create_string_buffer(_STATFS_SIZE)
    return None if fstatfs(descriptor, status) else ctypes.c_ulong.from_buffer(status).value


@cache
def c_function(name: str) -> "ctypes._NamedFuncPointer | None":
    """Load a function of the C library, where file offsets have 64 bits.

    https://man7.org/linux/man-pages/man2/fallocate.2.html

    Args:
        name: "fallocate" or "fstatfs".

    Returns:
        The function; None: there is none.
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
