"""The part of the contract that stores an object in parts: `Upload`. `contract.py` has the rest, and its rules."""

from collections.abc import Sequence
from typing import Protocol

from .errors import UnsupportedOperation
from .lane_contract import ByteCount, FileRange
from .types import ObjectInfo, Part, Receipt

__all__ = ["Upload"]


class Upload(Protocol):
    """A multi-part upload. The object becomes visible when `complete` returns.

    Derive from this class: its methods suit uploads that cannot outlive the process.
    """

    token: str
    """Identifies this upload to `Backend.open_upload(resume=…)` in a later process; "" if it cannot be resumed.

    Saved to a file, so it must not contain a secret.
    """

    stored: int = 0
    """Bytes of the parts that an earlier process has stored, if this upload resumes one."""

    writes_ranges: bool = False
    """Whether parts are ranges of a file, so that `file_range` replaces `write_part`."""

    def file_range(self, part: Part, piece: memoryview, algorithm: str | None) -> FileRange:  # noqa: ARG002
        """Return a part as a sink, so that its bytes need not pass through a buffer of its size.

        Args:
            part: The part.
            piece: Memory that the sink may use, at most as long as the part.
            algorithm: Checksum to compute, one that combines; None: none.
        """
        raise UnsupportedOperation("the parts of this upload are not ranges of a file")

    async def recall_range(self, part: Part, sink: FileRange) -> bool:  # noqa: ARG002 - used by overrides
        """Advance a sink over the bytes of its part that an earlier process has written; whether there are any."""
        return False

    async def write_part(self, part: Part, data: memoryview, sent: ByteCount | None = None) -> Receipt:
        """Store one part, replacing any earlier part of the same index.

        When an upload is resumed, a part that the service already stores with the same checksum is not sent again
        (`Receipt.reused`).

        Args:
            part: Index and offset of the part within the object.
            data: The bytes of the part, `part.size` of them.
            sent: Counts the bytes while they are sent, for progress events, if `Capabilities.counts_sent`.
        """

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        """Publish the object atomically. May be called again if the outcome of an earlier call is unknown.

        Args:
            receipts: The receipts of all parts, in order.

        Returns:
            As `Backend.put`.
        """

    async def abort(self) -> None:
        """Delete the stored parts. May be called in any state, and again."""

    async def recall(self, part: Part, into: memoryview) -> bool:  # noqa: ARG002 - used by overrides
        """Read a part stored by an earlier process into `into`. Returns False if it is missing or damaged."""
        return False

    def holds(self, receipt: Receipt) -> bool:  # noqa: ARG002 - used by overrides
        """Whether the service still has the part that an earlier process has stored with this receipt."""
        return False

    async def suspend(self) -> None:
        """Close the upload without completing it; keep its parts if a later process can resume it."""
        await self.abort()
