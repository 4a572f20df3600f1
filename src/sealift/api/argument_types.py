"""Types of arguments that `Storage` and `AsyncStorage` share."""

import os
from collections.abc import Iterable
from typing import Any

__all__ = ["PatternList", "ReadableBuffer", "StrPath", "WritableBuffer"]

StrPath = str | os.PathLike[str]
PatternList = Iterable[str] | str | None
# Writable memory: bytearray, array, numpy array, mmap … (`collections.abc.Buffer` needs Python 3.12).
WritableBuffer = Any
# Memory to read from: bytes, bytearray, memoryview, numpy array …
ReadableBuffer = Any
