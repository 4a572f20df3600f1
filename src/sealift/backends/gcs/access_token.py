"""What whoever signs in is given."""

from dataclasses import dataclass, field

__all__ = ["Grant"]


@dataclass(frozen=True, slots=True)
class Grant:
    """A token, and for how many seconds from now it is good."""

    token: str = field(repr=False)
    seconds: float
