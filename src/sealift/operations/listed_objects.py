"""A listing that is kept in memory: the objects at the destination of a sync, by path."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from operator import itemgetter

from ..compressed_list import BLOCK, CompressedList, sort
from ..types import ObjectInfo
from .packed_object import Packed, pack, unpack

__all__ = ["ListedObjects"]

# Blocks of rows that are kept uncompressed. The order of a walk, files before directories, needs a few.
_KEPT = 8

_Row = tuple[str, Packed]
_path = itemgetter(0)


class ListedObjects:
    """Objects by path, some 30 bytes each. Add all of them, then `sort`, then look them up, best in the order of paths.

    Example:
        >>> listed = ListedObjects()
        >>> listed.add("a", ObjectInfo("model/a", 1))
        >>> listed.sort()
        >>> listed.find("a").key, list(listed.not_found())
        ('model/a', [])
    """

    def __init__(self) -> None:
        self._rows: CompressedList[_Row] = CompressedList()
        self._last = ""
        self._ordered = True
        self._first_paths: list[str] = []  # of each block
        self._kept: dict[int, dict[str, tuple[int, Packed]]] = {}
        self._found = bytearray()

    def add(self, path: str, obj: ObjectInfo) -> None:
        """Add an object."""
        if not len(self._rows) % BLOCK:
            self._first_paths.append(path)
        self._ordered = self._ordered and (path > self._last or not self._last)
        self._last = path
        self._rows.append((path, pack(obj)))

    def sort(self) -> None:
        """Sort the objects by path, unless they were listed in that order."""
        if not self._ordered:
            self._rows = sort(self._rows, _path)
            self._first_paths = [self._rows.block(number)[0][0] for number in range(self._rows.blocks)]
            self._ordered = True
        self._found = bytearray(len(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[tuple[str, ObjectInfo]]:
        """All objects, in the order of their paths."""
        return ((path, unpack(packed)) for path, packed in self._rows)

    def find(self, path: str) -> ObjectInfo | None:
        """Look up an object; None: there is none of this path."""
        number = self._block_of(path)
        found = None if number is None else self._block(number).get(path)
        if found is None:
            return None
        self._found[found[0]] = True
        return unpack(found[1])

    def near(self, path: str) -> Iterable[ObjectInfo]:
        """The objects whose paths are around this one, for looking them up elsewhere together."""
        number = self._block_of(path)
        return () if number is None else (unpack(packed) for _, packed in self._block(number).values())

    def not_found(self) -> Iterator[str]:
        """The paths that `find` was not called with."""
        return (path for (path, _), found in zip(self._rows, self._found, strict=True) if not found)

    def _block_of(self, path: str) -> int | None:
        number = bisect_right(self._first_paths, path) - 1
        return None if number < 0 else number

    def _block(self, number: int) -> dict[str, tuple[int, Packed]]:
        if number not in self._kept:
            if len(self._kept) == _KEPT:
                del self._kept[next(iter(self._kept))]
            rows = enumerate(self._rows.block(number), start=number * BLOCK)
            self._kept[number] = {path: (index, packed) for index, (path, packed) in rows}
        return self._kept[number]
