"""Parse byte sizes."""

import re

__all__ = ["parse_size"]

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
