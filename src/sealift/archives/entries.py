"""What the readers of tar and zip yield, and the limits that both keep."""

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from ..errors import ArchiveError, UnsafeKey
from ..frozen_dataclass import dataclass
from ..types import KiB, MiB, Unpack
from .zip_stream import ZipStream

__all__ = ["CHUNK", "Archive", "Entry", "ExpansionLimits", "unsupported_kind"]

CHUNK = 256 * KiB
"""Bytes of a file that are read and written at once: larger writes cost more CPU time on ext4."""

# Any archive may expand to this size, whatever the ratio.
_ALWAYS_ALLOWED = 64 * MiB

_HINT = "to allow more: unpack=Unpack(…)"


class Archive(Protocol):
    """An archive that can be read once, in order.

    Attributes:
        reader: Its bytes.
    """

    reader: io.BufferedReader

    @property
    def size(self) -> int:
        """Its size in bytes; while that is unknown, how many have been read."""

    def random_access(self) -> AbstractContextManager[ZipStream]:
        """Open it as a zip archive; `reader` must not be used afterwards."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or directory in an archive.

    Attributes:
        name: Its name as stored in the archive.
        body: Its content in chunks; None: a directory.
    """

    name: str
    body: Iterator[bytes] | None


class ExpansionLimits:
    """Counts the entries and bytes of an archive, and raises when they exceed the limits.

    Args:
        limits: The limits.
        archive: The archive.
    """

    def __init__(self, limits: Unpack, archive: Archive) -> None:
        self.limits = limits
        self._archive = archive
        self._entries = 0
        self._bytes = 0

    def announce(self, size: int) -> None:
        """Count an entry before it is read.

        Args:
            size: Bytes still to come up to the end of this entry, according to the archive.
        """
        self._entries += 1
        if self._entries > self.limits.entries:
            raise ArchiveError(f"the archive has more than {self.limits.entries:,} entries", hint=_HINT)
        self._check(self._bytes + size)

    def count(self, size: int) -> None:
        """Count bytes that were read."""
        self._bytes += size
        self._check(self._bytes)

    def _check(self, total: int) -> None:
        if total > self.limits.size:
            raise ArchiveError(f"the archive expands to more than {self.limits.size:,} bytes", hint=_HINT)
        if total > _ALWAYS_ALLOWED and total > self._archive.size * self.limits.ratio:
            packed, ratio = self._archive.size, f"{self.limits.ratio:g}"
            raise ArchiveError(
                f"the archive of {packed:,} bytes expands to more than {ratio} times its size", hint=_HINT
            )


def unsupported_kind(name: str, kind: str) -> UnsafeKey:
    """The error for an entry that is neither a file nor a directory."""
    return UnsafeKey(f"the archive's entry {name!r} is {kind}", hint="only files and directories are unpacked")
