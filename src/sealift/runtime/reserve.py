"""Preallocate the blocks of a part in one call, which costs less than allocating them write by write."""

from .file_system import c_function, is_in_memory

__all__ = ["reserve"]


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
    if (fallocate := c_function("fallocate")) and not is_in_memory(descriptor):
        fallocate(descriptor, 0, start, length)
