"""The header of a safetensors file, parsed without trust.

The format: https://github.com/huggingface/safetensors#format. A file is rejected if it could be read in two ways, for
example because it names a tensor twice or has bytes that belong to none; the official parser accepts some of these.
What parsing takes is bounded: about 300 bytes for each tensor, as long as a valid description of one has 50 or more.
"""

import math
import re
import sys
from operator import attrgetter
from typing import Any

from ..errors import TensorFileError
from ..frozen_dataclass import dataclass
from ..types import KiB, MiB
from .dtypes import BITS
from .meta import TensorMeta
from .shown import shown
from .strict_json import JsonReader

__all__ = ["MAX_HEADER", "PREFIX", "Header", "header_length", "parse_header"]

PREFIX = 8
"""Bytes of the number at the beginning of a file: the length of its header."""
MAX_HEADER = 32 * MiB
"""The longest header in bytes: some 200,000 tensors."""
# Bytes of the description of a tensor, of which one of the largest shape has 700.
_MAX_ENTRY = 16 * KiB
# Entries of the metadata, and bytes of each: some tools write one for each tensor, others a picture.
_MAX_METADATA, _MAX_METADATA_VALUE = 100_000, 4 * MiB
# numpy 1.26 has no more dimensions than this.
_MAX_DIMENSIONS = 32
_MAX = (1 << 63) - 1
_FIELDS = {"dtype", "shape", "data_offsets"}
_METADATA = "__metadata__"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SEPARATOR = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True)
class Header:
    """The tensors of one file.

    Attributes:
        tensors: The tensors, in the order of their bytes.
        metadata: The entries of "__metadata__".
        end: Offset after the last byte of the file.
    """

    tensors: tuple[TensorMeta, ...]
    metadata: dict[str, str]
    end: int


def header_length(start: bytes | bytearray, size: int | None) -> int:
    """The length of the header in bytes, without the number before it.

    Args:
        start: The beginning of the file: 8 bytes or more, or all that it has.
        size: Size of the file in bytes; None: unknown.

    Raises:
        TensorFileError: This is no safetensors file, or its header is too long.
    """
    if len(start) < PREFIX:
        raise TensorFileError(f"the file has {len(start)} bytes, too few for a safetensors file")
    length = int.from_bytes(start[:PREFIX], "little")
    if length > MAX_HEADER or (size is not None and length > size - PREFIX) or length < len("{}"):
        raise TensorFileError(
            f"this is not a safetensors file: the length of its header would be {length} bytes",
            hint=f"at most {MAX_HEADER}, and no more than the file has",
        )
    return length


def parse_header(data: bytes | bytearray | memoryview, size: int | None, file: str) -> Header:
    """Parse a header.

    Args:
        data: The header, without the 8 bytes before it.
        size: Size of the file in bytes; None: unknown, then it is only known where the file should end.
        file: Name of the file, for the tensors.

    Raises:
        TensorFileError: It is not valid; the message names the tensor.
    """
    if data[:1] != b"{":
        raise TensorFileError("this is not a safetensors file: its header does not begin with '{'")
    reader = JsonReader(data, "the header")
    metadata: dict[str, str] = {}
    found: list[TensorMeta] = []
    start = PREFIX + len(data)
    for name in reader.names():
        if name == _METADATA:
            metadata = _read_metadata(reader)
        else:
            found.append(_tensor(name, reader.value(_MAX_ENTRY), start, file))
    if not reader.only_spaces_follow():
        raise TensorFileError("the header is followed by something else than spaces")
    found.sort(key=attrgetter("nbytes"))
    found.sort(key=attrgetter("offset"))  # a tensor without bytes comes before another one at the same offset
    end = _check_layout(found, start, size)
    return Header(tuple(found), metadata, end)


def _read_metadata(reader: JsonReader) -> dict[str, str]:
    found: dict[str, str] = {}
    if not reader.at(b"{"):
        raise TensorFileError(f"{_METADATA!r} in the header is not an object of strings")
    for name in reader.names():
        if not reader.at(b'"'):
            raise TensorFileError(f"{_METADATA!r} in the header is not an object of strings")
        if len(found) == _MAX_METADATA:
            raise TensorFileError(f"{_METADATA!r} in the header has more than {_MAX_METADATA} entries")
        found[name] = reader.string(_MAX_METADATA_VALUE)
    return found


def _tensor(name: str, entry: Any, start: int, file: str) -> TensorMeta:
    _check_name(name)
    if not isinstance(entry, dict) or set(entry) != _FIELDS:
        fields = shown(sorted(entry)) if isinstance(entry, dict) else "no fields"
        raise _invalid(name, f"has {fields} instead of dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _invalid(name, f"has the unknown dtype {shown(dtype)}")
    if not _are_sizes(shape) or len(shape) > _MAX_DIMENSIONS:
        raise _invalid(name, f"has an invalid shape: at most {_MAX_DIMENSIONS} dimensions, none negative")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _invalid(name, "has invalid data_offsets: two numbers in ascending order")
    # Dimensions of length 0 must not hide an overflow: numpy would fail on them.
    if math.prod(length for length in shape if length) * BITS[dtype] > _MAX:
        raise _invalid(name, "has a shape that is too large")
    bits = math.prod(shape) * BITS[dtype]
    nbytes = offsets[1] - offsets[0]
    if bits != 8 * nbytes:
        raise _invalid(name, f"has {nbytes} bytes, but its shape and dtype need {bits / 8:g}")
    return TensorMeta(name, sys.intern(dtype), tuple(shape), nbytes, file, start + offsets[0])


def _check_name(name: str) -> None:
    """Raise for a name that is dangerous where it becomes a path, as in programs that store each tensor as a file."""
    segments = _SEPARATOR.split(name)
    if not name or _CONTROL.search(name):
        raise _invalid(name, "has an empty name, or one with control characters")
    if ".." in segments or not segments[0] or re.match(r"[A-Za-z]:[/\\]", name):
        raise _invalid(name, "has a name that is an absolute path, or leaves its directory")


def _are_sizes(value: Any) -> bool:
    """Whether a value is a list of integers that are not negative; `true` is none."""
    return isinstance(value, list) and all(type(each) is int and 0 <= each <= _MAX for each in value)


def _check_layout(tensors: list[TensorMeta], start: int, size: int | None) -> int:
    """Check that the tensors fill the file without holes and overlaps. Returns where the last one ends."""
    end = start
    for tensor in tensors:
        if tensor.offset != end:
            kind = (
                "overlaps the one before it" if tensor.offset < end else f"follows {tensor.offset - end} unused bytes"
            )
            raise _invalid(tensor.name, kind)
        end = tensor.offset + tensor.nbytes
        if size is not None and end > size:
            raise _invalid(tensor.name, f"ends at offset {end}, but the file has {size} bytes")
    if size is not None and end != size:
        raise TensorFileError(f"{size - end} bytes follow the last tensor of the file")
    return end


def _invalid(name: str, problem: str) -> TensorFileError:
    return TensorFileError(f"the tensor {shown(name)} {problem}")
