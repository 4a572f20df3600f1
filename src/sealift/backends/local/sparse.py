"""Holes of sparse files: ranges without blocks on the disk, which read as zeros.

https://man7.org/linux/man-pages/man2/lseek.2.html (SEEK_DATA, SEEK_HOLE)
"""

import errno
import os

__all__ = ["copy_hole", "data_length"]


def copy_hole(source: int, target: int, start: int, size: int) -> int:
    """Make a hole in a file where another one has one. Moves the positions of both.

    Args:
        source: Descriptor of the file with the hole.
        target: Descriptor of the copy. Data in it is not removed: the range must then be copied.
        start: Offset of the range.
        size: Size of the source in bytes.

    Returns:
        Bytes of the hole that the copy has, too; 0: there is no hole at this offset, or the copy has data there.
    """
    end = min(_next_data(source, start, size), size)
    if end <= start or _next_data(target, start, end) < end:
        return 0
    if os.fstat(target).st_size < end:
        os.ftruncate(target, end)
    return end - start


def data_length(source: int, start: int, count: int) -> int:
    """How many of the next bytes of a file are data before a hole; at most `count`. Moves its position."""
    if not hasattr(os, "SEEK_HOLE"):
        return count
    try:
        hole = os.lseek(source, start, os.SEEK_HOLE)
    except OSError:  # past the end, or not supported
        return count
    return min(hole - start, count) if hole > start else count


def _next_data(descriptor: int, start: int, end: int) -> int:
    """The offset of the first data from an offset on; `end` if there is none; `start` if it is not known."""
    if not hasattr(os, "SEEK_DATA"):
        return start
    try:
        return os.lseek(descriptor, start, os.SEEK_DATA)
    except OSError as error:
        return end if error.errno == errno.ENXIO else start
