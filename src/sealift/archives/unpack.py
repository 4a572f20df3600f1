"""Unpack tar and zip archives safely. Blocking, in steps, so that a call can be cancelled between them.

The standard library only parses here; sealift writes the files itself. `tarfile`'s own extraction can write outside
the target in Python releases without the fixes for CVE-2025-4517 and its successors. Paths outside the target,
links and devices are errors, and so is an archive that would expand beyond the limits of its `Unpack`.
"""

import errno
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import IO

from ..errors import ArchiveError, ModelMissingError, StorageError, UnsafeKey, UnsupportedOperation
from ..keys.paths import Tree, relative
from ..types import MiB, Unpack
from .entries import Archive, Entry, ExpansionLimits
from .tar_archive import tar_entries
from .zip_archive import MAGIC, MAGIC_LENGTH, zip_entries

__all__ = ["MakeRoom", "unpack"]

MakeRoom = Callable[[int], int]
"""Makes room on the disk for so many bytes in total; returns for how many there is room now, which may be more."""

# A step ends after this many bytes, or this many entries.
_STEP = 32 * MiB
_STEP_ENTRIES = 256

# Bytes that the end of a file occupies beyond its size, at most, on most disks.
_BLOCK = 4096

# What the parsers of the supported Python versions raise for damaged input.
_PARSER_ERRORS = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, LookupError, OverflowError,
    RecursionError,
)  # fmt: skip


def unpack(
    archive: Archive,
    target: str,
    wanted: Callable[[str], bool] = lambda _: True,
    limits: Unpack = Unpack(),  # noqa: B008 - a value
    make_room: MakeRoom | None = None,
) -> Generator[int]:
    """Unpack an archive into a new directory, one step for each `next`.

    Args:
        archive: The archive; its format is detected from its first bytes, not its name.
        target: Path of the directory, which must not exist. After a failure it holds some of the files.
        wanted: Whether to unpack a path, relative to the archive's root; paths of directories end in "/".
        limits: How many entries and bytes the archive may expand to.
        make_room: Called before more bytes are written than it has made room for. None: there is always room.

    Yields:
        Bytes unpacked so far.

    Raises:
        ArchiveError: It is not an archive, is damaged or encrypted, or exceeds the limits.
        UnsafeKey: An entry is outside the target, is a link or a device, or has the path of another entry.
        UnsupportedOperation: The compression method is not supported.
        ModelMissingError: `wanted` is False for every entry.
        OSError: A file could not be written.
        StorageError: There is no room.
    """
    try:
        with closing(_entries(archive, ExpansionLimits(limits, archive))) as entries:
            yield from _write(entries, target, wanted, _Space(make_room))
    except StorageError:
        raise
    except NotImplementedError as error:
        raise UnsupportedOperation(f"the archive cannot be read: {error}") from None
    except _PARSER_ERRORS as error:
        raise ArchiveError(f"the archive is damaged: {error}") from None
    except OSError as error:
        if error.errno != errno.EINVAL or error.filename is not None:
            raise
        raise ArchiveError("the archive is damaged: an entry starts before the file") from None  # zipfile's seek


def _entries(archive: Archive, limits: ExpansionLimits) -> Generator[Entry | None]:
    if archive.reader.peek(MAGIC_LENGTH)[:MAGIC_LENGTH] in MAGIC:
        with archive.random_access() as file:
            yield from zip_entries(file, limits)
    else:
        yield from tar_entries(archive.reader, limits)


class _Space:
    """Counts the bytes that files occupy, before they are written.

    Args:
        make_room: As for `unpack`.
    """

    def __init__(self, make_room: MakeRoom | None) -> None:
        self._make_room = make_room
        self._used = self._room = 0

    def add(self, size: int) -> None:
        self._used += size
        if self._make_room is not None and self._used > self._room:
            self._room = self._make_room(self._used)


def _write(
    entries: Iterator[Entry | None], target: str, wanted: Callable[[str], bool], space: _Space
) -> Generator[int]:
    tree = Tree()
    done = reported = unpacked = skipped = 0
    os.mkdir(target)
    for number, entry in enumerate(entries):
        if number % _STEP_ENTRIES == 0:
            yield done
        if entry is None:  # only time has passed
            continue
        path = _relative_path(entry.name)
        write = wanted(f"{path}/" if entry.body is None else path)
        unpacked, skipped = unpacked + write, skipped + (not write)
        destination = os.path.join(target, path)
        if entry.body is None:
            if write:
                with _conflicts(entry.name):
                    os.makedirs(destination, exist_ok=True)
            continue
        file: IO[bytes] | None = None
        if write:
            _reserve(tree, path)
            space.add(_BLOCK)
            with _conflicts(entry.name):
                file = _create(destination)
        with file or nullcontext():
            for chunk in entry.body:
                if file is not None:
                    space.add(len(chunk))
                    file.write(chunk)
                done += len(chunk)
                if done - reported >= _STEP:
                    reported = done
                    yield done
    if skipped and not unpacked:
        raise ModelMissingError(target, cause=f"none of the archive's {skipped} entries match the patterns")


def _relative_path(name: str) -> str:
    """The path of an entry below the target; "" for the target itself.

    Raises:
        UnsafeKey: The path is outside the target, or cannot be a file name.
    """
    segments = [segment for segment in name.split("/") if segment not in {"", "."}]
    if name.startswith("/") or ".." in segments:
        raise UnsafeKey(f"the archive's entry {name!r} would be written outside the target directory")
    try:
        return relative("/".join(segments)) if segments else ""
    except UnsafeKey as error:
        raise UnsafeKey(f"in the archive, {error.cause}") from None


def _reserve(tree: Tree, path: str) -> None:
    """Add a file to the tree; raises UnsafeKey if its path conflicts with an earlier one."""
    if not path:
        raise UnsafeKey("the archive's root entry is a file, not a directory")
    try:
        tree.add(path, path)
    except UnsafeKey as error:
        raise UnsafeKey(f"in the archive, {error.cause}") from None


def _create(path: str) -> IO[bytes]:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666), "wb")


@contextmanager
def _conflicts(name: str) -> Iterator[None]:
    """Report a path that already exists as a conflict.

    The directory is new, so the path belongs to another entry, whose name is the same to the file system.
    """
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise UnsafeKey(f"the archive's entry {name!r} has the same path as another entry") from None
