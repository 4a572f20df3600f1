"""The journal of a download: which bytes of which objects are on disk, so that a killed download can be resumed.

One file per download, in the work directory, beside its partial files. Each line is a claim about bytes that have been
written (`journal_claims.py`; lines for small files are written in batches). A claim is not trusted: the download that
resumes reads the bytes back and compares their CRC. So a torn line, a lost page or a modified file costs a second
fetch, no more.

Everything but `fingerprint` blocks. A lock keeps two processes from sharing a journal; where file locks are unreliable
(some network file systems), both processes write identical bytes to the same places.
"""

import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..types import KiB
from . import file_locks
from .journal_claims import Claim, Claims, line

__all__ = ["Claim", "Journal", "fingerprint"]

# Compiled when it is used, as few downloads find files of an earlier one.
_LEFTOVER = r"[0-9a-f]{16}(\.journal|\.tree(-[0-9a-f]{16})?|(-[0-9a-f]{16}){2}\.part|-\d+\.part)"
# Bytes of small files whose lines are written in one batch: a write per file costs as much as all its other work.
_BATCH = 256 * KiB
# Seconds after which leftovers that were not resumed are removed; as long as buckets usually keep unfinished uploads.
_MAX_AGE = 7 * 24 * 3600.0


def fingerprint(*facts: object) -> str:
    """A short hash that identifies these facts.

    Example:
        >>> fingerprint("s3://bucket/key", '"etag"') == fingerprint("s3://bucket/key", '"etag2"')
        False
    """
    text = "\0".join(map(str, facts))
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).hexdigest()


