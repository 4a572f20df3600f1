"""List the entries of a tar archive while its bytes pass, without keeping them. `tarfile` parses the headers."""

import hashlib
import tarfile
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from ...errors import ArchiveError
from ...frozen_dataclass import dataclass
from ...types import MiB

__all__ = ["Entry", "TarScanner"]

# The content of a header with long names or attributes that claims to be longer is not genuine.
_MAX_HEADER = MiB
_MAX_ENTRIES = 1_000_000
# Extended headers, which describe the next entry: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_GNU = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
_HARD, _SYMBOLIC = "hard link", "symbolic link"
_KINDS = {
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: _SYMBOLIC,
    tarfile.LNKTYPE: _HARD,
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "pipe",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a tar archive.

    Attributes:
        name: Its name as stored in the archive.
        kind: "file", "directory", "symbolic link", "hard link", "device" or "pipe".
        offset: Where the content of a file begins in the decompressed archive, in bytes.
        size: Size of a file in bytes.
        link: The target of a link.
        modified: Time of the last modification, if it is valid.
        sha256: Hex digest of a file.
    """

    name: str
    kind: str
    offset: int = 0
    size: int = 0
    link: str = ""
    modified: datetime | None = None
    sha256: str = field(default="", compare=False)


class TarScanner:
    """Receives the bytes of a tar archive, and collects its entries.

    Attributes:
        entries: Those that have passed.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._position = 0
        self._block = bytearray()  # of a header, as far as it has passed
        self._header: tarfile.TarInfo | None = None  # of the entry whose content passes
        self._content = bytearray()  # of an extended header
        self._hash: Any = None  # of a file
        self._rest = 0  # bytes of content that are still to come
        self._padding = 0
        self._attributes: dict[str, str] = {}  # of the next entry
        self._global: dict[str, str] = {}
        self._start = 0  # of the content of an entry
        self._ended = False

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes.

        Raises:
            ArchiveError: The archive is damaged, or has an entry that is not supported.
        """
        view = memoryview(data)
        while view and not self._ended:
            if self._rest:
                taken = view[: self._rest]
                if self._hash is not None:
                    self._hash.update(taken)
                else:
                    self._content += taken
                self._rest -= len(taken)
                if not self._rest:
                    self._end_content()
            elif self._padding:
                taken = view[: self._padding]
                self._padding -= len(taken)
            else:
                taken = view[: tarfile.BLOCKSIZE - len(self._block)]
                self._block += taken
            self._position += len(taken)
            view = view[len(taken) :]
            if len(self._block) == tarfile.BLOCKSIZE:
                self._begin_entry()

    def finish(self) -> list[Entry]:
        """Return all entries.

        Raises:
            ArchiveError: The archive ends within an entry.
        """
        if self._rest or self._block:
            raise ArchiveError("a layer is damaged: it ends within an entry")
        return self.entries

    def _begin_entry(self) -> None:
        block, self._block = bytes(self._block), bytearray()
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            self._ended = True
            return
        except (tarfile.HeaderError, ValueError):
            raise ArchiveError("a layer is not a tar archive, or is damaged") from None
        if header.type in {*_PAX, tarfile.XGLTYPE, *_GNU}:
            if header.size > _MAX_HEADER:
                raise ArchiveError(f"a layer has a header of {header.size:,} bytes, which is too large")
            self._start_content(header, hashed=False)
            return
        attributes, self._attributes = self._global | self._attributes, {}
        self._apply(header, attributes)
        if header.type == tarfile.GNUTYPE_SPARSE or any(name.startswith("GNU.sparse.") for name in attributes):
            raise ArchiveError(f"a layer has a sparse file, which is not supported: {header.name!r}")
        if len(self.entries) >= _MAX_ENTRIES:
            raise ArchiveError(f"a layer has more than {_MAX_ENTRIES:,} entries")
        kind = _KINDS.get(header.type)
        if kind is None:
            self._start_content(header, hashed=True)
        else:
            self.entries.append(Entry(header.name, kind, link=header.linkname, modified=_time(header.mtime)))

    def _apply(self, header: tarfile.TarInfo, attributes: dict[str, str]) -> None:
        header.name = attributes.get("path", header.name)
        header.linkname = attributes.get("linkpath", header.linkname)
        try:
            header.size = int(attributes.get("size", header.size))
            header.mtime = float(attributes.get("mtime", header.mtime))
        except ValueError:
            raise ArchiveError("a layer has a header that is not valid") from None
        if header.size < 0:
            raise ArchiveError("a layer has an entry of a negative size")

    def _start_content(self, header: tarfile.TarInfo, *, hashed: bool) -> None:
        self._header = header
        self._hash = hashlib.sha256() if hashed else None
        self._content = bytearray()
        self._start = self._position
        self._rest = header.size
        self._padding = -header.size % tarfile.BLOCKSIZE
        if not header.size:
            self._end_content()

    def _end_content(self) -> None:
        header, self._header = self._header, None
        assert header is not None  # noqa: S101 - for mypy: set by `_start_content`
        if self._hash is not None:
            self.entries.append(
                Entry(
                    header.name,
                    "file",
                    self._start,
                    header.size,
                    modified=_time(header.mtime),
                    sha256=self._hash.hexdigest(),
                )
            )
            self._hash = None
        elif header.type in _GNU:
            name = bytes(self._content).partition(b"\0")[0].decode(errors="surrogateescape")
            self._attributes[_GNU[header.type]] = name
        elif header.type == tarfile.XGLTYPE:
            self._global |= _records(bytes(self._content))
        else:
            self._attributes |= _records(bytes(self._content))


def _records(content: bytes) -> dict[str, str]:
    """Parse the records of a pax header: "LENGTH NAME=VALUE" and a line break, with the length of the whole record."""
    records = {}
    while content and content[0]:
        length, space, _ = content.partition(b" ")
        size = int(length) if length.isdigit() and len(length) < 8 else 0
        name, equals, value = content[len(length) + 1 : max(size - 1, 0)].partition(b"=")
        if not space or not equals or size > len(content) or content[size - 1 : size] != b"\n":
            raise ArchiveError("a layer has a header that is not valid")
        records[name.decode(errors="surrogateescape")] = value.decode(errors="surrogateescape")
        content = content[size:]
    return records


def _time(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (OverflowError, ValueError, OSError):
        return None
