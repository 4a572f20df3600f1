"""Parse and format byte sizes and counts."""

import re

__all__ = ["count", "parse_size", "size"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?", re.IGNORECASE)
_PREFIXES = "kmgt"


def parse_size(text: str) -> int:
    """Parse a byte size: "64MiB", "1.5 GB", "512M" (decimal), "4096".

    Raises:
        ValueError: The text is not a byte size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size in bytes, such as 64MiB")
    number, prefix, binary = match.groups()
    power = _PREFIXES.index(prefix.lower()) + 1 if prefix else 0
    unit: int = (1024 if binary else 1000) ** power
    return round(float(number) * unit)


def size(amount: float) -> str:
    """Format a byte size with decimal units, such as "120.3 MB"."""
    if amount < 1000:
        return f"{amount:.0f} B"
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:.1f} TB"


def count(number: int, noun: str) -> str:
    """Format a number with its noun, such as "1 object" or "2,000 objects"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
