"""The Content-Type of an object whose source does not report one, by the extension of its name.

The content is never looked at, so nothing becomes text/html that is not named so.
"""

import os
from functools import lru_cache

from ..types.properties import NO_PROPERTIES, Properties

__all__ = ["properties_by_name"]

_BYTES = "application/octet-stream"
# Formats of models and arrays. Tables of media types either lack them, or have other formats under these extensions.
_MODELS = frozenset({
    ".bin", ".caffemodel", ".ckpt", ".data", ".dduf", ".dill", ".engine", ".ggml", ".gguf", ".h5", ".hdf5", ".joblib",
    ".keras", ".mar", ".mlmodel", ".model", ".msgpack", ".nemo", ".npy", ".npz", ".onnx", ".ort", ".params", ".pb",
    ".pdiparams", ".pdmodel", ".pdparams", ".pickle", ".pkl", ".plan", ".pt", ".pt2", ".pte", ".pth", ".ptl",
    ".safetensors", ".spm", ".tflite", ".tiktoken", ".torchscript", ".trt", ".weights",
})  # fmt: skip
_TYPES = {
    # The type of the file itself: tables of media types report that of its content.
    ".br": "application/x-brotli",
    ".bz2": "application/x-bzip2",
    ".gz": "application/gzip",
    ".tbz2": "application/x-bzip2",
    ".tgz": "application/gzip",
    ".txz": "application/x-xz",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
    # Not in the tables of all supported Python versions.
    ".md": "text/markdown",
    ".toml": "application/toml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


def properties_by_name(key: str) -> Properties:
    """The properties of an object of which only the name is known: its Content-Type, if the extension is known.

    Args:
        key: Key of the object.
    """
    return _by_extension(os.path.splitext(key[key.rfind("/") + 1 :])[1].lower())


@lru_cache(maxsize=512)
def _by_extension(extension: str) -> Properties:
    import mimetypes  # noqa: PLC0415 - only for uploads

    # Not `guess_type`: it reads the tables of the system, which would make the type depend on the machine.
    found = _BYTES if extension in _MODELS else _TYPES.get(extension) or mimetypes.types_map.get(extension)
    return Properties(content_type=found) if found else NO_PROPERTIES
