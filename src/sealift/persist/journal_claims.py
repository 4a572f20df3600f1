"""The lines of a download journal: claims about bytes that have been written.

<object> <start> <length> <CRC>      all in hex; a length of 0 retracts all earlier claims about the object
"""

import re
import struct
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import BinaryIO

from ..frozen_dataclass import dataclass

__all__ = ["Claim", "Claims", "line"]

# Compiled when it is used, as few downloads find the journal of an earlier one.
_LINE = rb"^([0-9a-f]{16}) ([0-9a-f]{1,16}) ([0-9a-f]{1,16}) ([0-9a-f]{8})$"
# Bytes that are parsed at once.
_READ = 256 << 10
# Objects whose claims are kept as objects: those whose parts are being resumed.
_KEPT = 64


@dataclass(frozen=True, slots=True)
class Claim:
    """Bytes of an object that have been written.

    Attributes:
        start: Offset of the first byte within the object.
        length: Number of bytes.
        crc: Their CRC, in hex.
    """

    start: int
    length: int
    crc: str


def line(obj: str, claim: Claim) -> str:
    """The line of a claim about an object, which is a `fingerprint`."""
    return f"{obj} {claim.start:x} {claim.length:x} {claim.crc}\n"


class Claims:
    """The claims in a journal. They take 28 bytes each, since a journal may have millions.

    Args:
        journal: The journal. Lines with another format, such as one that was cut off, are ignored. None: no claims.

    Example:
        >>> Claims(io.BytesIO(b"00000000000000aa 0 8 cbf43926")).of("00000000000000aa")
        {0: Claim(start=0, length=8, crc='cbf43926')}
    """

    def __init__(self, journal: BinaryIO | None = None) -> None:
        columns = array("Q"), array("Q"), array("Q"), array("I")
        while journal is not None and (lines := journal.readlines(_READ)):
            found = re.findall(_LINE, b"".join(lines), re.MULTILINE)
            objects, starts, lengths, crcs = zip(*found, strict=True) if found else ((),) * 4
            columns[0].extend(struct.unpack(f">{len(found)}Q", bytes.fromhex(b"".join(objects).decode())))
            columns[1].extend([int(start, 16) for start in starts])
            columns[2].extend([int(length, 16) for length in lengths])
            columns[3].extend(struct.unpack(f">{len(found)}I", bytes.fromhex(b"".join(crcs).decode())))
        # By object; the claims about one object stay in their order.
        order = sorted(range(len(columns[0])), key=columns[0].__getitem__)
        if 0 in columns[2]:
            order = _not_retracted(order, columns[0], columns[2])
        self._objects, self._starts, self._lengths, self._crcs = (
            array(column.typecode, map(column.__getitem__, order)) for column in columns
        )
        self._left = len(order)
        self._retracted: set[str] = set()
        self._kept: dict[str, dict[int, Claim]] = {}

    def __bool__(self) -> bool:
        return self._left > 0

    def of(self, obj: str) -> dict[int, Claim]:
        """The claims about an object, by their start."""
        if obj not in self._kept:
            if len(self._kept) == _KEPT:
                self._kept.clear()
            self._kept[obj] = {self._starts[each]: self._claim(each) for each in self._lines_about(obj)}
        return self._kept[obj]

    def cover(self, obj: str, size: int) -> list[Claim]:
        """The claims that cover the first `size` bytes of an object, in order; empty if any byte is missing."""
        claims, found, end = self.of(obj), list[Claim](), 0
        while end < size and (claim := claims.get(end)) is not None:
            found.append(claim)
            end += claim.length
        return found if end == size else []

    def covers(self, obj: str, size: int) -> bool:
        """Whether `cover` returns any claims."""
        lines = self._lines_about(obj)
        if len(lines) == 1:  # the usual case
            return self._starts[lines[0]] == 0 and self._lengths[lines[0]] == size
        return bool(lines) and bool(self.cover(obj, size))

    def _claim(self, index: int) -> Claim:
        return Claim(self._starts[index], self._lengths[index], f"{self._crcs[index]:08x}")

    def _lines_about(self, obj: str) -> range:
        if not self._left or obj in self._retracted:
            return range(0)
        number, objects = int(obj, 16), self._objects
        first = end = bisect_left(objects, number)
        while end < len(objects) and objects[end] == number:
            end += 1
        return range(first, end)

    def retract(self, obj: str) -> bool:
        """Drop the claims about an object; returns whether there were any."""
        lines = self._lines_about(obj)
        if lines:
            self._left -= len(lines)
            self._retracted.add(obj)
            self._kept.pop(obj, None)
        return bool(lines)


def _not_retracted(order: list[int], objects: Sequence[int], lengths: Sequence[int]) -> list[int]:
    kept: list[int] = []
    retracted = -1
    for each in reversed(order):
        if objects[each] != retracted:
            if lengths[each]:
                kept.append(each)
            else:
                retracted = objects[each]
    kept.reverse()
    return kept
