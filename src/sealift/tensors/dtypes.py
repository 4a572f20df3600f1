"""The element types of safetensors files, and what numpy and torch call them. No imports of either.

The names are those of https://docs.rs/safetensors/latest/safetensors/enum.Dtype.html.
"""

from collections.abc import Mapping

__all__ = ["BITS", "ML_DTYPES", "NUMPY", "TORCH", "is_packed"]

BITS: Mapping[str, int] = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip
"""Bits of one element."""

NUMPY: Mapping[str, str] = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16", "F16": "float16", "I32": "int32",
    "U32": "uint32", "F32": "float32", "C64": "complex64", "F64": "float64", "I64": "int64", "U64": "uint64",
}  # fmt: skip
"""The types that numpy has itself."""

ML_DTYPES: Mapping[str, str] = {
    "BF16": "bfloat16", "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip
"""The types that https://github.com/jax-ml/ml_dtypes adds to numpy; torch has most of them under the same names."""

TORCH: Mapping[str, str] = {**NUMPY, **ML_DTYPES}
"""The types of torch; some depend on its version."""


def is_packed(dtype: str) -> bool:
    """Whether an element is smaller than a byte. Such a tensor is returned as its bytes: flat, and uint8."""
    return BITS[dtype] % 8 != 0
