"""What the synchronous and the asynchronous file objects have in common."""

import io
from operator import index
from typing import Protocol

__all__ = ["describe", "target"]


class _File(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def closed(self) -> bool: ...


def describe(file: _File) -> str:
    """The repr of a file: without secrets, since its name has none."""
    state = " closed" if file.closed else ""
    return f"<sealift.{type(file).__name__}{state} name={file.name!r} mode={file.mode!r}>"


def target(position: int, offset: int, whence: int, *, size: int | None, seekable: bool) -> int:
    """The position after a seek.

    Args:
        position: The current position.
        offset: Bytes from the origin.
        whence: The origin: 0, the beginning; 1, the current position; 2, the end.
        size: Size of the file in bytes. None: not known.
        seekable: Whether the position can change.

    Raises:
        TypeError: The offset is not an integer.
        ValueError: The position would be negative, or `whence` is none of these.
        io.UnsupportedOperation: It can not change.
    """
    offset = index(offset)
    if whence == io.SEEK_SET:
        origin = 0
    elif whence == io.SEEK_CUR:
        origin = position
    elif whence == io.SEEK_END:
        origin = position if size is None else size
    else:
        raise ValueError(f"whence={whence!r} is not 0, 1 or 2")
    if origin + offset < 0:
        raise ValueError(f"the position {origin + offset} is negative")
    if not seekable and (origin + offset != position or (size is None and whence == io.SEEK_END)):
        raise io.UnsupportedOperation("the server does not support ranges of this object: download it to seek in it")
    return origin + offset
