"""What events say about the cache."""

from typing import Literal

from ..types import Event, OnEvent

__all__ = ["Outcome", "report_hit", "report_outcome"]

Outcome = Literal["hit", "miss", "waited", "taken over", "evicted"]


def report_outcome(outcome: Outcome, uri: str, size: int, on_event: OnEvent | None) -> None:
    """Report an event of the kind "cache".

    Args:
        outcome: What has happened.
        uri: The URI that was found, or evicted.
        size: Bytes of its files.
        on_event: Receives the event.
    """
    if on_event is not None:
        on_event(Event("cache", uri, size, reason=outcome))


def report_hit(uri: str, size: int, on_event: OnEvent | None) -> None:
    """Report the bytes of a snapshot that is complete, in one event of each kind, so that the sums are exact."""
    if on_event is not None:
        for kind in ("listed", "resumed", "progress"):
            on_event(Event(kind, uri, size, total=size))
