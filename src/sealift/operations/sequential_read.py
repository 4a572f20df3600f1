"""Reading an object without ranges: from its beginning, once, in order."""

from contextlib import AsyncExitStack

from ..contract import Backend, Reader
from ..errors import StorageError
from ..types import MiB, ObjectInfo

__all__ = ["SequentialRead"]


class SequentialRead:
    """A read of a whole object that can be retried: it begins anew, and skips what was read before.

    Args:
        source: Where the object is.
        obj: The object. Without a version it cannot begin anew after its first byte: it might be another object.

    Example:
        >>> async with aclosing(SequentialRead(source, obj)) as reader:
        ...     count = await retry(lambda: reader.readinto(buffer))
    """

    def __init__(self, source: Backend, obj: ObjectInfo) -> None:
        self._source = source
        self._obj = obj
        self._opened = AsyncExitStack()
        self._reader: Reader | None = None
        self._position = 0

    async def readinto(self, view: memoryview) -> int:
        """Read the next bytes, as `Reader.readinto`; may be called again after a retryable error."""
        try:
            if self._reader is None:
                self._reader = await self._open()
            count = await self._reader.readinto(view)
        except StorageError as error:
            error.retryable = error.retryable and (not self._position or self._obj.version is not None)
            await self.aclose()
            raise
        self._position += count
        return count

    async def _open(self) -> Reader:
        reader = await self._opened.enter_async_context(self._source.open_read(self._obj))
        skipped, scratch = 0, memoryview(bytearray(min(self._position, MiB)))
        while skipped < self._position:
            count = await reader.readinto(scratch[: self._position - skipped])
            if not count:
                break
            skipped += count
        return reader

    async def aclose(self) -> None:
        """Close the response."""
        self._reader = None
        await self._opened.aclose()
