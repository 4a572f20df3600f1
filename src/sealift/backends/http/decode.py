"""Decode a Content-Encoding: https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1."""

import zlib
from collections.abc import Awaitable, Callable
from functools import partial

from ...contract import Reader
from ...errors import TransportError
from ...types import KiB

__all__ = ["CODINGS", "Decoded"]

CODINGS = {"gzip", "x-gzip", "deflate"}

# Bytes to read and decode per step.
_STEP = 256 * KiB


class Decoded:
    """Reader that decodes an encoded body.

    Args:
        source: The encoded body.
        coding: Its encoding, one of `CODINGS`.
        run: Runs a function in a thread: decoding takes much longer than receiving.
    """

    def __init__(self, source: Reader, coding: str, run: Callable[[Callable[[], bytes]], Awaitable[bytes]]) -> None:
        self._source = source
        self._coding = coding
        self._run = run
        self._scratch = memoryview(bytearray(_STEP))
        self._encoded = b""
        self._ended = False  # whether `source` is at its end
        self._decoder: zlib._Decompress | None = None  # None: between two members; gzip allows several

    async def readinto(self, view: memoryview) -> int:
        """See `Reader.readinto`.

        Raises:
            TransportError: The body is not valid in this encoding, or incomplete.
        """
        while True:
            piece = await self._run(partial(self._decode, min(len(view), _STEP)))
            if piece:
                view[: len(piece)] = piece
                return len(piece)
            if self._ended:
                if self._decoder is not None or self._encoded:
                    raise TransportError(f"the {self._coding}-encoded body is incomplete", retryable=True)
                return 0
            count = await self._source.readinto(self._scratch)
            self._ended = not count
            self._encoded += self._scratch[:count]

    def _decode(self, most: int) -> bytes:
        """Decode up to `most` bytes; b"" if more input is needed. Blocking."""
        try:
            while self._decoder is not None or self._begin():
                decoder = self._decoder
                assert decoder is not None  # noqa: S101  # for mypy
                piece = decoder.decompress(self._encoded, most)
                self._encoded = decoder.unconsumed_tail
                if decoder.eof:
                    self._encoded, self._decoder = decoder.unused_data, None
                if piece or self._decoder is not None:
                    return piece
        except zlib.error:
            raise TransportError(
                f"the body is not valid {self._coding}, its Content-Encoding", retryable=True
            ) from None
        return b""

    def _begin(self) -> bool:
        """Start decoding the next member; False if there is none, or more input is needed."""
        if self._coding != "deflate":
            self._decoder = zlib.decompressobj(wbits=31) if self._encoded else None
        elif len(self._encoded) >= 2 or (self._encoded and self._ended):
            # A zlib header is required (RFC 1950, section 2.2), but some servers omit it.
            wrapped = self._encoded[0] & 15 == 8 and int.from_bytes(self._encoded[:2]) % 31 == 0
            self._decoder = zlib.decompressobj(wbits=15 if wrapped else -15)
        return self._decoder is not None
