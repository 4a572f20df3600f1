"""`Setting`: a value of the configuration, and where it comes from, for people to read."""

from typing import NamedTuple

__all__ = ["Setting"]


class Setting(NamedTuple):
    """A value of the configuration, without secrets.

    Attributes:
        value: The value, as text.
        source: Where it comes from: a variable, a file, "the default" … None: the value says it.

    Example:
        >>> str(Setting("us-east-1", "AWS_REGION"))
        'us-east-1 (AWS_REGION)'
    """

    value: str
    source: str | None = None

    def __str__(self) -> str:
        return self.value if self.source is None else f"{self.value} ({self.source})"
