"""Arguments that `Storage` and `AsyncStorage` share."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InvalidConfig
from ..types import Limits

__all__ = ["PatternList", "StrPath", "WritableBuffer", "checked_limits"]

StrPath = str | os.PathLike[str]
PatternList = Iterable[str] | str | None
# Writable memory: bytearray, array, numpy array, mmap … (`collections.abc.Buffer` needs Python 3.12).
WritableBuffer = Any


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
