"""Immutable value types shared by all layers. No I/O."""

from .events import Event, EventKind, OnEvent, Synced
from .limits import Limits
from .objects import Capabilities, Head, ObjectInfo, Part, Receipt
from .options import Durability, Existing, OnError, Revalidate, Symlinks, Unpack, Verify
from .sizes import GiB, KiB, MiB

__all__ = [
    "Capabilities",
    "Durability",
    "Event",
    "EventKind",
    "Existing",
    "GiB",
    "Head",
    "KiB",
    "Limits",
    "MiB",
    "ObjectInfo",
    "OnError",
    "OnEvent",
    "Part",
    "Receipt",
    "Revalidate",
    "Symlinks",
    "Synced",
    "Unpack",
    "Verify",
]
