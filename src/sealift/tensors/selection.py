"""Which tensors a call reads, and which part of each: names and slices, checked before anything is read."""

import difflib
import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from os.path import commonprefix
from typing import Any

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass
from .dtypes import BITS, is_packed
from .meta import Slice, TensorMeta
from .shown import shown

__all__ = ["Names", "Selected", "find_tensor", "select"]

# Which tensors to read: their names, or a function that is called with each name. None: all.
Names = Iterable[str] | Callable[[str], bool] | None
# Names that are compared with one that does not exist: those that begin and end most like it, unless they are longer.
_CLOSEST, _LONGEST = 20, 200


@dataclass(frozen=True, slots=True)
class Selected:
    """A tensor, or a slice of one: pieces of equal size, at equal distances in its file.

    Attributes:
        meta: The tensor.
        shape: Shape of what is read.
        first: Offset of the first piece in the file.
        width: Bytes of a piece.
        step: Bytes from the beginning of a piece to that of the next.
        count: Number of pieces.
    """

    meta: TensorMeta
    shape: tuple[int, ...]
    first: int
    width: int
    step: int
    count: int

    @property
    def nbytes(self) -> int:
        """Bytes of what is read."""
        return self.width * self.count

    @property
    def is_whole(self) -> bool:
        """Whether that is the whole tensor."""
        return self.shape == self.meta.shape


def select(
    tensors: Mapping[str, TensorMeta], names: Names = None, slices: Mapping[str, Slice] | None = None
) -> list[Selected]:
    """Choose tensors, in the order of their bytes.

    Args:
        tensors: All tensors, by name.
        names: As in `Names`.
        slices: For some of them, the part to read.

    Raises:
        InvalidConfig: There is no such tensor, or it has no such slice.
    """
    slices = slices or {}
    if isinstance(names, str):
        raise InvalidConfig(f"names={names!r} is one string", hint="pass a list of names, or a function")
    if names is None or callable(names):
        chosen = [meta for name, meta in tensors.items() if names is None or names(name)]
    else:
        wanted = {find_tensor(tensors, name).name for name in names}
        chosen = [meta for name, meta in tensors.items() if name in wanted]
    for name in slices:
        find_tensor(tensors, name)
    return [_select(meta, slices.get(meta.name)) for meta in chosen]


def find_tensor(tensors: Mapping[str, TensorMeta], name: str) -> TensorMeta:
    """The tensor of a name.

    Raises:
        InvalidConfig: There is none; the hint names similar ones.
    """
    if name in tensors:
        return tensors[name]
    similar = _similar(str(name), tensors)
    hint = f"similar names: {', '.join(similar)}" if similar else "`names` lists them"
    raise InvalidConfig(f"there is no tensor {shown(name)}", hint=hint)


def _similar(wanted: str, names: Iterable[str]) -> list[str]:
    """Names that a caller may have meant. Comparing 10,000 takes difflib seconds, or a minute if they are long."""

    def common_ends(name: str) -> int:
        pairs = [name, wanted]
        ends = commonprefix(pairs), commonprefix([each[::-1] for each in pairs])  # noqa: RUF071 - not of paths
        return len(ends[0]) + len(ends[1])

    wanted = wanted[:_LONGEST]
    short = (name for name in names if len(name) <= _LONGEST)
    return difflib.get_close_matches(wanted, heapq.nlargest(_CLOSEST, short, common_ends), n=3)


def _select(meta: TensorMeta, part: Slice | None) -> Selected:
    if part is None:
        return Selected(meta, meta.shape, meta.offset, meta.nbytes, meta.nbytes, 1)
    dimension, start, stop = _checked(meta, part)
    item = BITS[meta.dtype] // 8
    inner = math.prod(meta.shape[dimension + 1 :]) * item
    width, step = (stop - start) * inner, meta.shape[dimension] * inner
    count = math.prod(meta.shape[:dimension])
    first = meta.offset + start * inner
    if count == 1 or width == step:  # one range
        width, step, count = width * count, width * count, 1
    shape = (*meta.shape[:dimension], stop - start, *meta.shape[dimension + 1 :])
    return Selected(meta, shape, first, width, step, count)


def _checked(meta: TensorMeta, part: Any) -> Slice:
    hint = "(dimension, start, stop), within the shape of the tensor"
    try:
        dimension, start, stop = (each.__index__() for each in part)
    except (TypeError, ValueError, AttributeError):
        raise InvalidConfig(f"{part!r} is not a slice of the tensor {shown(meta.name)}", hint=hint) from None
    if not (0 <= dimension < len(meta.shape) and 0 <= start <= stop <= meta.shape[dimension]):
        raise InvalidConfig(f"the tensor {shown(meta.name)} of shape {meta.shape} has no slice {part!r}", hint=hint)
    if is_packed(meta.dtype):
        raise InvalidConfig(
            f"the tensor {shown(meta.name)} has the dtype {meta.dtype}, whose elements are smaller than a byte",
            hint="read all of it",
        )
    return dimension, start, stop
