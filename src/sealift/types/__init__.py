"""Immutable value types shared by all layers. No I/O."""

from .events import Event, EventKind, OnEvent, Synced
from .limits import Limits
from .objects import Capabilities, Head, ObjectInfo, Part, Receipt
from .options import Durability, Unpack, Verify
from .sizes import GiB, KiB, MiB

__all__ = [
    "Capabilities",
    "Durability",
    "Event",
    "EventKind",
    "GiB",
    "Head",
    "KiB",
    "Limits",
    "MiB",
    "ObjectInfo",
    "OnEvent",
    "Part",
    "Receipt",
    "Synced",
    "Unpack",
    "Verify",
]
