"""One body that fills several buffers, one after the other, without a copy in between."""

from collections.abc import Sequence

from ..wire import PIECE

__all__ = ["ScatterSink"]


class ScatterSink:
    """A `Sink` that fills buffers in order.

    Args:
        buffers: The buffers, each of at least one byte.
    """

    def __init__(self, buffers: Sequence[memoryview]) -> None:
        self._buffers = buffers
        self._index = self._done = 0
        self._missing = sum(map(len, buffers))

    def __len__(self) -> int:
        return self._missing

    def space(self) -> memoryview:
        return self._buffers[self._index][self._done : self._done + PIECE]

    def filled(self, count: int) -> None:
        self._missing -= count
        self._done += count
        if self._done == len(self._buffers[self._index]):
            self._index, self._done = self._index + 1, 0

    def flush(self) -> None:
        """Nothing is buffered."""

    def rewind(self) -> None:
        self._index = self._done = 0
        self._missing = sum(map(len, self._buffers))
