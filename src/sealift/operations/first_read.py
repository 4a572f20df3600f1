"""Find an object, and read it with the same request if it is small."""

from ..contract import Backend, Reader
from ..engine.verification import Received
from ..errors import TransportError
from ..types import ObjectInfo
from ..wire import fill_buffer

__all__ = ["FirstRead"]


class FirstRead:
    """A replacement for `Backend.stat` that also keeps the bytes of a small object.

    The request has no range: with one, some services return no checksum, and for an empty object they return an error.
    The body of a larger object is not received: its connection is closed.

    Args:
        source: Where the object is.
        most: Size in bytes up to which an object is small.

    Attributes:
        received: The bytes of the object; None: they were not received.
    """

    def __init__(self, source: Backend, most: int) -> None:
        self._source = source
        self._most = most
        self.received: Received | None = None

    async def stat(self, key: str) -> ObjectInfo:
        """Find an object; see `Backend.stat`."""
        self.received = None
        opening = self._source.find_and_read(key)
        if opening is None:
            return await self._source.stat(key)
        async with opening as (obj, reader):
            if obj.version is not None:
                if obj.size and obj.size <= self._most:
                    buffer = memoryview(bytearray(obj.size))
                    if await _fill(buffer, reader):
                        self.received = Received(buffer)
                return obj
        return await self._source.stat(key)  # this was perhaps no reply of the service


async def _fill(buffer: memoryview, reader: Reader) -> bool:
    """Read a body of this length; False: the connection broke, and the object must be read again."""
    try:
        return await fill_buffer(reader, buffer) == len(buffer)
    except TransportError as error:
        if not error.retryable:
            raise
        return False
