"""Format byte sizes and counts."""

__all__ = ["count", "size"]


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
