"""A pipe between a socket and a file, through which the kernel moves bytes: it copies them once, not twice."""

import errno
import os
from typing import Self

from ..types.sizes import MiB

__all__ = ["NOT_SPLICED", "Pipe"]

# The size that every user may have by default (https://man7.org/linux/man-pages/man7/pipe.7.html). A page of memory
# takes 4 KiB of it even if a packet has filled only a part: a pipe of the usual size is full after 64 KiB at most.
_SIZE = MiB

NOT_SPLICED = frozenset({errno.EAGAIN, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})
"""Errors of a splice that has moved nothing: the pipe is full, one of the ends cannot do it, or it is forbidden."""


class Pipe:
    """A pipe; see https://man7.org/linux/man-pages/man2/splice.2.html.

    Attributes:
        write_end: Its descriptor for what is put in.
    """

    def __init__(self, read_end: int, write_end: int) -> None:
        self._read_end = read_end
        self.write_end = write_end

    @classmethod
    def open(cls) -> Self | None:
        """Open a pipe; None: this system has none that is fit, or no more of them."""
        try:
            import fcntl  # noqa: PLC0415 - not on Windows

            size = fcntl.F_SETPIPE_SZ
            read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)  # a splice into a full pipe fails
        except (ImportError, AttributeError, OSError):
            return None
        pipe = cls(read_end, write_end)
        try:
            fcntl.fcntl(write_end, size, _SIZE)
        except OSError:  # the user has too many
            pipe.close()
            return None
        return pipe

    def close(self) -> None:
        """Close it; what it holds is lost."""
        os.close(self._read_end)
        os.close(self.write_end)

    def write(self, descriptor: int, position: int, count: int) -> int:
        """Write bytes that it holds to a file.

        Args:
            descriptor: The file.
            position: Offset in the file.
            count: How many; it must hold them.

        Returns:
            How many were written; at least one.

        Raises:
            OSError: They cannot be written.
        """
        try:
            return os.splice(self._read_end, descriptor, count, offset_dst=position)
        except OSError as error:
            if error.errno not in NOT_SPLICED:
                raise
        data = memoryview(os.read(self._read_end, count))  # the file system cannot do it
        done = 0
        while done < len(data):
            done += os.pwrite(descriptor, data[done:], position + done)
        return done
