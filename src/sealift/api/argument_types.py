"""Types of arguments that `Storage` and `AsyncStorage` share."""

import os
from collections.abc import AsyncIterable, Iterable
from typing import Any

__all__ = ["Content", "PatternList", "StrPath", "WritableBuffer"]

StrPath = str | os.PathLike[str]
PatternList = Iterable[str] | str | None
# Writable memory: bytearray, array, numpy array, mmap … (`collections.abc.Buffer` needs Python 3.12).
WritableBuffer = Any
# What `write` stores. A numpy array, an mmap … is an iterable to type checkers, and a buffer to `write`.
Content = bytes | bytearray | memoryview | Iterable[bytes] | AsyncIterable[bytes]
