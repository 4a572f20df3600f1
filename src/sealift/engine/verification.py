"""Whether an object is compared with a checksum, by whom, and what is said of it.

`True` compares wherever the source tells a checksum, else takes what the destination has compared; `"require"` refuses
an object that neither vouches for, before it is published wherever that can be known; `False` compares nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..contract import Backend
from ..errors import IntegrityError
from ..integrity import checksums
from ..runtime.disk_threads import DiskThreads
from ..types import Head, KiB, ObjectInfo, Receipt, Verify

__all__ = ["Verification", "check", "digest_of", "read_whole", "told_of", "unverified"]

_UNCHECKED = "size-only"
# A hash needs 0.3 ms for as many bytes; of more it would hold the loop up.
_LONG = 256 * KiB


class Verification:
    """What a caller wants, at one destination.

    Args:
        wanted: As the verbs take it.
        destination: Where objects go.
    """

    def __init__(self, wanted: Verify, destination: Backend) -> None:
        self.wanted = bool(wanted)
        self.required = wanted == "require"
        self._compares = destination.capabilities.compares

    def algorithm(self, obj: ObjectInfo) -> str | None:
        """The one to verify an object by whose parts arrive in any order, or that comes in one stream.

        Raises:
            IntegrityError: There is none, one is required, and the destination will not compare either.
        """
        if not self.wanted:
            return None
        found = checksums.best(obj.checksums, combinable=False)
        self.before_writing(obj, found)
        return found

    def before_writing(self, obj: ObjectInfo, algorithm: str | None) -> None:
        """Refuse what cannot be verified any more.

        Args:
            obj: Of the source.
            algorithm: By which it was or will be verified.
        """
        if self.required and algorithm is None and not self._compares and obj.size != 0:
            raise unverified(f"there is no checksum to verify {obj.key!r} by")

    def before_publishing(self, obj: ObjectInfo, algorithm: str | None, receipts: Sequence[Receipt]) -> None:
        """Refuse an object whose parts nobody has compared."""
        if self.required and algorithm is None and not all(receipt.checksums for receipt in receipts):
            raise unverified(f"there is no checksum of {obj.key!r}, and its parts were not compared with any")

    def outcome(self, obj: ObjectInfo, algorithm: str | None, stored: ObjectInfo | None) -> str:
        """What an object was verified by: what its source told, else what its destination has compared.

        Raises:
            IntegrityError: Nothing, and it is required.
        """
        if not self.wanted:
            return _UNCHECKED
        told = algorithm or (checksums.best(stored.checksums, combinable=False) if stored is not None else None)
        if told is None and self.required and obj.size != 0:
            raise unverified(f"{obj.key!r} is stored, but neither side told a checksum to verify it by")
        return told or _UNCHECKED

    def of_copy(self, obj: ObjectInfo, stored: ObjectInfo) -> str | None:
        """The checksum that a copy by the service has in common with its source; None: none was told of both.

        Raises:
            IntegrityError: They are not equal.
        """
        algorithm = checksums.common(obj.checksums, stored.checksums) if self.wanted else None
        if algorithm is not None and obj.checksums[algorithm] != stored.checksums[algorithm]:
            raise IntegrityError(f"the copy of {obj.key!r} does not have its {algorithm} checksum")
        return algorithm


def check(obj: ObjectInfo, told: Mapping[str, str], algorithm: str, digest: str, *, retryable: bool = False) -> None:
    """Compare what has arrived with what the source told.

    Args:
        obj: Which.
        told: Algorithm → digest.
        algorithm: One of them.
        digest: Of the bytes that have arrived.
        retryable: Whether they can be read again: they may have been damaged on the way.

    Raises:
        IntegrityError: They are other bytes than those that were stored.
    """
    if digest != told[algorithm]:
        raise IntegrityError(
            f"the bytes of {obj.key!r} do not have its {algorithm} checksum",
            hint="download and copy with verify=False take it as it comes",
            retryable=retryable,
        )


async def digest_of(disk: DiskThreads, algorithm: str, data: memoryview) -> str:
    """The checksum of some bytes; what takes long is computed beside the loop."""
    if algorithm in checksums.COMBINABLE or len(data) < _LONG:
        return checksums.digest(algorithm, data)
    return await disk.run(lambda: checksums.digest(algorithm, data))


async def told_of(source: Backend, obj: ObjectInfo) -> Mapping[str, str]:
    """The checksums of an object, where only those of its parts were told by a request more."""
    return obj.checksums if obj.checksums or not obj.composite else await source.checksums(obj)


async def read_whole(
    disk: DiskThreads, source: Backend, obj: ObjectInfo, buffer: memoryview, *, verify: bool = True
) -> tuple[str | None, Head]:
    """Read an object of one part, and verify it.

    Args:
        disk: Computes checksums that take long.
        source: Where it is.
        obj: What to read.
        buffer: Of the object's size.
        verify: Whether to compare it with a checksum.

    Returns:
        The checksum that was compared, None if the source told none or none is wanted; and the head of the reply.

    Raises:
        IntegrityError: The bytes are others than those that were stored.
        StorageError: Any other failure.
    """
    head = await source.read_range(obj, 0, buffer)
    if not verify:
        return None, head
    told = {**obj.checksums, **head.checksums}
    if not told:
        told = {**await told_of(source, replace(obj, composite=obj.composite or head.composite))}
    algorithm = checksums.best(told, combinable=False)
    if algorithm is not None:
        check(obj, told, algorithm, await digest_of(disk, algorithm, buffer), retryable=True)
    return algorithm, head


def unverified(cause: str) -> IntegrityError:
    """The refusal of an object that nothing vouches for."""
    return IntegrityError(cause, hint='verify=True takes what has no checksum by its size; "require" refuses it')
