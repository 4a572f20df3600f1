"""Which bytes of which objects have landed, so that a download which was killed goes on where it was.

One file per download, in the dot directory, beside the partial files that it tells of. A line is written after the
bytes it tells of (those of small files a few at once), and is only a claim: whoever goes on reads the bytes back and
compares their CRC. So a torn line, a lost page or a file that somebody has changed costs a second fetch, no more.

    <object> <start> <length> <CRC>      all in hex; a length of 0 takes back what was said of the object before

Everything but `fingerprint` is blocking. A lock keeps two processes from sharing a journal; where locks lie (some
network file systems) both write the same bytes to the same places.
"""

import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ..types import KiB
from . import file_locks

__all__ = ["Claim", "Journal", "fingerprint"]

_LINE = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{1,16}) ([0-9a-f]{1,16}) ([0-9a-f]{8})")
_OWN = re.compile(r"[0-9a-f]{16}(\.journal|\.tree(-[0-9a-f]{16})?|(-[0-9a-f]{16}){2}\.part|-\d+\.part)")
# Bytes of small files that no line may tell of yet: a write for each costs as much as all else that is done for it.
_UNTOLD = 256 * KiB
# Seconds after which what nobody goes on with is removed; as long as a bucket's lifecycle usually gives an upload.
_KEPT = 7 * 24 * 3600.0


def fingerprint(*facts: object) -> str:
    """A name for what these facts tell apart.

    Example:
        >>> fingerprint("s3://bucket/key", '"etag"') == fingerprint("s3://bucket/key", '"etag2"')
        False
    """
    text = "\0".join(map(str, facts))
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Claim:
    """Some bytes of an object have landed.

    Attributes:
        start: Of the first, within the object.
        length: How many.
        crc: Their checksum, in hex.
    """

    start: int
    length: int
    crc: str


