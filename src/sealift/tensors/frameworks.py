"""Tensors of numpy and torch: made of received bytes without a copy, or given by the caller to be filled.

Neither library is imported before a call needs it; torch never, unless the caller asks for it or passes its tensors.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, Protocol

from ..errors import InvalidConfig
from .dtypes import ML_DTYPES, NUMPY, TORCH, is_packed
from .selection import Selected
from .shown import shown

__all__ = ["Framework", "FrameworkName", "NumpyFramework", "TorchFramework", "bytes_of", "framework"]

FrameworkName = Literal["numpy", "torch"]


class Framework(Protocol):
    """Makes tensors of received bytes."""

    def check(self, dtype: str) -> None:
        """Raise InvalidConfig if it has no such type.

        Args:
            dtype: A type of safetensors.
        """

    def tensor(self, data: Any, selected: Selected) -> Any:
        """A tensor that shares the memory of its bytes.

        Args:
            data: The bytes: a flat array of uint8, or with a GPU a flat tensor of uint8.
            selected: What they are.
        """


def framework(name: str, device: str, current: int = 0) -> Framework:
    """The framework of a name.

    Args:
        name: "numpy" or "torch".
        device: Where the tensors are to be: "cpu", or for torch "cuda" or "cuda:1".
        current: Number of the GPU that "cuda" is.

    Raises:
        InvalidConfig: There is no such framework or device, or it is not installed.
    """
    if name not in {"numpy", "torch"}:
        raise InvalidConfig(f"framework={name!r} is not 'numpy' or 'torch'")
    numpy = _imported("numpy")  # torch needs it to share memory
    if name == "torch":
        return TorchFramework(_imported("torch"), device, current)
    if device != "cpu":
        raise InvalidConfig(f"numpy has no device {device!r}", hint="only torch has devices")
    return NumpyFramework(numpy)


def _imported(name: str) -> ModuleType:
    try:
        return __import__(name)
    except ImportError:
        package = "sealift[tensors]" if name == "numpy" else name
        raise InvalidConfig(f"{name} is not installed", hint=f"python -m pip install '{package}'") from None


class NumpyFramework:
    """Arrays of numpy. Types that only ml_dtypes has are unsigned integers of the same size without it.

    Args:
        numpy: The module.
    """

    def __init__(self, numpy: Any) -> None:
        self._numpy = numpy
        self._ml_dtypes: ModuleType | None = None
        with suppress(ImportError):  # optional
            self._ml_dtypes = import_module("ml_dtypes")

    def check(self, dtype: str) -> None:
        """Numpy has an integer for each type."""

    def dtype(self, name: str) -> Any:
        """Numpy's type for a type of safetensors."""
        if name in NUMPY:
            return self._numpy.dtype(NUMPY[name]).newbyteorder("<")
        found = getattr(self._ml_dtypes, ML_DTYPES.get(name, ""), None)
        return self.raw_dtype(name) if found is None else self._numpy.dtype(found)

    def raw_dtype(self, name: str) -> Any:
        """The unsigned integer of the size of an element."""
        return self._numpy.dtype("<u2" if name == "BF16" else "u1")

    def tensor(self, data: Any, selected: Selected) -> Any:
        return data if is_packed(selected.meta.dtype) else self.typed(data, selected.meta.dtype, selected.shape)

    def typed(self, data: Any, dtype: str, shape: Sequence[int]) -> Any:
        """View bytes as an array."""
        return data.view(self.dtype(dtype)).reshape(shape)


