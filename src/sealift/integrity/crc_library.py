"""The CRC functions of awscrt, without the start of awscrt.

`import awscrt` seeds the random number generator of its TLS library from the jitter of the CPU, and holds the
interpreter lock meanwhile: all threads of the host program stop for 35 to 55 ms (`python -m bench.lock_holds`). The CRC
functions need nothing of that, so ctypes calls them in the library file. If that fails, awscrt is imported.
"""

import os
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

__all__ = ["CRCFunctions", "load"]

Crc = Callable[[memoryview | bytes, int], int]
Combine = Callable[[int, int, int], int]
# Algorithm → (CRC of a buffer that continues a previous CRC, CRC of two consecutive pieces).
CRCFunctions = dict[str, tuple[Crc, Combine]]

_ALGORITHMS = ("crc32", "crc32c", "crc64nvme")


@cache
def load() -> CRCFunctions:
    """Load the functions: in some milliseconds, during which other threads run."""
    if "_awscrt" in sys.modules:
        return _from_module()
    try:
        return _from_file()
    except (ImportError, OSError, AttributeError):  # no ctypes, no such file, or the file hides the functions
        return _from_module()


def _from_module() -> CRCFunctions:
    from awscrt import checksums  # noqa: PLC0415 - see above

    return {name: (getattr(checksums, name), getattr(checksums, f"combine_{name}")) for name in _ALGORITHMS}


def _from_file() -> CRCFunctions:
    import ctypes  # noqa: PLC0415 - 4 ms

    spec = find_spec("_awscrt")
    if spec is None or spec.origin is None:
        raise ImportError("there is no file of awscrt")
    # Unlike the constructor of PyDLL, a function called by ctypes runs without the interpreter lock.
    open_library = ctypes.CDLL(None).dlopen
    open_library.restype = ctypes.c_void_p
    open_library(os.fsencode(spec.origin), os.RTLD_NOW)
    library = ctypes.PyDLL(spec.origin)

    def function(name: str) -> Callable[..., Any]:
        # As in a table of methods: (module, tuple of arguments) → result. It releases the lock for large buffers.
        call = library[f"aws_py_checksums_{name}"]
        call.argtypes = [ctypes.py_object, ctypes.py_object]
        call.restype = ctypes.py_object
        return lambda *arguments: call(None, arguments)

    return {name: (function(name), function(f"{name}_combine")) for name in _ALGORITHMS}
