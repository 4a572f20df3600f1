"""An access token and its lifetime."""

from dataclasses import field

from ...frozen_dataclass import dataclass

__all__ = ["AccessToken"]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An OAuth 2.0 access token.

    Attributes:
        value: Sent as the bearer token.
        lifetime: Seconds from now until it expires.
    """

    value: str = field(repr=False)
    lifetime: float
