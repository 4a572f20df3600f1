"""Progress and results of a call."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Event", "EventKind", "OnEvent", "Synced"]

EventKind = Literal["listed", "progress", "resumed", "object", "retry", "deleted", "skipped"]


@dataclass(frozen=True, slots=True)
class Event:
    """Progress of one call, told to its `on_event`.

    Attributes:
        kind: "listed" (an object is to be moved), "progress" (bytes have been stored), "resumed" (so many bytes of the
            "progress" told next were stored by an earlier run), "object" (an object is complete and verified), "retry"
            (a request failed and will be sent again), "deleted" (an object was removed), "skipped" (a file, directory
            or object is left out, or left behind by a deletion).
        key: The object's key where it comes from; of a deleted one, where it was.
        size: Bytes: of the object for "listed" and "object" (0 where unknown), newly stored ones for "progress"
            (less than 0 where a body that can only be read in order is begun again).
        verified: For "object": the checksum that was compared ("sha256/8388608" is a SHA-256 over those of parts of so
            many bytes), or "size-only".
        error: For "retry": what failed.
        delay: For "retry": seconds until the next attempt.
        target: The object's key where it goes to; "" for one that only goes, and for what is skipped at the source.
        dropped: For "object": properties of the source that the copy lacks, such as "Expires", "metadata 'a-b'" or
            "tags", because the destination cannot store them or the source's tags may not be read.
        reason: For "skipped": why.
    """

    kind: EventKind
    key: str
    size: int = 0
    verified: str | None = None
    error: BaseException | None = field(default=None, compare=False)
    delay: float = 0.0
    target: str = ""
    dropped: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Synced:
    """What `sync` has done.

    Attributes:
        copied: Objects that differed.
        kept: Objects that were there already.
        deleted: Objects that only the destination had.
    """

    copied: int
    kept: int
    deleted: int


OnEvent = Callable[[Event], None]
