"""Read the entries of a zip archive; `zipfile` parses, and everything that it trusts is checked first."""

import stat
import zipfile
from collections.abc import Generator, Iterator

from ..errors import ArchiveError, UnsafeKey, UnsupportedOperation
from ..types import MiB
from .entries import CHUNK, Entry, ExpansionLimits, unsupported_kind
from .zip_stream import ZipStream

__all__ = ["MAGIC", "MAGIC_LENGTH", "zip_entries"]

MAGIC = {b"PK\x03\x04", b"PK\x05\x06"}
MAGIC_LENGTH = 4

# `zipfile` reads the central directory as a whole: allow 16 MiB (100,000 entries), or this much per permitted entry.
_MAX_DIRECTORY = 16 * MiB
_MAX_RECORD = 160
# Bytes of an entry before its name and body: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7
_LOCAL_HEADER = 30

_KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def zip_entries(file: ZipStream, limits: ExpansionLimits) -> Generator[Entry | None]:
    """Yield the entries of a zip archive."""
    max_directory = max(_MAX_DIRECTORY, _MAX_RECORD * limits.limits.entries)
    with zipfile.ZipFile(_BoundedReads(file, max_directory)) as archive:
        total = 0
        for info in archive.infolist():  # the sizes that the archive claims; the bytes that are read are counted too
            total += info.file_size
            limits.announce(total)
        file.start_entries()
        entries = sorted(archive.infolist(), key=lambda info: info.header_offset)  # so that they are read in order
        _check_overlaps(entries, archive.start_dir)
        for info in entries:
            if "\0" in info.orig_filename:  # `zipfile` truncates the name there
                raise UnsafeKey(f"the archive's entry {info.orig_filename!r} has a NUL character in its name")
            mode = stat.S_IFMT(info.external_attr >> 16)
            if mode not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise unsupported_kind(info.filename, _KINDS.get(mode, "not a regular file"))
            directory = info.is_dir() or mode == stat.S_IFDIR
            yield Entry(info.filename, None if directory else _body(archive, info, limits))


def _check_overlaps(entries: list[zipfile.ZipInfo], end: int) -> None:
    """Reject overlapping entries, as in a zip bomb: https://www.bamsoftware.com/hacks/zipbomb/.

    `zipfile` rejects them from the patch releases of 2024 on.
    """
    for info in reversed(entries):
        if info.header_offset + _LOCAL_HEADER + info.compress_size > end:
            raise ArchiveError(f"the archive is damaged: its entry {info.filename!r} overlaps another one")
        end = info.header_offset


def _body(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limits: ExpansionLimits) -> Iterator[bytes]:
    if info.flag_bits & 1:
        raise ArchiveError(f"the archive's entry {info.filename!r} is encrypted")
    # Other methods are expanded without a limit on memory: a few KiB of bzip2 can take several GiB.
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        cause = f"the archive's entry {info.filename!r} is compressed by method {info.compress_type}"
        raise UnsupportedOperation(cause, hint="only stored and deflated entries of a zip can be read")
    with archive.open(info) as body:
        while chunk := body.read(CHUNK):
            limits.count(len(chunk))
            yield chunk


class _BoundedReads:
    """A file that limits the size of a single read: `zipfile` reads a central directory of any size at once."""

    def __init__(self, file: ZipStream, max_size: int) -> None:
        self._file = file
        self._max_size = max_size
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > self._max_size:
            raise ArchiveError(f"the archive has a central directory of {size:,} bytes, which is too large")
        return self._file.read(size)
