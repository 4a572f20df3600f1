"""Read files outside Git LFS, which the hub may send whole instead of the requested range, chunked, or compressed.

Such a file is small on the hub itself. On a mirror that does not know Git LFS, it may have any size.
"""

import zlib
from functools import partial

from ...contract import Reader
from ...errors import ObjectChanged, TransportError
from ...lane_contract import Sink
from ...runtime.disk_threads import DiskThreads
from ...runtime.shielded import shielded
from ...types import KiB
from ...wire import Response, StreamedResponse, check_range, fill, fill_buffer

__all__ = ["decoded", "read_range"]

_CHUNK = 64 * KiB
# Bytes that are written to a file at once.
_STORED = 256 * KiB
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS  # detected from the first bytes


def decoded(reply: StreamedResponse) -> Reader:
    """Decode a body that the hub compressed although identity was requested."""
    coding = (reply.header("content-encoding") or "identity").strip().lower()
    if coding == "identity":
        return reply
    if coding in {"gzip", "x-gzip", "deflate"} and reply.status == 200:
        return _Inflated(reply)
    raise TransportError(f"the hub sent a body with unsupported Content-Encoding {coding!r}; identity was requested")


class _Inflated:
    """Reader that decompresses a body.

    Args:
        body: The compressed body.
    """

    def __init__(self, body: Reader) -> None:
        self._body = body
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._chunk = memoryview(bytearray(_CHUNK))
        self._rest = b""

    async def readinto(self, view: memoryview) -> int:
        """See `Reader.readinto`."""
        while True:
            try:
                data = self._inflate.decompress(self._rest, len(view))
            except zlib.error:
                raise TransportError("a compressed body is corrupt", retryable=True) from None
            self._rest = self._inflate.unconsumed_tail
            if data:
                view[: len(data)] = data
                return len(data)
            if self._inflate.eof:
                return 0
            count = await self._body.readinto(self._chunk)
            if not count:
                raise TransportError("a compressed body is incomplete", retryable=True)
            self._rest = bytes(self._chunk[:count])


async def read_range(
    reply: StreamedResponse, size: int | None, start: int, into: memoryview | Sink, disk: DiskThreads
) -> None:
    """Read a range of a file, from a response with that range or with the whole file.

    Args:
        reply: Response to a request for the range or for the file.
        size: Size of the file in bytes.
        start: Offset of the first byte.
        into: Where the bytes go. If the read fails, a sink keeps those that have arrived.
        disk: Threads that fill a sink.

    Raises:
        TransportError: The response is neither, or is incomplete.
        ObjectChanged: The size of the file has changed.
    """
    body = decoded(reply)
    skip, rest = start, None if size is None else size - start - len(into)
    if reply.status == 206 or reply.header("content-range") is not None:
        total = check_range(Response(reply.status, reply.headers), start, len(into))
        if size is not None and total is not None and total != size:
            raise ObjectChanged(f"the file has {total} bytes, but the hub reported {size}")
        skip = rest = 0
    scratch = memoryview(bytearray(min(skip, _CHUNK)))
    while skip:
        skip -= await _read_some(body, scratch[: min(skip, len(scratch))])
    if isinstance(into, memoryview):
        await _fill(body, into)
    else:
        await _store(body, into, disk)
    if rest == 0 and await body.readinto(memoryview(bytearray(1))):
        if not isinstance(into, memoryview):
            await disk.run(into.rewind)  # its bytes cannot be relied on
        raise TransportError("the response is longer than requested", retryable=True)


async def _store(body: Reader, into: Sink, disk: DiskThreads) -> None:
    buffer = memoryview(bytearray(min(len(into), _STORED)))
    try:
        while missing := len(into):
            piece = buffer[:missing]
            await _fill(body, piece)
            await disk.run(partial(fill, into, piece))
    finally:
        await shielded(disk.run(into.flush))


async def _fill(body: Reader, view: memoryview) -> None:
    if await fill_buffer(body, view) < len(view):
        raise TransportError("the response is shorter than requested", retryable=True)


async def _read_some(body: Reader, view: memoryview) -> int:
    count = await body.readinto(view)
    if not count:
        raise TransportError("the response is shorter than requested", retryable=True)
    return count
