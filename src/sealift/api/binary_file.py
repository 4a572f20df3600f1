"""The base class of the file objects of `Storage.open`."""

import io
import threading
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import ClosedError
from .file_position import describe

if TYPE_CHECKING:
    from .facade_thread import SharedStorage
    from .opened import Opened

    class _BinaryIO(io.BufferedIOBase, BinaryIO):
        """A binary file for type checkers, which do not know that a subclass of io.BufferedIOBase is one."""
else:
    _BinaryIO = io.BufferedIOBase

__all__ = ["BinaryFile"]


class BinaryFile(_BinaryIO):
    """A file that passes its calls on to the engine's thread.

    Args:
        shared: What the engine's thread of this process owns.
        opened: The open reader or writer.
        mode: "rb" or "wb".

    Attributes:
        mode: "rb" or "wb".
        name: The local path or the URI, without secrets.
    """

    mode = ""
    name = ""

    def __init__(self, shared: "SharedStorage", opened: "Opened[Any]", mode: str) -> None:
        self._shared = shared
        self._opened = opened
        self._lock = threading.RLock()
        self._position = 0
        self.mode = mode
        self.name = opened.name

    def tell(self) -> int:
        """The position: the number of bytes before the next one."""
        self._check_open()
        return self._position

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _check_process(self, shared: "SharedStorage") -> None:
        if self._shared is not shared:
            raise ClosedError("the file was opened before this process was forked", hint="open it again")

    def _close_in_engine(self) -> bool:
        """Whether this is the engine's thread, where no call can wait, though the collector may run: close later."""
        if threading.get_ident() != self._opened.thread:
            return False
        self._opened.abandon()
        super().close()
        return True

    async def _finish(self, shared: "SharedStorage") -> None:
        """Close the file without publishing anything."""
        if self._shared is shared:
            await self._opened.aclose()

    def __repr__(self) -> str:
        return describe(self)
