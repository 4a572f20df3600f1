"""Which ranges of a file to request, and where their bytes go. No I/O.

A request contains bytes of one tensor, or of several small ones completely. So when a tensor is begun, only requests of
its own are missing, and reading them never needs memory for another one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from ..frozen_dataclass import dataclass
from ..types import KiB
from .selection import Selected

if TYPE_CHECKING:
    from .target import Target

__all__ = ["MAX_GAP", "MAX_RANGES", "Method", "Piece", "Request", "choose_methods", "plan_requests"]

Method = Literal["whole", "range", "ranges", "span"]

MAX_RANGES = 1024
"""How many ranges of slices are requested of one file at most."""
MAX_GAP = 4 * KiB
"""The bytes between the rows of a slice that are read together with them."""
# The parts of a tensor have lengths of multiples of this.
_ALIGNMENT = 64 * KiB


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a request that belong to one tensor: `count` rows of `width` bytes.

    Attributes:
        target: The tensor.
        at: Offset in the bytes of the tensor, where the rows follow each other.
        start: Offset of the first row in the request.
        width: Bytes of a row.
        step: Bytes in the request from the beginning of a row to that of the next.
        count: Number of rows.
    """

    target: "Target"
    at: int
    start: int
    width: int
    step: int
    count: int = 1

    @property
    def nbytes(self) -> int:
        """Bytes that the tensor gets."""
        return self.width * self.count


@dataclass(frozen=True, slots=True)
class Request:
    """A range of a file.

    Attributes:
        start: Offset of its first byte in the file.
        end: Offset after its last byte.
        pieces: What it contains, in order.
    """

    start: int
    end: int
    pieces: tuple[Piece, ...]

    @property
    def is_dense(self) -> bool:
        """Whether each of its bytes belongs to a tensor."""
        return sum(piece.nbytes for piece in self.pieces) == self.end - self.start


def choose_methods(selected: Iterable[Selected]) -> Mapping[str, Method]:
    """How to read each of the selected tensors of one file.

    Slices with several rows are read row by row, up to `MAX_RANGES` rows in all; those with the most rows first are
    read together with the bytes between them.
    """
    methods: dict[str, Method] = {}
    rows: Counter[str] = Counter()
    for each in selected:
        name = each.meta.name
        if each.is_whole:
            methods[name] = "whole"
        elif each.count == 1:
            methods[name] = "range"
        elif each.step - each.width <= MAX_GAP:
            methods[name] = "span"
        else:
            methods[name], rows[name] = "ranges", each.count
    for name, count in rows.most_common():
        if rows.total() <= MAX_RANGES:
            break
        methods[name] = "span"
        rows[name] -= count
    return methods


def plan_requests(targets: Iterable["Target"], methods: Mapping[str, Method], length: int) -> Iterator[Request]:
    """The requests for the selected tensors of one file, in the order of their offsets.

    Args:
        targets: The tensors, in that order. Those without bytes need no request.
        methods: How to read each.
        length: Bytes that a request has at most.
    """
    small: list[Target] = []
    start = end = 0  # of the small tensors
    for target in targets:
        selected = target.selected
        if not selected.nbytes:
            continue
        last = selected.first + selected.width
        one_range = selected.count == 1 and selected.width <= length
        if small and not (one_range and last - start <= length and selected.first - end <= MAX_GAP):
            yield _of_small(small)
            small = []
        if one_range:
            start, end = start if small else selected.first, last
            small.append(target)
        elif methods[selected.meta.name] == "span":
            yield from _of_span(target, length)
        else:
            for row in range(selected.count):
                yield from _of_row(target, row, length)
    if small:
        yield _of_small(small)


def _of_small(targets: list["Target"]) -> Request:
    start = targets[0].selected.first
    pieces = tuple(
        Piece(target, 0, target.selected.first - start, target.selected.width, target.selected.width)
        for target in targets
    )
    return Request(start, targets[-1].selected.first + targets[-1].selected.width, pieces)


def _of_row(target: "Target", row: int, length: int) -> Iterator[Request]:
    """One row, in parts of about equal length."""
    selected = target.selected
    first, at = selected.first + row * selected.step, row * selected.width
    part = _even(selected.width, length)
    for done in range(0, selected.width, part):
        size = min(part, selected.width - done)
        yield Request(first + done, first + done + size, (Piece(target, at + done, 0, size, size),))


def _of_span(target: "Target", length: int) -> Iterator[Request]:
    """As many rows at a time as fit, with the bytes between them."""
    selected = target.selected
    rows = max(length // selected.step, 1)
    if selected.width > length:
        for row in range(selected.count):
            yield from _of_row(target, row, length)
        return
    for row in range(0, selected.count, rows):
        count = min(rows, selected.count - row)
        start = selected.first + row * selected.step
        end = start + (count - 1) * selected.step + selected.width
        yield Request(start, end, (Piece(target, row * selected.width, 0, selected.width, selected.step, count),))


def _even(size: int, length: int) -> int:
    """The length of equal parts of at most `length` bytes; rounded up, unless that is too long."""
    even = -(-size // -(-size // length))
    return min(-(-even // _ALIGNMENT) * _ALIGNMENT, max(length, even))
