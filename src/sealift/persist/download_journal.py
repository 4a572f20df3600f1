"""The journal of a download: which bytes of which objects are on disk, so that a killed download can be resumed.

One file per download, in the work directory, beside its partial files. Each line is a claim about bytes that have been
written (`journal_claims.py`; lines for small files are written in batches). A claim is not trusted: the download that
resumes reads the bytes back and compares their CRC. So a torn line, a lost page or a modified file costs a second
fetch, no more.

    complete <request> <size>            the last line of a journal that is removed because its download is complete

Everything but `fingerprint` blocks. A lock keeps two callers, of one or several processes, from sharing a journal: the
second one waits for the first, keeps the file open meanwhile, and sees by the last line whether anything is left to do.
Where file locks are unreliable (some network file systems), both write identical bytes to the same places.
"""

import hashlib
import os
import re
import threading
from contextlib import suppress

from ..types import KiB
from . import file_locks
from .download_leftovers import discard, remove_leftovers
from .journal_claims import Claim, Claims, line

__all__ = ["Claim", "Journal", "fingerprint"]

# Compiled when it is used, as few downloads wait for another one.
_COMPLETE = rb"complete ([0-9a-f]{16}) ([0-9a-f]{1,16})\n"
# Bytes of small files whose lines are written in one batch: a write per file costs as much as all its other work.
_BATCH = 256 * KiB
_LAST_LINE = 64  # bytes, at least as long as one


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
        request: A `fingerprint` of what else distinguishes this call from others for this source and destination. "":
            the call cannot use what another one has completed.
        exclusive: Whether to wait for another caller that has locked the journal. False: the caller has another way to
            know that it may continue the download, even if the process that has the lock was stopped.

    Attributes:
        path: Path of the journal.
        tree: Path where a new target directory is assembled before it is published as a whole.
        size: Bytes of its objects; set by the caller.
        completed: Bytes of the objects if another caller has completed the same request, so that nothing is left to
            do; set by `open`.
    """

    def __init__(self, directory: str, name: str, *, many: bool, request: str = "", exclusive: bool = True) -> None:
        self.tree = os.path.join(directory, f"{name}.tree")
        self.size = 0
        self.completed: int | None = None
        self.many = many
        self._request = request
        self._exclusive = exclusive
        self._directory = directory
        self._name = name
        self.path = os.path.join(directory, f"{name}.journal")
        self._open_lock = threading.Lock()
        self._descriptor = -1
        self._awaited = -1  # the journal of another caller
        self._claims = Claims()  # written by earlier processes
        self._recorded = False  # whether this process has written any about finished files
        self._objects: dict[str, str] = {}  # of files that are not finished
        self._claimed: set[str] = set()  # those of these files that this process has written claims about
        self._partials: dict[str, set[str]] = {}
        self._write_lock = threading.Lock()
        self._lines: list[str] = []  # not written yet
        self._unwritten = 0  # bytes that these lines are about

    def open(self) -> bool:
        """Open and lock the journal, and read the claims of an earlier process; may be called again.

        Returns:
            Whether this caller has the journal. False: another one has `completed` the request, or is running the same
            download, until which has ended this one reads and records nothing.

        Raises:
            FileNotFoundError: The work directory does not exist.
        """
        with self._open_lock:
            while self._descriptor < 0 and self.completed is None:
                if self._awaited < 0:
                    self._awaited = file_locks.open_file(self.path)
                try:
                    file_locks.lock(self._awaited, required=False)
                except BlockingIOError:
                    if self._exclusive:
                        return False
                self._take_over()
            return self._descriptor >= 0

    @property
    def temporary_prefix(self) -> str:
        """How the names of temporary files begin that the next owner of the journal may remove; "": it is not open."""
        return f"{self._name}-" if self._descriptor >= 0 else ""

    def _take_over(self) -> None:
        """Continue with a journal that was just locked, unless its owner has removed it."""
        descriptor, self._awaited = self._awaited, -1
        if file_locks.is_at(descriptor, self.path):
            self._descriptor = descriptor
            self._read()
            remove_leftovers(self._directory, self._name)
            return
        try:
            end = os.fstat(descriptor).st_size
            found = re.search(_COMPLETE + rb"\Z", os.pread(descriptor, _LAST_LINE, max(0, end - _LAST_LINE)))
        finally:
            file_locks.release(descriptor)
        if found and self._request and found[1] == self._request.encode():
            self.completed = int(found[2], 16)

    def _read(self) -> None:
        with open(self._descriptor, "rb", closefd=False) as journal:
            self._claims = Claims(journal)
            torn = bool(journal.tell()) and os.pread(self._descriptor, 1, journal.tell() - 1) != b"\n"
        if torn:  # start the next line on a line of its own
            os.write(self._descriptor, b"\n")
        for entry in os.listdir(self._directory):
            if entry.startswith(f"{self._name}-"):
                self._partials.setdefault(entry.split("-")[1], set()).add(entry)

    def discard_tree(self) -> None:
        """Remove what an earlier run has left in `tree`."""
        discard(self.tree)

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
            The path; None: the file was not declared by `expect`, or another caller has the journal.
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
        if (obj := self._objects.pop(key, None)) in self._claimed:
            self._claimed.discard(obj)
            self._recorded = True

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

    def close(self, *, keep: bool, complete: bool = False) -> None:
        """Close the journal, and remove the files of the download unless it can be resumed.

        Args:
            keep: Keep them for a later download to resume, if there are any claims.
            complete: The download is complete: tell callers that wait for it.
        """
        if self._awaited >= 0:
            os.close(self._awaited)
            self._awaited = -1
        if self._descriptor < 0:
            return
        if complete and self._request:
            os.write(self._descriptor, f"complete {self._request} {self.size:x}\n".encode())
        # If others may have continued the download meanwhile, its files may be theirs.
        if keep and (self._claims or self._claimed or self._recorded or not self._exclusive):
            self._write_lines()
        else:
            discard(self.tree)
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
