"""Lists that take a few bytes per item, for what a call must remember about each of a million objects."""

import heapq
import marshal
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

__all__ = ["BLOCK", "CompressedList", "sort"]

T = TypeVar("T")

# Items that are compressed together.
BLOCK = 512
# Items that are sorted at once.
_RUN = 1 << 16


class CompressedList(Generic[T]):
    """A list that is appended to and iterated. Similar names, in the order of a listing, take 3 to 8 bytes each.

    Args:
        items: Strings, numbers, None, and tuples and dictionaries of them.

    Example:
        >>> list(CompressedList(["model/a", "model/b"]))
        ['model/a', 'model/b']
    """

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._blocks: list[bytes] = []
        self._last: list[T] = []
        self.extend(items)

    def append(self, item: T) -> None:
        """Add an item at the end."""
        self._last.append(item)
        if len(self._last) == BLOCK:
            self._blocks.append(_compress(self._last))
            self._last = []

    def extend(self, items: Iterable[T]) -> None:
        """Add items at the end."""
        for item in items:
            self.append(item)

    def clear(self) -> None:
        """Remove all items."""
        self._blocks.clear()
        self._last = []

    @property
    def blocks(self) -> int:
        """Number of blocks. All but the last have `BLOCK` items."""
        return len(self._blocks) + bool(self._last)

    def block(self, number: int) -> Sequence[T]:
        """The items of a block, counted from 0."""
        return self._last if number == len(self._blocks) else _decompress(self._blocks[number])

    def __len__(self) -> int:
        return len(self._blocks) * BLOCK + len(self._last)

    def __iter__(self) -> Iterator[T]:
        for block in self._blocks:
            yield from _decompress(block)
        yield from self._last


def sort(items: CompressedList[T], key: Callable[[T], Any]) -> CompressedList[T]:
    """Sort a list: runs of it are sorted, compressed and merged.

    Args:
        items: The items.
        key: As for `sorted`.
    """
    remaining = iter(items)
    runs: list[CompressedList[T]] = []
    while run := sorted(islice(remaining, _RUN), key=key):
        runs.append(CompressedList(run))
    if len(runs) < 2:
        return runs[0] if runs else CompressedList()
    return CompressedList(heapq.merge(*runs, key=key))


def _compress(items: list[T]) -> bytes:
    """Serialize and compress a block of items."""
    return zlib.compress(marshal.dumps(items), 1)


def _decompress(block: bytes) -> list[T]:
    """The items of a block."""
    items: list[T] = marshal.loads(zlib.decompress(block))  # noqa: S302 - written by `_compress`
    return items
