"""The output and the errors of the demo."""

__all__ = ["DemoError", "megabytes", "print_line"]


class DemoError(RuntimeError):
    """The demo cannot run here, or the downloaded files differ from the uploaded ones."""


def print_line(label: str, text: str) -> None:
    """Print a line of the report."""
    print(f"{label:<9} {text}", flush=True)


def megabytes(amount: int) -> str:
    """Format a number of bytes in megabytes, such as "256 MB"."""
    return f"{amount / 1e6:,.0f} MB"
