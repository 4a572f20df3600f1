"""The unit of work that operations hand to a job."""

from collections.abc import AsyncGenerator, Callable

from ..errors import StorageError
from ..frozen_dataclass import dataclass
from ..types import ObjectInfo

__all__ = ["OnFailure", "OnStored", "Transfer", "one"]

OnStored = Callable[[ObjectInfo, str, ObjectInfo], None]
"""Called with an object as it was read, the key it was stored under, and what the destination returned for it."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One object to move.

    Attributes:
        obj: The object to read.
        key: The key to publish it under at the destination.
        listed: Whether `obj` comes from a listing, which may return less than a stat.
    """

    obj: ObjectInfo
    key: str
    listed: bool = False


OnFailure = Callable[[Transfer, StorageError], None]
"""Called with an object that could not be moved. The job continues with the others unless this raises."""


async def one(transfer: Transfer) -> AsyncGenerator[Transfer]:
    """Yield the transfer of a job that has only one."""
    yield transfer