class TorchFramework:
    """Tensors of torch.

    Args:
        torch: The module.
        device: As in `framework`.
        current: As in `framework`.

    Attributes:
        device: The device, as torch calls it; a GPU with its number.

    Raises:
        InvalidConfig: There is no such device.
    """

    def __init__(self, torch: Any, device: str, current: int = 0) -> None:
        self._torch = torch
        try:
            self.device = torch.device(device)
        except RuntimeError as error:
            raise InvalidConfig(f"torch has no device {device!r}: {error}") from None
        if self.device.type == "cuda" and self.device.index is None:
            self.device = torch.device("cuda", current)
        count = torch.cuda.device_count() if self.device.type == "cuda" else 0
        if self.device.type != "cpu" and self.device.index not in range(count):
            raise InvalidConfig(
                f"there is no device {device!r} here",
                hint=f'"cpu", or "cuda" where torch finds a GPU: it finds {count}',
            )

    def check(self, dtype: str) -> None:
        if not is_packed(dtype):
            self.dtype(dtype)

    def dtype(self, name: str) -> Any:
        """Torch's type for a type of safetensors.

        Raises:
            InvalidConfig: This version of torch has none.
        """
        found = getattr(self._torch, TORCH[name], None)
        if found is None:
            raise InvalidConfig(f"this version of torch has no type for {name}", hint="update torch")
        return found

    def tensor(self, data: Any, selected: Selected) -> Any:
        flat = data if isinstance(data, self._torch.Tensor) else self._torch.from_numpy(data)
        if is_packed(selected.meta.dtype):
            return flat
        dtype = self.dtype(selected.meta.dtype)
        if not selected.nbytes:
            return self._torch.empty(selected.shape, dtype=dtype, device=self.device)
        return flat.view(dtype).reshape(selected.shape)


def bytes_of(given: Any, selected: Selected) -> Any:
    """The memory of a caller's tensor, as a flat array or tensor of uint8; nothing is copied.

    Args:
        given: An array of numpy, a tensor or parameter of torch, or any writable, contiguous buffer.
        selected: What it is to be filled with.

    Raises:
        InvalidConfig: It has another shape, type or size, or is not contiguous or read-only.
    """
    import numpy as np  # noqa: PLC0415 - see above

    torch = sys.modules.get("torch")
    if torch is not None and isinstance(given, torch.Tensor):
        return _bytes_of_torch(torch, given, selected)
    name = selected.meta.name
    packed = is_packed(selected.meta.dtype)
    if isinstance(given, np.ndarray) and not packed:
        known = NumpyFramework(np)
        allowed = {known.dtype(selected.meta.dtype)}
        if selected.meta.dtype not in NUMPY:
            allowed.add(known.raw_dtype(selected.meta.dtype))
        _check(name, given.shape, selected.shape, given.dtype, allowed)
    try:
        if isinstance(given, np.ndarray):  # ml_dtypes has no buffers: only as bytes, which a scalar has not
            given = (given if given.shape else given.reshape(1)).view(np.uint8)
        view = memoryview(given)
    except (TypeError, ValueError):
        raise InvalidConfig(
            f"the destination of the tensor {shown(name)} is not contiguous, or has no buffer",
            hint="pass a numpy array, a torch tensor, or writable memory",
        ) from None
    if view.readonly or not view.c_contiguous or view.nbytes != selected.nbytes:
        raise InvalidConfig(
            f"the destination of the tensor {shown(name)} is read-only, not contiguous, or has {view.nbytes} bytes "
            f"instead of {selected.nbytes}"
        )
    return np.frombuffer(view.cast("B") if view.nbytes else b"", np.uint8)


def _bytes_of_torch(torch: Any, given: Any, selected: Selected) -> Any:
    name = selected.meta.name
    if not is_packed(selected.meta.dtype):
        allowed = {TorchFramework(torch, "cpu").dtype(selected.meta.dtype)}
        _check(name, tuple(given.shape), selected.shape, given.dtype, allowed)
    elif given.nbytes != selected.nbytes:
        raise InvalidConfig(
            f"the destination of the tensor {shown(name)} has {given.nbytes} bytes, not {selected.nbytes}"
        )
    if not given.is_contiguous() or given.device.type not in {"cpu", "cuda"}:
        raise InvalidConfig(
            f"the destination of the tensor {shown(name)} is not contiguous, or on the device {given.device}",
            hint="load the tensor, and copy it there: parameter.copy_(tensor)",
        )
    flat = given.detach().reshape(-1).view(torch.uint8)
    return flat if given.device.type == "cuda" else flat.numpy()


def _check(name: str, shape: Sequence[int], expected: Sequence[int], dtype: Any, allowed: set[Any]) -> None:
    if tuple(shape) != tuple(expected):
        raise InvalidConfig(f"the destination of the tensor {shown(name)} has the shape {tuple(shape)}, not {expected}")
    if dtype not in allowed:
        types = " or ".join(sorted(map(str, allowed)))
        raise InvalidConfig(f"the destination of the tensor {shown(name)} has the type {dtype}, not {types}")
