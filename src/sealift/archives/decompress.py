"""Decompress gzip, bzip2, xz and zstd files as streams. Blocking.

Each stream expands only as much as is read, within a memory limit, and raises `ArchiveError` if it is damaged.
"""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import IO, Any, Protocol

from ..errors import ArchiveError, UnsupportedOperation
from ..types import KiB, MiB

__all__ = ["Decompressed", "Readable", "decompressed"]

# `xz -9` needs 65 MiB to decompress, but a file of a few bytes can demand 4 GiB.
_XZ_MEMORY = 256 * MiB
_COMPRESSED_CHUNK = 64 * KiB
_LONGEST_MAGIC = 6


class Readable(Protocol):
    """A stream that can be read once."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; b"" at the end."""


def decompressed(file: io.BufferedReader) -> "Decompressed | None":
    """Open a compressed file, detecting the format from its first bytes; None: it is not compressed.

    Args:
        file: The file, positioned at its beginning; read once, in order.

    Raises:
        UnsupportedOperation: No installed library reads the format.
    """
    magic_bytes = file.peek(_LONGEST_MAGIC)
    for magic, open_stream in _BY_MAGIC.items():
        if magic_bytes.startswith(magic):
            return Decompressed(open_stream(file))
    return None


class Decompressed:
    """A stream that raises `ArchiveError` for damaged data, whichever library reads it."""

    def __init__(self, source: Readable) -> None:
        self._source = source

    def read(self, size: int, /) -> bytes:
        try:
            return self._source.read(size)
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # raised by the disk, not by gzip or bz2
                raise
            raise _damaged(error) from None
        except Exception as error:
            if type(error).__name__ != "ZstdError":  # both zstd libraries define their own class
                raise
            raise _damaged(error) from None


def _damaged(error: Exception) -> ArchiveError:
    return ArchiveError(f"the archive is damaged: {error}")


class _XZ(io.RawIOBase):
    """`lzma.LZMAFile` with a memory limit."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any, /) -> int:
        data = b""
        while not data:
            packed = b""
            if self._decoder.eof:  # streams may be concatenated, padded with zeros
                packed = self._decoder.unused_data.lstrip(b"\0")
                while not packed:
                    if not (packed := self._file.read(_COMPRESSED_CHUNK)):
                        return 0
                    packed = packed.lstrip(b"\0")
                self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
            elif self._decoder.needs_input and not (packed := self._file.read(_COMPRESSED_CHUNK)):
                raise EOFError("it ends in the middle of the compressed stream")
            data = self._decoder.decompress(packed, len(view))
        view[: len(data)] = data
        return len(data)


def _zstd(file: IO[bytes]) -> Any:
    try:
        return import_module("compression.zstd").ZstdFile(file)  # Python 3.14 and later
    except ModuleNotFoundError:
        pass
    try:
        return import_module("zstandard").ZstdDecompressor().stream_reader(file, read_across_frames=True)
    except ModuleNotFoundError:
        raise UnsupportedOperation("this Python cannot read zstd", hint="pip install zstandard") from None


_BY_MAGIC: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": _XZ,
    b"\x28\xb5\x2f\xfd": _zstd,
}
