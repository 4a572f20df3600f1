"""Which checksum an object is verified with, by which side, and what is reported.

`verify=True` compares a checksum wherever the source provides one, and otherwise relies on what the destination has
compared. `"require"` fails if neither side provides a checksum, before the object is published wherever that can be
known. `False` compares sizes only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..contract import Backend
from ..errors import IntegrityError, SignatureError
from ..integrity import checksums
from ..integrity.signed import signed
from ..lane_contract import ByteCount
from ..runtime.disk_threads import DiskThreads
from ..types import Head, KiB, ObjectInfo, Part, Receipt, Verify
from . import continued_read

__all__ = [
    "SIZE_ONLY",
    "Received",
    "Verification",
    "compare_whole",
    "fetch_checksums",
    "read_whole",
    "unverifiable",
    "verify_digest",
    "verify_parts",
]

SIZE_ONLY = "size-only"
"""Reported for an object that was not compared with a checksum."""

# Hashing this many bytes takes 0.3 ms; hashing more would block the event loop.
_MAX_ON_LOOP = 256 * KiB


class Verification:
    """What the caller of a transfer wants verified.

    Args:
        verify: The `verify` argument of the call.
        destination: Where objects are written.
    """

    def __init__(self, verify: Verify, destination: Backend) -> None:
        self.wanted = bool(verify)
        self.required = verify == "require"
        self._destination_compares = destination.capabilities.compares

    def choose_algorithm(self, obj: ObjectInfo) -> str | None:
        """The checksum algorithm to verify an object with that is moved in parts or as a stream; None: no checksum.

        Raises:
            IntegrityError: A checksum is required, the source provides none, and the destination does not compare one.
        """
        if not self.wanted:
            return None
        algorithm = checksums.best(obj.checksums, combinable=False)
        self.before_writing(obj, algorithm)
        return algorithm

    def before_writing(self, obj: ObjectInfo, algorithm: str | None) -> None:
        """Fail if a checksum is required and neither side will compare one.

        Args:
            obj: The source object.
            algorithm: The checksum that it was or will be verified with.
        """
        if self.required and algorithm is None and not self._destination_compares and obj.size != 0:
            raise unverifiable(f"there is no checksum to verify {obj.key!r} with")

    def before_publishing(self, obj: ObjectInfo, algorithm: str | None, receipts: Sequence[Receipt]) -> None:
        """Fail if a checksum is required and the destination has not compared every part."""
        if self.required and algorithm is None and not all(receipt.checksums for receipt in receipts):
            raise unverifiable(f"{obj.key!r} has no checksum, and the destination did not verify its parts")

    def outcome(self, obj: ObjectInfo, algorithm: str | None, stored: ObjectInfo | None) -> str:
        """The checksum algorithm that an object was verified with, at the source or the destination, or `SIZE_ONLY`.

        Raises:
            IntegrityError: A checksum is required and none was compared.
        """
        if not self.wanted:
            return SIZE_ONLY
        compared = algorithm or (checksums.best(stored.checksums, combinable=False) if stored is not None else None)
        if compared is None and self.required and obj.size != 0:
            raise unverifiable(f"{obj.key!r} is stored, but neither side provides a checksum to verify it with")
        return compared or SIZE_ONLY

    def compare_copy(self, obj: ObjectInfo, stored: ObjectInfo) -> str | None:
        """Compare a server-side copy with its source.

        Returns:
            The algorithm of the checksum that both have; None: they have none in common.

        Raises:
            IntegrityError: The checksums differ.
        """
        algorithm = checksums.common(obj.checksums, stored.checksums) if self.wanted else None
        if algorithm is not None and obj.checksums[algorithm] != stored.checksums[algorithm]:
            raise IntegrityError(f"the copy of {obj.key!r} does not match its {algorithm} checksum")
        return algorithm


def verify_digest(
    obj: ObjectInfo, expected: Mapping[str, str], algorithm: str, digest: str, *, retryable: bool = False
) -> None:
    """Compare the digest of the received bytes with the one that the source provides.

    Args:
        obj: The object.
        expected: Algorithm → digest.
        algorithm: The algorithm to compare.
        digest: The digest of the received bytes.
        retryable: Whether the bytes can be read again: they may have been damaged in transit.

    Raises:
        IntegrityError: The digests differ; SignatureError if it is the one that was signed.
    """
    if digest == expected[algorithm]:
        return
    if signed((algorithm,)):
        raise SignatureError(f"the bytes of {obj.key!r} are not those that were signed", retryable=retryable)
    raise IntegrityError(
        f"the bytes of {obj.key!r} do not match its {algorithm} checksum",
        hint="to transfer it unverified: verify=False with download or copy",
        retryable=retryable,
    )


def verify_parts(obj: ObjectInfo, algorithm: str, digests: Sequence[str], parts: Sequence[Part]) -> None:
    """Compare the combined checksum of consecutive parts with that of the whole object; as `verify_digest`."""
    sizes = [part.size for part in parts]
    combined = checksums.combine(algorithm, zip(digests, sizes, strict=True))
    verify_digest(obj, obj.checksums, algorithm, combined)


async def _digest(disk: DiskThreads, algorithm: str, data: memoryview) -> str:
    """The checksum of `data`; a slow one is computed on a thread."""
    if algorithm in checksums.COMBINABLE or len(data) < _MAX_ON_LOOP:
        return checksums.digest(algorithm, data)
    return await disk.run(lambda: checksums.digest(algorithm, data))


async def fetch_checksums(source: Backend, obj: ObjectInfo) -> Mapping[str, str]:
    """The checksums of an object; sends a request if only those of its parts are known to exist."""
    return obj.checksums if obj.checksums or not obj.composite else await source.checksums(obj)


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


async def read_whole(
    disk: DiskThreads,
    source: Backend,
    obj: ObjectInfo,
    buffer: memoryview,
    *,
    verify: bool = True,
    received: Received | None = None,
    counter: ByteCount | None = None,
) -> tuple[str | None, Head]:
    """Read an object of one part and verify it.

    Args:
        disk: Threads that compute slow checksums.
        source: Where the object is.
        obj: The object to read.
        buffer: Memory of the object's size.
        verify: Whether to compare a checksum.
        received: The bytes in `buffer`, if they were received before; then the first call sends no request.
        counter: As in `continued_read.read_whole`.

    Returns:
        The checksum algorithm that was compared (None: the source provides none, or `verify` is False), and the head
        of the reply.

    Raises:
        IntegrityError: The bytes do not match the checksum.
        StorageError: The read failed.
    """
    if received is not None and received.take():
        head = Head(obj.version, obj.size)
    else:
        head = await continued_read.read_whole(source, obj, buffer, counter)
    if not verify:
        return None, head
    if _needs_request(obj, head):
        sums = await fetch_checksums(source, replace(obj, composite=True))
        obj = replace(obj, checksums=sums)
    algorithm, expected = _choose(obj, head)
    if algorithm is not None:
        verify_digest(obj, expected, algorithm, await _digest(disk, algorithm, buffer), retryable=True)
    return algorithm, head


def compare_whole(obj: ObjectInfo, head: Head, data: memoryview) -> str | None:
    """Compare an object that was read, without another request; blocks for slow checksums.

    Args:
        obj: The object.
        head: The head of the reply.
        data: Its bytes.

    Returns:
        The algorithm of the checksum that was compared; None: the source provides none.

    Raises:
        IntegrityError: The bytes do not match, or only a request returns the checksums.
    """
    if _needs_request(obj, head):
        raise unverifiable(f"the checksums of {obj.key!r} are those of its parts")
    algorithm, expected = _choose(obj, head)
    if algorithm is not None:
        verify_digest(obj, expected, algorithm, checksums.digest(algorithm, data), retryable=True)
    return algorithm


def _needs_request(obj: ObjectInfo, head: Head) -> bool:
    """Whether the service returns the checksums of an object only on request: see `Backend.checksums`."""
    return (obj.composite or head.composite) and not obj.checksums and not head.checksums


def _choose(obj: ObjectInfo, head: Head) -> tuple[str | None, Mapping[str, str]]:
    """The checksum to compare, and all that are known."""
    expected = {**obj.checksums, **head.checksums} if obj.checksums else head.checksums
    return checksums.best(expected, combinable=False), expected


def unverifiable(cause: str) -> IntegrityError:
    """The error for an object without a checksum where one is required."""
    return IntegrityError(
        cause, hint='verify=True compares only the size where there is no checksum; verify="require" fails'
    )