class Journal:
    """The journal of one download, and the paths of its files in the work directory.

    Args:
        directory: The work directory.
        name: Name of the download: a `fingerprint` of its source and destination.
        many: Whether the download has many files, so that completed files are recorded too.

    Attributes:
        path: Path of the journal.
        tree: Path where a new target directory is assembled before it is published as a whole.
        in_use: Whether another process is running the same download; set by `open`.
    """

    def __init__(self, directory: str, name: str, *, many: bool) -> None:
        self.tree = os.path.join(directory, f"{name}.tree")
        self.in_use = False
        self.many = many
        self._directory = directory
        self._name = name
        self.path = os.path.join(directory, f"{name}.journal")
        self._open_lock = threading.Lock()
        self._opened = False
        self._descriptor = -1
        self._claims = Claims()  # written by earlier processes
        self._recorded = False  # whether this process has written any
        self._objects: dict[str, str] = {}  # of files that are not finished
        self._claimed: set[str] = set()  # those that this process has written claims about
        self._partials: dict[str, set[str]] = {}
        self._write_lock = threading.Lock()
        self._lines: list[str] = []  # not written yet
        self._unwritten = 0  # bytes that these lines are about

    def open(self) -> bool:
        """Open and lock the journal, and read the claims of an earlier process; may be called again.

        Returns:
            Whether this process has the journal. If it is `in_use`, this one reads and records nothing.

        Raises:
            FileNotFoundError: The work directory does not exist.
        """
        with self._open_lock:
            if not self._opened:
                try:
                    self._descriptor = file_locks.acquire(self.path, required=False)
                except BlockingIOError:
                    self.in_use = True
                self._opened = True
                if not self.in_use:
                    self._read()
                    _remove_expired(self._directory)
            return self._descriptor >= 0

    def _read(self) -> None:
        with open(self._descriptor, "rb", closefd=False) as journal:
            self._claims = Claims(journal)
            torn = bool(journal.tell()) and os.pread(self._descriptor, 1, journal.tell() - 1) != b"\n"
        if torn:  # start the next line on a line of its own
            os.write(self._descriptor, b"\n")
        for entry in os.listdir(self._directory):
            if entry.startswith(f"{self._name}-"):
                path, _, obj = entry.removeprefix(f"{self._name}-").partition("-")
                if obj:
                    self._partials.setdefault(path, set()).add(entry)
                else:  # has a `temporary_name`
                    with suppress(FileNotFoundError):
                        os.unlink(os.path.join(self._directory, entry))

    def discard_tree(self) -> None:
        """Remove what an earlier run has left in `tree`, unless the journal is `in_use`."""
        if not self.in_use:
            _discard(self.tree)

    def expect(self, key: str, obj: str) -> None:
        """Declare which object a file will hold. Files that are not declared are not recorded.

        Args:
            key: Path of the file below the target directory.
            obj: A `fingerprint` of the object and its version.
        """
        self._objects[key] = obj

    def partial_path(self, key: str) -> str | None:
        """The path of a file's partial file. Removes partial files of other versions.

        Returns:
            The path; None: the file was not declared by `expect`, or the journal is `in_use`.
        """
        obj = self._objects.get(key)
        if obj is None or not self.open():
            return None
        path = fingerprint(key)
        name = f"{self._name}-{path}-{obj}.part"
        for stale in self._partials.pop(path, set()) - {name}:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self._directory, stale))
        return os.path.join(self._directory, name)

    def temporary_name(self, number: int) -> str | None:
        """The name of a temporary file that is not resumed. If this process is killed, the next one removes it.

        Args:
            number: A number that no other process uses.

        Returns:
            The name; None: the journal is `in_use`, or not open.
        """
        return f"{self._name}-{number}.part" if self._descriptor >= 0 else None

    def claim(self, key: str, start: int) -> Claim | None:
        """The claim about a file's bytes from `start` on; None: there is none."""
        return self._claims.of(self._objects[key]).get(start) if key in self._objects else None

    def file_claims(self, obj: str, size: int) -> list[Claim]:
        """The claims that cover a whole file, in order; empty if any part of it is missing.

        Args:
            obj: A `fingerprint` of the object and its version, as for `expect`.
            size: Size of the file in bytes.
        """
        return self._claims.cover(obj, size)

    def claims_file(self, obj: str, size: int) -> bool:
        """Whether `file_claims` returns any claims."""
        return self._claims.covers(obj, size)

    def add(self, key: str, claim: Claim) -> None:
        """Record a claim; call after the bytes have been written."""
        if (obj := self._objects.get(key)) is not None and self._descriptor >= 0:
            self._recorded = True
            self._claimed.add(obj)
            self._write(obj, claim)

    def retract(self, key: str) -> None:
        """Retract all claims about a file."""
        obj = self._objects.get(key)
        if obj is not None and (self._claims.retract(obj) or obj in self._claimed):
            self._claimed.discard(obj)
            self._write(obj, Claim(0, 0, "00000000"))

    def finish(self, key: str) -> None:
        """Forget a file that is complete and has its final name; nothing more is recorded about it."""
        if (obj := self._objects.pop(key, None)) is not None:
            self._claimed.discard(obj)

    def _write(self, obj: str, claim: Claim) -> None:
        with self._write_lock:
            self._lines.append(line(obj, claim))
            self._unwritten += claim.length or _BATCH
            if self._unwritten >= _BATCH:
                self._write_lines()

    def flush(self) -> None:
        """Write the claims that are waiting for a batch to fill."""
        with self._write_lock:
            if self._lines and self._descriptor >= 0:
                self._write_lines()

    def _write_lines(self) -> None:
        # A single write, so that two processes do not mix their lines where locks are unreliable.
        os.write(self._descriptor, "".join(self._lines).encode())
        self._lines, self._unwritten = [], 0

    def close(self, *, keep: bool) -> None:
        """Close the journal, and remove the files of the download unless it can be resumed.

        Args:
            keep: Keep them for a later download to resume, if there are any claims.
        """
        if self._descriptor < 0:
            return
        if keep and (self._claims or self._recorded):
            self._write_lines()
        else:
            _discard(self.tree)
            entries: list[str] = []
            with suppress(FileNotFoundError):  # another process has removed it, where locks are unreliable
                entries += os.listdir(self._directory)
            for entry in entries:
                if entry.startswith(f"{self._name}-"):
                    with suppress(FileNotFoundError):
                        os.unlink(os.path.join(self._directory, entry))
            with suppress(FileNotFoundError):
                os.unlink(self.path)  # before unlocking, so that the next owner sees that it is gone
        file_locks.release(self._descriptor)
        self._descriptor = -1


def _remove_expired(directory: str) -> None:
    """Remove leftovers of downloads that were not resumed in time."""
    oldest = time.time() - _MAX_AGE
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):  # another process removes it too, or is running this download
                if entry.stat(follow_symlinks=False).st_mtime < oldest and re.fullmatch(_LEFTOVER, entry.name):
                    with _locked(os.path.join(directory, f"{entry.name[:16]}.journal")):
                        if entry.is_dir(follow_symlinks=False):
                            _discard(entry.path)
                        else:
                            os.unlink(entry.path)


@contextmanager
def _locked(journal: str) -> Iterator[None]:
    """Lock a download's journal, if it has one: its files may be old although it was just resumed.

    Raises:
        BlockingIOError: Another process is running the download.
    """
    try:
        descriptor = os.open(journal, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        yield
        return
    try:
        file_locks.lock(descriptor, required=False)
        yield
    finally:
        os.close(descriptor)


def _discard(tree: str) -> None:
    """Remove a directory tree. It is renamed first, so that a process that still uses it notices: locks may be
    unreliable.
    """
    directory, name = os.path.split(tree)
    aside = os.path.join(directory, f"{name[:16]}.tree-{os.urandom(8).hex()}")
    with suppress(FileNotFoundError):
        os.rename(tree, aside)
        import shutil  # noqa: PLC0415 - most downloads leave no tree

        shutil.rmtree(aside, ignore_errors=True)
