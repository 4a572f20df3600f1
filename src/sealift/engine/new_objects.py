"""Write objects that must not replace any, and recognize those that an earlier attempt of this job has stored.

If the reply to a write is lost, the object may be stored nevertheless. The next attempt then finds that it exists.
"""

from collections.abc import Awaitable, Callable, Sequence

from ..contract import Backend
from ..errors import ObjectExists, StorageError
from ..integrity import checksums
from ..types import ObjectInfo, Receipt

__all__ = ["NewObjects", "digest_of_parts"]


class NewObjects:
    """The objects that one job writes.

    Args:
        destination: Where they are written.
    """

    def __init__(self, destination: Backend) -> None:
        self._destination = destination
        self._unanswered: set[str] = set()

    def unanswered(self, key: str) -> None:
        """Record that a write has failed, although the object may be stored."""
        self._unanswered.add(key)

    async def write(
        self, key: str, write: Callable[[], Awaitable[ObjectInfo]], size: int, digest: Callable[[str], str | None]
    ) -> ObjectInfo:
        """Write an object.

        Args:
            key: Its key.
            write: Stores it, and raises ObjectExists if there is one.
            size: Its size in bytes.
            digest: Computes a checksum of it, given the algorithm; None: it cannot.

        Raises:
            ObjectExists: There was an object of this key before the first attempt.
        """
        try:
            stored = await write()
        except ObjectExists:
            if key not in self._unanswered:
                raise
            stored = await self._destination.stat(key)
            same = [digest(name) == value for name, value in stored.checksums.items() if digest(name) is not None]
            if stored.size != size or not same or not all(same):
                raise
        except StorageError as error:
            if error.retryable:
                self.unanswered(key)
            raise
        self._unanswered.discard(key)
        return stored


def digest_of_parts(receipts: Sequence[Receipt], algorithm: str) -> str | None:
    """The checksum of an object, from those of its parts; None: it cannot be combined."""
    if algorithm not in checksums.COMBINABLE or any(algorithm not in receipt.checksums for receipt in receipts):
        return None
    return checksums.combine(algorithm, [(receipt.checksums[algorithm], receipt.part.size) for receipt in receipts])
