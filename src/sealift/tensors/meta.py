"""What is known of a tensor before it is read, and how it was read."""

from typing import Literal

from ..frozen_dataclass import dataclass

__all__ = ["Slice", "TensorMeta", "TensorRead"]

# Dimension, first index, and index after the last one.
Slice = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class TensorMeta:
    """A tensor, as the header of its file describes it.

    Attributes:
        name: Name of the tensor.
        dtype: Element type as in the file, such as "BF16".
        shape: Length of each dimension.
        nbytes: Size in bytes.
        file: Path of its file, relative to the URI; for a single file, its name.
        offset: Offset of its first byte in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    file: str
    offset: int


@dataclass(frozen=True, slots=True)
class TensorRead:
    """How a tensor was read by the last call that returned it.

    Attributes:
        method: "whole": all of it. "range": a slice that is one range of the file. "ranges": a slice in several ranges,
            without the bytes between them. "span": a slice together with the bytes between its rows, because there are
            too many rows, or the gaps are small.
        nbytes: Bytes that were requested for it; without retries.
        verified: The checksum algorithm that its file was compared with; "size-only": none, because the file has none,
            or because only a part of the file was read. "": not known yet, see `AsyncTensors.stream`.
    """

    method: Literal["whole", "range", "ranges", "span"]
    nbytes: int
    verified: str = ""