class Journal:
    """The journal of one download, and the names of all that it keeps in the dot directory.

    Args:
        directory: The dot directory.
        name: Of the download: a `fingerprint` of where the objects come from and go to.
        many: Whether the download goes on after a file is whole, so that this is worth a line.

    Attributes:
        tree: Where a directory grows that appears as a whole.
        taken: Whether it has turned out, in `begin`, that another process is at the same download.
    """

    def __init__(self, directory: str, name: str, *, many: bool) -> None:
        self.tree = os.path.join(directory, f"{name}.tree")
        self.taken = False
        self.many = many
        self._directory = directory
        self._name = name
        self._path = os.path.join(directory, f"{name}.journal")
        self._beginning = threading.Lock()
        self._begun = False
        self._descriptor = -1
        self._claims: dict[str, dict[int, Claim]] = {}  # of earlier processes
        self._noted: set[str] = set()  # objects of which this one has said something
        self._objects: dict[str, str] = {}
        self._partials: dict[str, set[str]] = {}
        self._writing = threading.Lock()
        self._lines: list[str] = []
        self._untold = 0

    def begin(self) -> bool:
        """Read what an earlier process has noted; may be called again.

        Returns:
            Whether it is ours. If it is `taken`, nothing is read, noted or named here.

        Raises:
            FileNotFoundError: There is no dot directory.
        """
        with self._beginning:
            if not self._begun:
                try:
                    self._descriptor = file_locks.acquire(self._path, required=False)
                except BlockingIOError:
                    self.taken = True
                self._begun = True
                if not self.taken:
                    self._read()
                    _sweep(self._directory)
            return self._descriptor >= 0

    def _read(self) -> None:
        line = "\n"
        with open(self._descriptor, encoding="ascii", errors="replace", newline="\n", closefd=False) as lines:
            for line in lines:
                if found := _LINE.fullmatch(line.removesuffix("\n")):
                    claim = Claim(int(found[2], 16), int(found[3], 16), found[4])
                    if claim.length:
                        self._claims.setdefault(found[1], {})[claim.start] = claim
                    else:
                        self._claims.pop(found[1], None)
        if not line.endswith("\n"):  # torn: what comes next shall not be
            os.write(self._descriptor, b"\n")
        for entry in os.listdir(self._directory):
            if entry.startswith(f"{self._name}-"):
                self._partials.setdefault(entry.split("-")[1], set()).add(entry)

    def expect(self, key: str, obj: str) -> None:
        """Say which object a key's file is to hold; without it nothing is noted of it.

        Args:
            key: The file's path below the target directory.
            obj: A `fingerprint` of the object and its version.
        """
        self._objects[key] = obj

    def partial(self, key: str) -> str | None:
        """Where a key's file grows, beside nothing of an older version.

        Returns:
            None: It was not said what the file is to hold, or another process is at the same download.
        """
        obj = self._objects.get(key)
        if obj is None or not self.begin():
            return None
        path = fingerprint(key)
        name = f"{self._name}-{path}-{obj}.part"
        for stale in self._partials.pop(path, set()) - {name}:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self._directory, stale))
        return os.path.join(self._directory, name)

    def claim(self, key: str, start: int) -> Claim | None:
        """What is said of the bytes of a key's file from `start` on."""
        return self._claims.get(self._objects.get(key, ""), {}).get(start)

    def whole(self, key: str, size: int) -> list[Claim]:
        """The claims that make up a key's whole file, in order; none if some are missing.

        Args:
            key: The file's path below the target directory.
            size: Of the file, in bytes.
        """
        claims = self._claims.get(self._objects.get(key, ""), {})
        found, end = [], 0
        while end < size and (claim := claims.get(end)) is not None:
            found.append(claim)
            end += claim.length
        return found if end == size else []

    def add(self, key: str, claim: Claim) -> None:
        """Note that bytes have landed; after they have been written."""
        if (obj := self._objects.get(key)) is not None and self._descriptor >= 0:
            self._noted.add(obj)
            self._write(obj, claim)

    def forget(self, key: str) -> None:
        """Take back what was said of a key's file."""
        obj = self._objects.get(key, "")
        if obj in self._claims or obj in self._noted:
            self._claims.pop(obj, None)
            self._noted.discard(obj)
            self._write(obj, Claim(0, 0, "00000000"))

    def _write(self, obj: str, claim: Claim) -> None:
        with self._writing:
            self._lines.append(f"{obj} {claim.start:x} {claim.length:x} {claim.crc}\n")
            self._untold += claim.length or _UNTOLD
            if self._untold >= _UNTOLD:
                self._flush()

    def tell(self) -> None:
        """Write what has been noted and not been told of yet."""
        with self._writing:
            if self._lines and self._descriptor >= 0:
                self._flush()

    def _flush(self) -> None:
        # One write, so that two processes whose locks lie do not mix their lines.
        os.write(self._descriptor, "".join(self._lines).encode())
        self._lines, self._untold = [], 0

    def close(self, *, keep: bool) -> None:
        """End it.

        Args:
            keep: Leave everything for a later download that goes on with it, if there is something.
        """
        if self._descriptor < 0:
            return
        if keep and (self._claims or self._noted):
            self._flush()
        else:
            _discard(self.tree)
            entries: list[str] = []
            with suppress(FileNotFoundError):  # another process has removed the directory, where locks lie
                entries += os.listdir(self._directory)
            for entry in entries:
                if entry.startswith(f"{self._name}-"):
                    with suppress(FileNotFoundError):
                        os.unlink(os.path.join(self._directory, entry))
            with suppress(FileNotFoundError):
                os.unlink(self._path)  # before the lock goes: who gets that then must see that it is gone
        file_locks.release(self._descriptor)
        self._descriptor = -1


def _sweep(directory: str) -> None:
    """Remove what downloads have left that nobody went on with."""
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):  # another process does the same, or is at this download
                if _OWN.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_mtime < time.time() - _KEPT:
                    with _unused(os.path.join(directory, f"{entry.name[:16]}.journal")):
                        if entry.is_dir(follow_symlinks=False):
                            _discard(entry.path)
                        else:
                            os.unlink(entry.path)


@contextmanager
def _unused(journal: str) -> Iterator[None]:
    """Keep others from a download, whose files may be old although it has just resumed.

    Raises:
        BlockingIOError: A process is at it.
    """
    try:
        descriptor = os.open(journal, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        yield
        return
    try:
        file_locks.take(descriptor, required=False)
        yield
    finally:
        os.close(descriptor)


def _discard(tree: str) -> None:
    """Remove a tree of files. It loses its name first: a process that still uses it, where locks lie, sees that."""
    directory, name = os.path.split(tree)
    aside = os.path.join(directory, f"{name[:16]}.tree-{secrets.token_hex(8)}")
    with suppress(FileNotFoundError):
        os.rename(tree, aside)
        shutil.rmtree(aside, ignore_errors=True)
