"""Random models, written by the official library; and what it reads of them."""

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import safetensors

from sealift.tensors.dtypes import BITS, ML_DTYPES, NUMPY

INDEX = "model.safetensors.index.json"

# What the official library calls the types.
NAMES = {**NUMPY, **ML_DTYPES}
Tensor = tuple[str, tuple[int, ...], bytes]


@dataclass(frozen=True)
class Model:
    """A model in several files.

    Attributes:
        tensors: Name → dtype, shape and bytes.
        files: The files and their index.
        where: Name of each tensor → its file.
    """

    tensors: Mapping[str, Tensor]
    files: Mapping[str, bytes]
    where: Mapping[str, str]


def file_of(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """A file with these tensors."""
    kept = {name: np.frombuffer(data, np.uint8) for name, (_, _, data) in tensors.items()}
    specs = {
        name: safetensors.TensorSpec(
            dtype=NAMES[dtype], shape=shape, data_ptr=kept[name].ctypes.data, data_len=len(data)
        )
        for name, (dtype, shape, data) in tensors.items()
    }
    return bytes(safetensors.serialize(specs, metadata))


def model_of(*files: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> Model:
    """A model whose files contain these tensors."""
    names = [f"model-{number:05}-of-{len(files):05}.safetensors" for number in range(1, len(files) + 1)]
    where = {tensor: name for name, content in zip(names, files, strict=True) for tensor in content}
    index = json.dumps({"metadata": {"total_size": 1}, "weight_map": where}).encode()
    contents = {name: file_of(content, metadata) for name, content in zip(names, files, strict=True)}
    tensors = {name: tensor for content in files for name, tensor in content.items()}
    return Model(tensors, {**contents, INDEX: index, "config.json": b"{}"}, where)


def tensor(dtype: str, shape: tuple[int, ...], rng: random.Random) -> Tensor:
    """A tensor of random bytes; a boolean has the values 0 and 1."""
    data = rng.randbytes(math.prod(shape) * BITS[dtype] // 8)
    return dtype, shape, bytes(each & 1 for each in data) if dtype == "BOOL" else data


def random_model() -> Model:
    """Three files: one of a large tensor, one with many small ones of all types, and one without bytes."""
    rng = random.Random(19)
    types = [*NAMES]
    large = {"large": tensor("BF16", (1200, 1024), rng), "large.bias": tensor("F32", (1200,), rng)}
    small = {f"layers.{number}.x": tensor(types[number % len(types)], (number % 5, 3, 7), rng) for number in range(60)}
    small |= {"scalar": tensor("F64", (), rng), "middle": tensor("F16", (300, 500), rng)}
    return model_of(large, small, {"empty": tensor("I64", (0, 4), rng)}, metadata={"format": "pt"})
