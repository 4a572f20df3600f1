"""Escape control characters in text for a terminal: names of objects may contain terminal escape sequences."""

import sys

__all__ = ["for_stdout", "printable", "visible"]


def printable(text: str) -> str:
    """Return a message as one line, with control characters escaped, and line breaks as spaces."""
    return visible(text.translate({ord(space): " " for space in "\r\n\t"}))


def visible(text: str) -> str:
    r"""Return text as one line, with control characters and line breaks escaped.

    Example:
        >>> visible("a\x1b[31m\n")
        'a\\x1b[31m\\n'
    """
    return text if text.isprintable() else "".join(each if each.isprintable() else _escaped(each) for each in text)


def for_stdout(text: str) -> str:
    """Return text as it is written to stdout: as it is to a file or a pipe, and escaped on a terminal."""
    return visible(text) if sys.stdout is not None and sys.stdout.isatty() else text


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode()
