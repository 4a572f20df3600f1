"""Unpacking tar and zip safely; blocking, in steps.

The standard library only parses here, and files are written by us: `tarfile`'s own extraction has had ways out of the
target until 2026 (CVE-2025-4517 and others), and a machine may run an old patch release. What leads out of the target,
links and devices is refused, and so is an archive that would grow beyond the bounds of its `Unpack`.
"""

import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import IO

from ..errors import ArchiveError, ModelMissingError, StorageError, UnsafeKey, UnsupportedOperation
from ..keys.paths import Tree, relative
from ..types import MiB, Unpack
from .decompress import Readable, decompressed

__all__ = ["unpack"]

# An archive of any size may have this much in it, whatever the ratio.
_ALWAYS = 64 * MiB

# Bytes that are read and written at once; a tar header that asks for more is made up.
_PIECE = MiB
# A step ends after so many bytes, or so many entries.
_STEP = 32 * MiB
_STEP_ENTRIES = 256
# The directory of a zip is read as a whole: what 100,000 entries take, or so much for each of more.
_MAX_DIRECTORY = 16 * MiB
_MAX_RECORD = 160
# Bytes of an entry before its name and body: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7
_LOCAL_HEADER = 30

_ZIP_MAGIC = {b"PK\x03\x04", b"PK\x05\x06"}
_TAR_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}
_ZIP_KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
_RAISE = "if it may have as many: unpack=Unpack(…)"
# What the parsers raise of bytes that make no sense, in one Python or another.
_NONSENSE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, LookupError, OverflowError,
    RecursionError,
)  # fmt: skip


