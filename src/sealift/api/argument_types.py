"""Arguments that `Storage` and `AsyncStorage` share."""

import os
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

from ..errors import InvalidConfig
from ..types import Limits
from ..types.argument_checks import check_choice

__all__ = [
    "Content",
    "PatternList",
    "ReadableBuffer",
    "StrPath",
    "WritableBuffer",
    "check_cache",
    "check_freshness",
    "checked_limits",
]

StrPath = str | os.PathLike[str]
PatternList = Iterable[str] | str | None
# Writable memory: bytearray, array, numpy array, mmap … (`collections.abc.Buffer` needs Python 3.12).
WritableBuffer = Any
# Memory to read from: bytes, bytearray, memoryview, numpy array …
ReadableBuffer = Any
# What `write` stores. A numpy array, an mmap … is an iterable to type checkers, and a buffer to `write`.
Content = bytes | bytearray | memoryview | Iterable[bytes] | AsyncIterable[bytes]


def checked_limits(limits: Limits | None, environ: Mapping[str, str]) -> Limits:
    """Return limits that were given, or else those of an environment.

    Raises:
        InvalidConfig: They are not `Limits`, or an environment variable cannot be used.
    """
    if limits is None:
        return Limits.from_env(environ)
    if not isinstance(limits, Limits):
        raise InvalidConfig(
            f"{type(limits).__name__} is not Limits", hint="pass Limits(…), and a configuration as config="
        )
    return limits


def check_cache(cache: object) -> None:
    """Raise InvalidConfig if `cache` is neither a bool nor None."""
    check_choice("cache", cache, True, False, None)


def check_freshness(revalidate: Any, offline: object) -> None:
    """Check when a call asks the service for the current version.

    Raises:
        InvalidConfig: `revalidate` is neither a number of seconds nor one of the words, or `offline` is neither a bool
            nor None.
    """
    check_choice("offline", offline, True, False, None)
    if isinstance(revalidate, str) and revalidate in {"always", "never"}:
        return
    if isinstance(revalidate, bool | str) or not isinstance(revalidate, int | float) or not revalidate >= 0:
        raise InvalidConfig(f"revalidate={revalidate!r} is not 'always', 'never' or a number of seconds")
