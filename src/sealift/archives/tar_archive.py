"""Read the entries of a tar archive, plain or compressed, as a stream; `tarfile` only parses the headers."""

import tarfile
from collections.abc import Generator, Iterator
from io import BufferedReader

from ..errors import ArchiveError
from ..types import MiB
from .decompress import Readable, decompressed
from .entries import CHUNK, Entry, ExpansionLimits, unsupported_kind

__all__ = ["tar_entries"]

# A header that claims to be longer is not genuine.
_MAX_HEADER = MiB

_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


def tar_entries(file: BufferedReader, limits: ExpansionLimits) -> Generator[Entry | None]:
    """Yield the entries of a tar archive; None where only time has passed."""
    source = decompressed(file)
    stream = _TarStream(source or file, limits)
    try:
        archive = tarfile.open(fileobj=stream, mode="r:")  # type: ignore[call-overload] # noqa: SIM115 - nothing to close
    except tarfile.ReadError:
        cause = "the file is compressed, but not a tar archive" if source else "the file is not an archive"
        hint = "supported: zip, and tar plain or compressed with gzip, bzip2, xz or zstd"
        raise ArchiveError(cause, hint=hint) from None
    while (member := archive.next()) is not None:
        archive.members.clear()
        limits.announce(member.size)
        if member.isdir():
            yield Entry(member.name, None)
        elif member.isreg() and not member.issparse():
            stream.seek(member.offset_data)
            yield Entry(member.name, stream.chunks(member.size))
        else:
            kind = "a sparse file" if member.issparse() else _KINDS.get(member.type, "not a regular file")
            raise unsupported_kind(member.name, kind)
    stream.check_end()
    while stream.read(CHUNK):  # to the end of a compressed stream, where its checksum is
        yield None


class _TarStream:
    """The file object for `tarfile`: seeks only forward, and limits the size of a single read."""

    def __init__(self, source: Readable, limits: ExpansionLimits) -> None:
        self._source = source
        self._limits = limits
        self._position = 0
        self._last = b""

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        if position < self._position:
            raise ArchiveError("the archive is damaged: an entry's size is wrong")
        while self._position < position and self.read(min(CHUNK, position - self._position)):
            pass

    def read(self, size: int) -> bytes:
        if size > _MAX_HEADER:
            raise ArchiveError(f"the archive has a header of {size:,} bytes, which is too large")
        data = b""
        while len(data) < size and (more := self._source.read(size - len(data))):
            data += more
        self._limits.count(len(data))
        self._position += len(data)
        self._last = data
        return data

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes in chunks."""
        while size:
            chunk = self.read(min(CHUNK, size))
            if not chunk:
                raise ArchiveError("the archive is damaged: it ends within an entry")
            size -= len(chunk)
            yield chunk

    def check_end(self) -> None:
        """Raise unless the archive ends with an end mark.

        `tarfile` takes an unreadable header, or the end of a truncated file, for the end of the archive.
        """
        if self._last != bytes(tarfile.BLOCKSIZE):
            raise ArchiveError("the archive is damaged: it ends without an end mark, or has an unreadable header")
