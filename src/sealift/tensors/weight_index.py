"""The index of a checkpoint in several files: `model.safetensors.index.json`.

The format: https://huggingface.co/docs/transformers/big_models#sharding.
"""

import re
from collections.abc import Iterable, Mapping

from ..errors import TensorFileError
from ..types import KiB, MiB
from .checkpoint_limits import MAX_TENSORS
from .meta import TensorMeta
from .shown import shown
from .strict_json import JsonReader

__all__ = ["INDEX_SUFFIX", "MAX_INDEX", "TENSOR_SUFFIX", "check_against_files", "parse_index"]

TENSOR_SUFFIX = ".safetensors"
INDEX_SUFFIX = ".safetensors.index.json"
MAX_INDEX = 32 * MiB
"""The longest index in bytes."""
# Bytes of the path of a file, and of the metadata, which sealift does not need.
_MAX_PATH, _MAX_METADATA = 4 * KiB, MiB
# "?" and "#" would end the path of a URL, and "%" would encode one of the others.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\\?#%:]")


def parse_index(data: bytes) -> Mapping[str, str]:
    """Parse an index.

    Args:
        data: The file.

    Returns:
        Name of each tensor → path of its file, relative to the directory of the index.

    Raises:
        TensorFileError: It is not valid, or names a file outside its directory.
    """
    reader = JsonReader(data, "the index")
    weight_map: dict[str, str] = {}
    if not reader.at(b"{"):
        raise TensorFileError("the index is not a JSON object")
    for name in reader.names():
        if name == "weight_map" and reader.at(b"{"):
            weight_map = _read_weight_map(reader)
        else:
            reader.value(_MAX_METADATA, any_number=True)  # sizes may be fractions, for types smaller than a byte
    if not reader.at(b""):
        raise TensorFileError("the index is not valid JSON")
    if not weight_map:
        raise TensorFileError("the index has no weight_map, or an empty one")
    return weight_map


def _read_weight_map(reader: JsonReader) -> dict[str, str]:
    found: dict[str, str] = {}
    files: dict[str, str] = {}  # each path once: many tensors have the same
    for name in reader.names():
        if not reader.at(b'"'):
            raise TensorFileError(f"the index maps the tensor {shown(name)} to something else than a file")
        if len(found) == MAX_TENSORS:
            raise TensorFileError(f"the index names more than {MAX_TENSORS} tensors")
        file = reader.string(_MAX_PATH)
        if file not in files:
            _check_file(name, file)
            files[file] = file
        found[name] = files[file]
    return found


def _check_file(name: str, file: str) -> None:
    if _UNSAFE.search(file) or any(segment in {"", ".", ".."} for segment in file.split("/")):
        raise TensorFileError(
            f"the index maps the tensor {shown(name)} to {shown(file)}, which is not a path in its directory"
        )
    if not file.endswith(TENSOR_SUFFIX):
        raise TensorFileError(
            f"the index maps the tensor {shown(name)} to {shown(file)}, which is not a safetensors file"
        )


def check_against_files(weight_map: Mapping[str, str], tensors: Iterable[TensorMeta]) -> None:
    """Check that an index and the headers of all of its files say the same.

    Raises:
        TensorFileError: A tensor is missing in its file, or is in a file without being in the index.
    """
    missing = set(weight_map)
    for tensor in tensors:
        if weight_map.get(tensor.name) != tensor.file:
            where = f"in {shown(weight_map[tensor.name])}" if tensor.name in weight_map else "in no file"
            raise TensorFileError(f"the tensor {shown(tensor.name)} is in {tensor.file!r}; the index says: {where}")
        missing.remove(tensor.name)
    if missing:
        name = min(missing)
        raise TensorFileError(
            f"the tensor {shown(name)} is not in {shown(weight_map[name])}, where the index says it is"
        )
