"""One tensor that is being read: its memory, and what is missing."""

from typing import TYPE_CHECKING, Any

from .requests import Piece
from .selection import Selected

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Target", "allocate", "copy_piece", "view_of"]


class Target:
    """A tensor that is being read.

    Args:
        selected: The tensor, or the slice of it.
        data: Where its bytes go: a flat array of uint8, or with a GPU a flat tensor of uint8. None: memory is allocated
            when its first request is sent.

    Attributes:
        begun: Whether its first request was sent, or its memory was allocated.
        missing: Requests that have not been answered.
        requested: Bytes that were requested for it.
    """

    __slots__ = ("begun", "data", "missing", "requested", "selected")

    def __init__(self, selected: Selected, data: Any = None) -> None:
        self.selected = selected
        self.data = data
        self.begun = False
        self.missing = 0
        self.requested = 0

    @property
    def name(self) -> str:
        """The name of the tensor."""
        return self.selected.meta.name


def allocate(nbytes: int) -> "np.ndarray[Any, Any]":
    """Memory of its own for one tensor. Its pages are made when they are first written, without the interpreter lock.

    Args:
        nbytes: Number of bytes.

    Raises:
        MemoryError: The system cannot allocate it.
    """
    import numpy as np  # noqa: PLC0415 - optional, see `frameworks.py`

    return np.empty(nbytes, np.uint8)


def view_of(piece: Piece) -> memoryview:
    """The memory that the bytes of a piece with one row belong to."""
    return memoryview(piece.target.data)[piece.at : piece.at + piece.width]


def copy_piece(piece: Piece, received: memoryview) -> None:
    """Copy the bytes of a piece out of those of its request; blocks, for the most part without the interpreter lock.

    Args:
        piece: The piece.
        received: All bytes of the request.
    """
    import numpy as np  # noqa: PLC0415 - as above

    source = np.frombuffer(received, np.uint8)[piece.start :]
    if piece.count == 1:
        piece.target.data[piece.at : piece.at + piece.width] = source[: piece.width]
        return
    rows = np.lib.stride_tricks.as_strided(source, (piece.count, piece.width), (piece.step, 1), writeable=False)
    piece.target.data[piece.at : piece.at + piece.nbytes].reshape(piece.count, piece.width)[...] = rows
