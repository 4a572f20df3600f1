"""The unit of work that operations hand to a job."""

from collections.abc import AsyncGenerator, Callable

from ..frozen_dataclass import dataclass
from ..types import ObjectInfo

__all__ = ["OnStored", "Received", "Transfer", "one"]

OnStored = Callable[[ObjectInfo, str, ObjectInfo], None]
"""Called with an object as it was read, the key it was stored under, and what the destination returned for it."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One object to move.

    Attributes:
        obj: The object to read.
        key: The key to publish it under at the destination.
        listed: Whether `obj` comes from a listing, which may return less than a stat.
        received: The bytes of the object, if it was read when it was found.
    """

    obj: ObjectInfo
    key: str
    listed: bool = False
    received: "Received | None" = None


class Received:
    """The bytes of a whole object that was read when it was found; not verified yet.

    Args:
        data: The bytes. If they turn out to be damaged, the object is read again into this memory.
    """

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self._taken = False

    def take(self) -> bool:
        """Whether the bytes can be used: True once."""
        taken, self._taken = self._taken, True
        return not taken


async def one(transfer: Transfer) -> AsyncGenerator[Transfer]:
    """Yield the transfer of a job that has only one."""
    yield transfer
