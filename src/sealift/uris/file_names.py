"""The encoding of file names, which decides the names that Python can open."""

import os
import sys

__all__ = ["encoding_hint", "why_unencodable"]


def why_unencodable(name: str) -> str | None:
    """Return why a path or a name cannot be that of a file, as a clause; None: it can.

    Example:
        >>> why_unencodable("model.bin") is None
        True
    """
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return f"contains a character that is not allowed in file names, which are {sys.getfilesystemencoding()} here"
    return None


def encoding_hint() -> str | None:
    """How to make all names possible; None: they are already in UTF-8."""
    return None if sys.getfilesystemencoding() == "utf-8" else "run Python with PYTHONUTF8=1 or in a UTF-8 locale"
