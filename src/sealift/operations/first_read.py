"""Find an object, and read it, or its last bytes, with the same request if they are few."""

from ..contract import Backend, Reader
from ..engine.verification import Received
from ..errors import AccessDenied, ModelMissingError, StorageError, TransportError
from ..types import ObjectInfo
from ..wire import fill_buffer

__all__ = ["FirstRead"]


class FirstRead:
    """A replacement for `Backend.stat` that also keeps the bytes of a small object, or the last bytes of any object.

    The request for a whole object has no range: with one, some services return no checksum, and for an empty object
    they return an error. The body of a larger object is not received: its connection is closed.

    Args:
        source: Where the object is.
        most: Bytes up to which an object is small.
        last: Read only so many bytes at the end, or all of a shorter object. None: read all.

    Attributes:
        received: The bytes; None: they were not received.
    """

    def __init__(self, source: Backend, most: int, last: int | None = None) -> None:
        self._source = source
        self._most = most
        self._last = last
        self.received: Received | None = None

    async def stat(self, key: str) -> ObjectInfo:
        """Find an object; see `Backend.stat`."""
        self.received = None
        opening = self._source.find_and_read(key, self._last)
        if opening is None:
            return await self._source.stat(key)
        try:
            async with opening as (obj, reader):
                if obj.version is not None:
                    size = obj.size if self._last is None or obj.size is None else min(obj.size, self._last)
                    if size and size <= self._most:
                        buffer = memoryview(bytearray(size))
                        if await _fill(buffer, reader):
                            self.received = Received(buffer)
                    return obj
        except StorageError as error:
            if self._last is None or isinstance(error, AccessDenied | ModelMissingError):
                raise
            # An empty object has no last bytes, and not every server knows ranges that are counted from the end.
        return await self._source.stat(key)  # this was perhaps no reply of the service


async def _fill(buffer: memoryview, reader: Reader) -> bool:
    """Read a body of this length; False: the connection broke, and the object must be read again."""
    try:
        return await fill_buffer(reader, buffer) == len(buffer)
    except TransportError as error:
        if not error.retryable:
            raise
        return False
