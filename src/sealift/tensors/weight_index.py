"""The index of a checkpoint in several files: `model.safetensors.index.json`.

The format: https://huggingface.co/docs/transformers/big_models#sharding.
"""

import re
from collections.abc import Iterable, Mapping

from ..errors import TensorFileError
from ..types import MiB
from .meta import TensorMeta
from .shown import shown
from .strict_json import parse_object

__all__ = ["INDEX_SUFFIX", "MAX_INDEX", "TENSOR_SUFFIX", "check_against_files", "parse_index"]

TENSOR_SUFFIX = ".safetensors"
INDEX_SUFFIX = ".safetensors.index.json"
MAX_INDEX = 32 * MiB
"""The longest index in bytes."""
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
    weight_map = parse_object(data, "the index").get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise TensorFileError("the index has no weight_map, or an empty one")
    checked = set()
    for name, file in weight_map.items():
        if not isinstance(file, str):
            raise TensorFileError(f"the index maps the tensor {shown(name)} to something else than a file")
        if file not in checked:
            _check_file(name, file)
            checked.add(file)
    return weight_map


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
