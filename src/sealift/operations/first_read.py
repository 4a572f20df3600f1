"""Find an object, and read it with the same request if it is small."""

from collections.abc import Callable

from ..contract import Backend, Reader
from ..engine.transfer import Received
from ..errors import TransportError
from ..types import ObjectInfo

__all__ = ["FirstRead"]


class FirstRead:
    """A replacement for `Backend.stat` that also keeps the bytes of a small object.

    The request has no range: with one, some services return no checksum, and for an empty object they return an error.
    The body of a larger object is not received: its connection is closed.

    Args:
        source: Where the object is.
        lend: Returns memory for an object of so many bytes; None: read it later.
        give_back: Takes that memory back.

    Attributes:
        received: The bytes of the object, until `close`; None: they were not received.
    """

    def __init__(
        self,
        source: Backend,
        lend: Callable[[int], memoryview | None],
        give_back: Callable[[memoryview], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._lend = lend
        self._give_back = give_back
        self._buffer: memoryview | None = None
        self.received: Received | None = None

    async def stat(self, key: str) -> ObjectInfo:
        """Find an object; see `Backend.stat`."""
        self.close()
        opening = self._source.find_and_read(key)
        if opening is None:
            return await self._source.stat(key)
        async with opening as (obj, reader):
            if obj.version is not None:
                self._buffer = self._lend(obj.size) if obj.size else None
                if self._buffer is not None and await _fill(self._buffer, reader):
                    self.received = Received(self._buffer)
                else:
                    self.close()
                return obj
        return await self._source.stat(key)  # this was perhaps no reply of the service

    def close(self) -> None:
        """Give the memory back."""
        buffer, self._buffer, self.received = self._buffer, None, None
        if buffer is not None:
            self._give_back(buffer)


async def _fill(buffer: memoryview, reader: Reader) -> bool:
    """Read a body of this length; False: the connection broke, and the object must be read again."""
    done = 0
    try:
        while done < len(buffer):
            count = await reader.readinto(buffer[done:])
            if not count:
                return False
            done += count
    except TransportError as error:
        if not error.retryable:
            raise
        return False
    return True