def unpack(
    archive: str,
    target: str,
    let: Callable[[str], bool] = lambda _: True,
    bounds: Unpack = Unpack(),  # noqa: B008 - a value
) -> Generator[int]:
    """Write what is in an archive below a new directory, a step at each `next`.

    Args:
        archive: Path of the file; its first bytes say what it is, not its name.
        target: Path of the directory, which does not exist yet. After a failure it holds some of the files.
        let: Whether a path relative to the archive's top is wanted; those of directories end in "/".
        bounds: How much may come out of it.

    Yields:
        How many bytes have been unpacked so far.

    Raises:
        ArchiveError: It is none, is damaged or encrypted, or breaks the bounds.
        UnsafeKey: An entry would leave the target, is a link or a device, or lands on another one's path.
        UnsupportedOperation: Its compression cannot be read here.
        ModelMissingError: `let` refused all there is.
        OSError: The disk refused.
    """
    with open(archive, "rb") as file:
        counted = _Bounds(bounds, os.fstat(file.fileno()).st_size)
        magic = file.read(4)
        file.seek(0)
        try:
            with closing((_zip if magic in _ZIP_MAGIC else _tar)(file, counted)) as entries:
                yield from _write(entries, target, let)
        except StorageError:
            raise
        except NotImplementedError as error:
            raise UnsupportedOperation(f"the archive cannot be read: {error}") from None
        except _NONSENSE as error:
            raise ArchiveError(f"the archive is damaged: {error}") from None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file or directory: its name as the archive has it, and its body; None: it is a directory."""

    name: str
    body: Iterator[bytes] | None


class _Bounds:
    """Counts what comes out of an archive.

    Args:
        most: How much may.
        packed: The archive's own size in bytes.
    """

    def __init__(self, most: Unpack, packed: int) -> None:
        self.most = most
        self._packed = packed
        self._entries = 0
        self._bytes = 0

    def expect(self, size: int) -> None:
        """One more entry, up to which the archive says that it has so many more bytes."""
        self._entries += 1
        if self._entries > self.most.entries:
            raise ArchiveError(f"the archive has more than {self.most.entries:,} entries", hint=_RAISE)
        self._check(self._bytes + size)

    def take(self, count: int) -> None:
        self._bytes += count
        self._check(self._bytes)

    def _check(self, total: int) -> None:
        if total > self.most.size:
            raise ArchiveError(f"the archive has more than {self.most.size:,} bytes in it", hint=_RAISE)
        if total > max(_ALWAYS, self._packed * self.most.ratio):
            ratio = f"{self.most.ratio:g}"
            cause = f"the archive of {self._packed:,} bytes has more than {ratio} times as many in it"
            raise ArchiveError(cause, hint=_RAISE)


def _write(entries: Iterator[_Entry | None], target: str, let: Callable[[str], bool]) -> Generator[int]:
    tree = Tree()
    done = told = kept = refused = 0
    os.mkdir(target)
    for number, entry in enumerate(entries):
        if number % _STEP_ENTRIES == 0:
            yield done
        if entry is None:  # only time has passed
            continue
        path = _path(entry.name)
        wanted = let(f"{path}/" if entry.body is None else path)
        kept, refused = kept + wanted, refused + (not wanted)
        place = os.path.join(target, path)
        if entry.body is None:
            if wanted:
                with _in_the_way(entry.name):
                    os.makedirs(place, exist_ok=True)
            continue
        file: IO[bytes] | None = None
        if wanted:
            _take(tree, path)
            with _in_the_way(entry.name):
                file = _create(place)
        with file or nullcontext():
            for piece in entry.body:
                if file is not None:
                    file.write(piece)
                done += len(piece)
                if done - told >= _STEP:
                    told = done
                    yield done
    if refused and not kept:
        raise ModelMissingError(target, cause=f"the patterns let none of {refused} entries of the archive through")


def _path(name: str) -> str:
    """The path of an entry below the target; "" for the target itself.

    Raises:
        UnsafeKey: It would leave it, or is not a file's name.
    """
    segments = [segment for segment in name.split("/") if segment not in {"", "."}]
    if name.startswith("/") or ".." in segments:
        raise UnsafeKey(f"the archive's entry {name!r} would leave the target directory")
    try:
        return relative("/".join(segments)) if segments else ""
    except UnsafeKey as error:
        raise UnsafeKey(f"in the archive, {error.cause}") from None


def _take(tree: Tree, path: str) -> None:
    if not path:
        raise UnsafeKey("the archive's top is a file")
    try:
        tree.add(path, path)
    except UnsafeKey as error:
        raise UnsafeKey(f"in the archive, {error.cause}") from None


def _create(path: str) -> IO[bytes]:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666), "wb")


@contextmanager
def _in_the_way(name: str) -> Iterator[None]:
    """What is there already in a new directory is another entry, whose name means the same to the file system."""
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise UnsafeKey(f"the archive's entry {name!r} lands on the path of another one") from None


def _refused(name: str, kind: str) -> UnsafeKey:
    return UnsafeKey(f"the archive's entry {name!r} is {kind}", hint="only files and directories are unpacked")


# Zip


def _zip(file: IO[bytes], bounds: _Bounds) -> Generator[_Entry | None]:
    with zipfile.ZipFile(_Measured(file, max(_MAX_DIRECTORY, _MAX_RECORD * bounds.most.entries))) as archive:
        total = 0
        for info in archive.infolist():  # what they say; what is read is counted too
            total += info.file_size
            bounds.expect(total)
        _check_places(archive)
        for info in archive.infolist():
            if "\0" in info.orig_filename:  # where `zipfile` ends the name
                raise UnsafeKey(f"the archive's entry {info.orig_filename!r} has a character that a name cannot have")
            mode = stat.S_IFMT(info.external_attr >> 16)
            if mode not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise _refused(info.filename, _ZIP_KINDS.get(mode, "no file"))
            directory = info.is_dir() or mode == stat.S_IFDIR
            yield _Entry(info.filename, None if directory else _zip_body(archive, info, bounds))


def _check_places(archive: zipfile.ZipFile) -> None:
    """Refuse bodies that overlap: of so few bytes come as many files as one likes (https://www.bamsoftware.com/hacks/zipbomb/).

    `zipfile` does so from the patch releases of 2024 on.
    """
    end = archive.start_dir
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset, reverse=True):
        if info.header_offset + _LOCAL_HEADER + info.compress_size > end:
            raise ArchiveError(f"the archive is damaged: its entry {info.filename!r} overlaps another one")
        end = info.header_offset


def _zip_body(archive: zipfile.ZipFile, info: zipfile.ZipInfo, bounds: _Bounds) -> Iterator[bytes]:
    if info.flag_bits & 1:
        raise ArchiveError(f"the archive's entry {info.filename!r} is encrypted")
    # Others are expanded without a bound on memory: a few KiB of bzip2 to some GiB.
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        cause = f"the archive's entry {info.filename!r} is compressed by method {info.compress_type}"
        raise UnsupportedOperation(cause, hint="in a zip, what is stored or deflated can be read")
    with archive.open(info) as body:
        while piece := body.read(_PIECE):
            bounds.take(len(piece))
            yield piece


class _Measured:
    """A file of which nobody reads very much at once, as `zipfile` does with a directory of any size."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file = file
        self._most = most
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > self._most:
            raise ArchiveError(f"the archive has a directory of {size:,} bytes")
        return self._file.read(size)


# Tar


def _tar(file: IO[bytes], bounds: _Bounds) -> Generator[_Entry | None]:
    source = decompressed(file)
    stream = _Forwards(source or file, bounds)
    try:
        archive = tarfile.open(fileobj=stream, mode="r:")  # type: ignore[call-overload] # noqa: SIM115 - nothing to close
    except tarfile.ReadError:
        hint = "tar, plain or compressed by gzip, bzip2, xz or zstd, and zip can be unpacked"
        raise ArchiveError(
            "this is compressed, but no tar archive" if source else "this is no archive", hint=hint
        ) from None
    while (member := archive.next()) is not None:
        archive.members.clear()
        bounds.expect(member.size)
        if member.isdir():
            yield _Entry(member.name, None)
        elif member.isreg() and not member.issparse():
            stream.seek(member.offset_data)
            yield _Entry(member.name, stream.pieces(member.size))
        else:
            raise _refused(member.name, "sparse" if member.issparse() else _TAR_KINDS.get(member.type, "no file"))
    stream.check_end()
    while stream.read(_PIECE):  # to the end of a compressed stream, where its checksum is
        yield None


class _Forwards:
    """What `tarfile` reads headers from: in order, and not very much at once."""

    def __init__(self, source: Readable, bounds: _Bounds) -> None:
        self._source = source
        self._bounds = bounds
        self._position = 0
        self._last = b""

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        if position < self._position:
            raise ArchiveError("the archive is damaged: an entry's size is wrong")
        while self._position < position and self.read(min(_PIECE, position - self._position)):
            pass

    def read(self, size: int) -> bytes:
        if size > _PIECE:
            raise ArchiveError(f"the archive has a header of {size:,} bytes")
        data = b""
        while len(data) < size and (more := self._source.read(size - len(data))):
            data += more
        self._bounds.take(len(data))
        self._position += len(data)
        self._last = data
        return data

    def pieces(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self.read(min(_PIECE, size))
            if not piece:
                raise ArchiveError("the archive is damaged: it ends within an entry")
            size -= len(piece)
            yield piece

    def check_end(self) -> None:
        """`tarfile` takes an unreadable header, and the end of a file that was cut, for the end of the archive."""
        if self._last != bytes(tarfile.BLOCKSIZE):
            raise ArchiveError("the archive is damaged: it ends without an end mark, or has an unreadable header")
