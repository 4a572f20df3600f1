"""Decompress the layers of images: gzip and zstd. Blocking.

A decoder is fed with the compressed bytes as they come, and expands only a little at a time: a layer is untrusted.
"""

import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from ...errors import ArchiveError, UnsupportedOperation
from ...types import KiB

__all__ = ["SLICE", "Decoder", "decoder_for", "is_compressed"]

SLICE = 4 * KiB
"""Bytes to feed at once: a block of zstd of four bytes can expand to 128 KiB."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PIECE = 256 * KiB
_GZIP_FORMAT = 16 + zlib.MAX_WBITS

Write = Callable[[bytes | memoryview], object]


class Decoder(Protocol):
    """Decodes a stream of compressed bytes."""

    def feed(self, data: memoryview) -> None:
        """Decode the next bytes, and write what they expand to.

        Raises:
            ArchiveError: They are damaged.
        """


def is_compressed(start: bytes | memoryview) -> bool:
    """Whether a layer that begins with these bytes is compressed. Some tools set a wrong media type."""
    return bytes(start[:4]).startswith((_GZIP, _ZSTD))


def decoder_for(start: bytes | memoryview, write: Write) -> Decoder:
    """Return the decoder for a layer.

    Args:
        start: Its first bytes.
        write: Receives the decoded bytes.

    Raises:
        UnsupportedOperation: No installed library reads zstd.
    """
    magic = bytes(start[:4])
    if magic.startswith(_GZIP):
        return _Gzip(write)
    return _zstd(write) if magic == _ZSTD else _Plain(write)


class _Plain:
    def __init__(self, write: Write) -> None:
        self._write = write

    def feed(self, data: memoryview) -> None:
        self._write(data)


class _Gzip:
    """gzip, also with several members, as parallel compressors write it."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._inflate = zlib.decompressobj(_GZIP_FORMAT)

    def feed(self, data: memoryview) -> None:
        rest: bytes | memoryview = data
        while rest:
            if self._inflate.eof:
                rest = bytes(rest).lstrip(b"\0")  # members may be padded
                if not rest:
                    return
                self._inflate = zlib.decompressobj(_GZIP_FORMAT)
            try:
                self._write(self._inflate.decompress(rest, _PIECE))
            except zlib.error as error:
                raise ArchiveError(f"a layer is damaged: {error}") from None
            rest = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail


def _zstd(write: Write) -> Decoder:
    try:
        return _StandardZstd(import_module("compression.zstd"), write)  # Python 3.14 and later
    except ModuleNotFoundError:
        pass
    try:
        return _Zstandard(import_module("zstandard"), write)
    except ModuleNotFoundError:
        hint = "pip install zstandard"
        raise UnsupportedOperation(
            "a layer is compressed with zstd, which this Python cannot read", hint=hint
        ) from None


class _StandardZstd:
    """`compression.zstd`, a frame at a time."""

    def __init__(self, module: Any, write: Write) -> None:
        self._module = module
        self._write = write
        self._frame = module.ZstdDecompressor()

    def feed(self, data: memoryview) -> None:
        rest = bytes(data)
        while True:
            if self._frame.eof:
                rest = self._frame.unused_data + rest
                if not rest:
                    return
                self._frame = self._module.ZstdDecompressor()
            try:
                piece = self._frame.decompress(rest, _PIECE)
            except self._module.ZstdError as error:
                raise ArchiveError(f"a layer is damaged: {error}") from None
            rest = b""
            self._write(piece)
            if self._frame.needs_input and not self._frame.eof:
                return


class _Zstandard:
    """The package zstandard, whose stream writer continues with the next frame by itself."""

    def __init__(self, module: Any, write: Write) -> None:
        self._module = module
        self._file = _Target(write)
        self._writer = module.ZstdDecompressor().stream_writer(self._file, write_size=_PIECE, closefd=False)

    def feed(self, data: memoryview) -> None:
        try:
            self._writer.write(data)
        except self._module.ZstdError as error:
            raise ArchiveError(f"a layer is damaged: {error}") from None


class _Target:
    """The file that zstandard writes to."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def write(self, data: bytes) -> int:
        self._write(data)
        return len(data)
