"""What the engine moves: an object, and one whose parts arrive in any order."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

import anyio

from ..contract import Upload
from ..integrity import checksums
from ..types import ObjectInfo, Part, Receipt

__all__ = ["Assembly", "OnStored", "Transfer", "one"]

OnStored = Callable[[ObjectInfo, str, ObjectInfo], None]
"""Called with an object as it was read, the key it was stored under, and what the destination says of it."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One object to move.

    Attributes:
        obj: What to read.
        key: Under which the destination publishes it.
        listed: Whether only a listing has told of it, which may know less than a stat.
    """

    obj: ObjectInfo
    key: str
    listed: bool = False


async def one(transfer: Transfer) -> AsyncGenerator[Transfer]:
    """The transfers of a job that has only one."""
    yield transfer


@dataclass(slots=True)
class Assembly:
    """An object whose parts arrive in any order.

    Attributes:
        transfer: The object.
        parts: It is made of these.
        algorithm: Of the checksum to verify it by, if there is one.
        in_order: Computes it, where it cannot be combined from those of the parts.
        receipts: Of the parts that have landed, by their index.
        digests: Checksums of the parts, where they combine.
        upload: Where they go, once it is open.
        opening: Held by who opens it.
    """

    transfer: Transfer
    parts: list[Part]
    algorithm: str | None
    in_order: checksums.InOrder | None
    receipts: dict[int, Receipt] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)
    upload: Upload | None = None
    opening: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def digest(self) -> str:
        """The checksum of the whole object, when all of its parts have arrived."""
        if self.in_order is not None:
            return self.in_order.digest
        assert self.algorithm is not None  # noqa: S101  # for mypy: asked for only where there is one
        return checksums.combine(self.algorithm, [(self.digests[part.index], part.size) for part in self.parts])
