"""Parse byte sizes as people write them, in options and environment variables."""

import re

__all__ = ["format_size", "parse_size"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?", re.IGNORECASE)
_PREFIXES = "kmgt"


def parse_size(text: str) -> int:
    """Parse a byte size: "64MiB", "1.5 GB", "512M" (decimal), "4096".

    Raises:
        ValueError: The text is not a byte size.

    Example:
        >>> parse_size("64MiB"), parse_size("1.5 GB")
        (67108864, 1500000000)
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size in bytes, such as 64MiB")
    number, prefix, binary = match.groups()
    power = _PREFIXES.index(prefix.lower()) + 1 if prefix else 0
    unit: int = (1024 if binary else 1000) ** power
    return round(float(number) * unit)


def format_size(size: int) -> str:
    """Write a byte size so that `parse_size` reads the same number.

    Example:
        >>> format_size(67108864), format_size(1500)
        ('64MiB', '1500B')
    """
    for power, prefix in reversed(list(enumerate(_PREFIXES, 1))):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{prefix.upper()}iB"
    return f"{size}B"
