"""Bodies as the hub likes to send small files: whole where a range was asked for, chunked, or compressed."""

import zlib

from ...contract import Reader
from ...errors import ObjectChanged, TransportError
from ...types import KiB
from ...wire import Response, StreamedResponse, check_range

__all__ = ["decoded", "read_range"]

_CHUNK = 64 * KiB
_EITHER = 32 + zlib.MAX_WBITS  # gzip or zlib, by its first bytes


def decoded(reply: StreamedResponse) -> Reader:
    """The body without the coding that nobody asked for."""
    coding = (reply.header("content-encoding") or "identity").strip().lower()
    if coding == "identity":
        return reply
    if coding in {"gzip", "x-gzip", "deflate"} and reply.status == 200:
        return _Inflated(reply)
    raise TransportError(f"the hub sent a body in the coding {coding!r} where the stored bytes were asked for")


class _Inflated:
    """A compressed body.

    Args:
        body: As it comes.
    """

    def __init__(self, body: Reader) -> None:
        self._body = body
        self._inflate = zlib.decompressobj(_EITHER)
        self._chunk = memoryview(bytearray(_CHUNK))
        self._rest = b""

    async def readinto(self, view: memoryview) -> int:
        """As `Reader.readinto`."""
        while True:
            try:
                data = self._inflate.decompress(self._rest, len(view))
            except zlib.error:
                raise TransportError("a compressed body is damaged", retryable=True) from None
            self._rest = self._inflate.unconsumed_tail
            if data:
                view[: len(data)] = data
                return len(data)
            if self._inflate.eof:
                return 0
            count = await self._body.readinto(self._chunk)
            if not count:
                raise TransportError("a compressed body ended too early", retryable=True)
            self._rest = bytes(self._chunk[:count])


async def read_range(reply: StreamedResponse, size: int | None, start: int, into: memoryview) -> None:
    """Fill memory with a part of a file, whether the reply is that part or all of the file.

    Args:
        reply: To a request for the range, or for the whole.
        size: Of the whole file, in bytes.
        start: Offset of the first byte.
        into: Where the bytes go.

    Raises:
        TransportError: It is neither, or it breaks off.
        ObjectChanged: The file has another size.
    """
    body = decoded(reply)
    skip, rest = start, None if size is None else size - start - len(into)
    if reply.status == 206 or reply.header("content-range") is not None:
        told = check_range(Response(reply.status, reply.headers), start, len(into))
        if size is not None and told is not None and told != size:
            raise ObjectChanged(f"the file has {told} bytes, and not {size} as the hub said before")
        skip = rest = 0
    scratch = memoryview(bytearray(min(skip, _CHUNK)))
    while skip:
        skip -= await _some(body, scratch[: min(skip, len(scratch))])
    done = 0
    while done < len(into):
        done += await _some(body, into[done:])
    if rest == 0 and await body.readinto(memoryview(bytearray(1))):
        raise TransportError("more bytes came than were asked for", retryable=True)


async def _some(body: Reader, view: memoryview) -> int:
    count = await body.readinto(view)
    if not count:
        raise TransportError("the body ended before the bytes that were asked for", retryable=True)
    return count
