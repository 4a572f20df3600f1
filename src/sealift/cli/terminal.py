"""A terminal that is closed while a command runs."""

import errno
import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["outlive_terminal"]


def outlive_terminal() -> None:
    """Ignore that stderr cannot be written to once its terminal is closed.

    Without this, the next progress bar would be the error that ends the transfer, also in a program that ignores
    SIGHUP, or whose cleanup after SIGHUP is running.
    """
    stream = sys.stderr
    if isinstance(stream, io.TextIOWrapper) and stream.isatty():
        raw = _Terminal(stream.fileno(), "w", closefd=False)
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=True, write_through=True
        )


class _Terminal(io.FileIO):
    """Discards what is written after the terminal has been closed."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return memoryview(data).nbytes
