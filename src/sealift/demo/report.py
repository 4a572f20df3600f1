"""How the demo speaks."""

__all__ = ["DemoError", "megabytes", "say"]


class DemoError(RuntimeError):
    """The demo cannot run here, or what it moved is not what it had put there."""


def say(label: str, text: str) -> None:
    """Print a line of the report at once."""
    print(f"{label:<9} {text}", flush=True)


def megabytes(amount: int) -> str:
    """A number of bytes, such as "256 MB" (a million bytes each)."""
    return f"{amount / 1e6:,.0f} MB"
