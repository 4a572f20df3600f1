"""Progress events and results of calls."""

from collections.abc import Callable
from dataclasses import field
from typing import Literal

from ..frozen_dataclass import dataclass

__all__ = ["Event", "EventKind", "OnEvent", "Synced"]

EventKind = Literal[
    "listed", "progress", "resumed", "suspended", "object", "kept", "retry", "paused", "deleted", "skipped", "cache"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """Progress of one call, passed to its `on_event` callback.

    Attributes:
        kind: "listed" (an object will be transferred), "progress" (bytes have moved: several times a second; between
            two services, a byte counts half when it is received), "resumed" (so many bytes of the following "progress"
            events were stored by an earlier run), "suspended" (an upload failed or was cancelled; so many of its bytes
            are stored, and the same call resumes it), "object" (an object is complete and verified), "kept" (the
            destination has an object of this name, and `existing="skip"` was given), "retry" (a request failed and will
            be retried), "paused" (a host asked for fewer requests, so none are sent to it for a while), "deleted" (an
            object was deleted), "skipped" (a file, directory or object was skipped, or not deleted), "cache" (the cache
            was asked; `reason` is the answer).
        key: Key of the object at the source; for "deleted", the key that was deleted; for "cache", a URI; "" for
            "paused", and for the retry of a request that belongs to no single object, such as a listing.
        size: Bytes: the object's size for "listed", "object" and "kept" (0 if unknown); for "progress", those that have
            moved since the last event (negative if some have to be moved again; for a complete object, the sum is its
            size); for "cache", those of all files.
        verified: For "object": the checksum algorithm that was compared ("sha256/8388608" is a SHA-256 over the SHA-256
            hashes of 8388608-byte parts), or "size-only".
        error: For "retry" and "paused": the error; `StorageError.host` is the host. For "skipped": the error of an
            object that could not be copied or deleted.
        delay: For "retry" and "paused": seconds until the next attempt.
        target: Key of the object at the destination; "" for deletions and for objects skipped at the source.
        dropped: For "object": properties of the source that were not copied, such as "Expires", "metadata 'a-b'" or
            "tags", because the destination cannot store them or the tags could not be read.
        reason: For "skipped": the reason. For "cache": "hit" (everything was there), "miss" (this call has downloaded
            what was missing), "waited" (another call has), "taken over" (this call has continued the download of a
            process that had ended), or "evicted" (the files of the URI `key` were removed to make room).
        call: The URI or path that the call reads, or deletes; several calls may share one callback.
        total: Bytes of all objects that the call transfers, as far as their sizes are known; None until all are listed.
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
    call: str = field(default="", compare=False)
    total: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Synced:
    """The result of `sync`, in numbers of objects.

    Attributes:
        copied: Copied because they were missing at the destination or differed.
        kept: Already up to date.
        deleted: Deleted because they existed only at the destination.
    """

    copied: int
    kept: int
    deleted: int


OnEvent = Callable[[Event], None]
