"""Compressed files as streams of bytes: gzip, bzip2, xz, zstd. Blocking.

Each expands no more than what is asked for, within a limit of memory, and tells of damage as an `ArchiveError`.
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

# What `xz -9` needs is 65 MiB; a file of a few bytes can ask for 4 GiB.
_XZ_MEMORY = 256 * MiB
_PACKED = 64 * KiB


class Readable(Protocol):
    """A stream, to be read once."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at its end."""


def decompressed(file: IO[bytes]) -> "Decompressed | None":
    """What is in a compressed file, which its first bytes tell; None: they tell no compression.

    Args:
        file: At its beginning.

    Raises:
        UnsupportedOperation: No library here reads it.
    """
    start = file.read(6)
    file.seek(0)
    for magic, opened in _BY_MAGIC.items():
        if start.startswith(magic):
            return Decompressed(opened(file))
    return None


class Decompressed:
    """A stream whose failures are `ArchiveError`s, whatever library reads it."""

    def __init__(self, source: Readable) -> None:
        self._source = source

    def read(self, size: int, /) -> bytes:
        try:
            return self._source.read(size)
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # the disk's, not one of gzip or bz2
                raise
            raise _damaged(error) from None
        except Exception as error:
            if type(error).__name__ != "ZstdError":  # either library has one of its own
                raise
            raise _damaged(error) from None


def _damaged(error: Exception) -> ArchiveError:
    return ArchiveError(f"the archive is damaged: {error}")


class _XZ(io.RawIOBase):
    """`lzma.LZMAFile` with a limit of memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any, /) -> int:
        data = b""
        while not data:
            packed = b""
            if self._decoder.eof:  # streams may follow one another, with zeros between them
                packed = self._decoder.unused_data.lstrip(b"\0")
                while not packed:
                    if not (packed := self._file.read(_PACKED)):
                        return 0
                    packed = packed.lstrip(b"\0")
                self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
            elif self._decoder.needs_input and not (packed := self._file.read(_PACKED)):
                raise EOFError("it ends within the compressed stream")
            data = self._decoder.decompress(packed, len(view))
        view[: len(data)] = data
        return len(data)


def _zstd(file: IO[bytes]) -> Any:
    try:
        return import_module("compression.zstd").ZstdFile(file)  # from Python 3.14 on
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
