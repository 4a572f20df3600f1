"""The part of the contract about reading: which entries a listing has, and bodies that are read in order.

`contract.py` has the rest, and its rules.
"""

from collections.abc import Callable
from typing import Protocol

from .errors import Skipped, TransportError
from .frozen_dataclass import dataclass
from .types import ObjectInfo

__all__ = ["EVERYTHING", "OnlyInOrder", "Reader", "Walk"]


@dataclass(frozen=True, slots=True)
class Walk:
    """Options for listing a directory tree. Storages without directories ignore them.

    Attributes:
        enter: Called with the key of a directory; returns whether to list its contents. None: list everything.
        on_skip: Called with each skipped entry. None: unreadable directories and loops are errors, and entries that are
            not regular files are skipped silently.
        follow: Follow symbolic links and skip special files. False: list links and special files as objects, in order
            to delete them.
        links: False: skip symbolic links instead of following them.
        readable: Skip files that this process cannot read.
        exclude: Path of a directory to skip as a loop: the destination of a copy. "": none.
    """

    enter: Callable[[str], bool] | None = None
    on_skip: Callable[[Skipped], None] | None = None
    follow: bool = True
    links: bool = True
    readable: bool = False
    exclude: str = ""


EVERYTHING = Walk()


class OnlyInOrder(TransportError):
    """An object cannot be read in the way that its metadata promises, but once, in order, with `Backend.open_read`.

    Args:
        cause: Why.
        obj: The object to read instead: with less metadata, of which nothing is wrong.

    Attributes:
        reason: Why.
    """

    def __init__(self, cause: str, obj: ObjectInfo) -> None:
        super().__init__(f"{cause}, so the object is read once, in order")
        self.reason = cause
        self.obj = obj


class Reader(Protocol):
    """A response body that is read once, sequentially."""

    async def readinto(self, view: memoryview) -> int:
        """Read into `view` and return the number of bytes, which may be fewer than fit; 0 at the end of the body."""
