"""The files of a commit, on the local disk: the pack that a server sends is unpacked into a temporary directory."""

import hashlib
import mmap
import os
import shutil
import stat
import tempfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...errors import LocalIOError, ServiceError, StorageError, TransportError
from ...frozen_dataclass import dataclass
from ...types import MiB
from . import lfs_pointer
from .pack_sizes import check_sizes

if TYPE_CHECKING:
    from dulwich.objects import Tree

__all__ = ["Checkout", "Commit", "StoredFile"]

# More files are taken for an attack: a few objects can describe billions.
_MOST_FILES = 1_000_000
_DEEPEST = 1000
_HASH_SIZE = 20
# Bytes of a file that is not in Git LFS: twice as many are held in memory.
_LARGEST = 256 * MiB


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a commit.

    Attributes:
        size: Size in bytes.
        sha256: SHA-256 of the content.
        path: Where the content is on the disk. None: in Git LFS, where the SHA-256 names it.
    """

    size: int
    sha256: str
    path: str | None


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit with its files.

    Attributes:
        sha: Its hash.
        date: When it was made.
        files: Path → file.
        left_out: Path → why it is not among the files, for links and submodules.
    """

    sha: str
    date: datetime | None
    files: dict[str, StoredFile]
    left_out: dict[str, str]


class Checkout:
    """A temporary directory for a pack and its files. All methods block.

    Args:
        parent: Where to create it. None: where the system has its temporary files.

    Raises:
        LocalIOError: It cannot be created.
    """

    def __init__(self, parent: str | None) -> None:
        from dulwich.object_store import DiskObjectStore  # noqa: PLC0415 - an extra, and slow to import

        self._stopped = threading.Event()
        # A pack ends with its hash: https://git-scm.com/docs/gitformat-pack
        self._hash, self._trailer = hashlib.sha1(usedforsecurity=False), b""
        try:
            self._directory = tempfile.mkdtemp(prefix="sealift-git-", dir=parent)
        except OSError as error:
            raise _no_space(error) from None
        # The annotation is for versions of dulwich that differ in their types.
        self._store: Any = DiskObjectStore.init(os.path.join(self._directory, "objects"))
        self._pack, self._commit_pack, _ = self._store.add_pack()

    def write(self, data: bytes) -> None:
        """Add the next bytes of the pack."""
        unhashed = self._trailer + data
        self._hash.update(unhashed[:-_HASH_SIZE])
        self._trailer = unhashed[-_HASH_SIZE:]
        try:
            self._pack.write(data)
        except OSError as error:
            raise _no_space(error) from None

    def unpack(self, sha: str) -> Commit:
        """Write the files of a commit, once the pack is complete.

        A file is held in memory while it is written. Git names all contents by their hashes, so these are verified.

        Args:
            sha: Hash of the commit, or of a tag of it.

        Raises:
            TransportError: The pack is damaged or incomplete. Retryable.
            ServiceError: It or one of its files is too large, or it describes no files.
        """
        from dulwich import errors, pack  # noqa: PLC0415

        broken = (
            errors.ChecksumMismatch, errors.FileFormatException, errors.ApplyDeltaError, pack.UnresolvedDeltas,
            zlib.error, AssertionError, BufferError, EOFError, KeyError, ValueError,
        )  # fmt: skip
        if self._trailer != self._hash.digest():
            raise _damaged()
        try:
            self._check_sizes()
            self._commit_pack()
            return self._unpack(sha.encode())
        except StorageError:  # some are a ValueError, too
            raise
        except broken:
            raise _damaged() from None
        except OSError as error:
            raise _no_space(error) from None

    def _check_sizes(self) -> None:
        self._pack.flush()
        with mmap.mmap(self._pack.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as pack:
            check_sizes(pack, _LARGEST, self._stopped.is_set)

    def _unpack(self, sha: bytes) -> Commit:
        named = self._store[sha]
        while named.type_name == b"tag":
            _, sha = named.object
            named = self._store[sha]
        if named.type_name != b"commit":
            raise ServiceError("the revision is not a commit")
        written: dict[bytes, StoredFile] = {}
        files: dict[str, StoredFile] = {}
        links: dict[str, bytes] = {}
        left_out: dict[str, str] = {}
        for path, mode, blob in self._entries(self._store[named.tree]):
            if self._stopped.is_set():
                raise TransportError("interrupted")
            if stat.S_ISLNK(mode):
                links[path] = self._store[blob].as_raw_string()
            elif stat.S_ISREG(mode):
                if blob not in written:
                    written[blob] = self._write(blob)
                files[path] = written[blob]
            else:
                left_out[path] = "is a submodule, which is another repository"
        for path, target in links.items():
            linked = files.get(_resolved(path, target, links))
            if linked is None:
                left_out[path] = "is a symbolic link that leads to no file of the repository"
            else:
                files[path] = linked
        return Commit(sha.decode(), _date(named.commit_time), files, left_out)

    def _entries(self, tree: "Tree") -> Iterator[tuple[str, int, bytes]]:
        """The path, mode and hash of each entry of a tree that is not a tree itself."""
        pending = [("", tree, 1)]
        count = 0
        while pending:
            below, tree, depth = pending.pop()
            for entry in tree.iteritems():
                count += 1
                if count > _MOST_FILES or depth > _DEEPEST:
                    raise ServiceError(f"the commit has more than {_MOST_FILES} files, or too many directories")
                name = entry.path.decode(errors="surrogateescape")
                if not name or "/" in name or name in {".", ".."}:
                    raise ServiceError("a tree of the repository has an invalid file name")
                if stat.S_ISDIR(entry.mode):
                    pending.append((f"{below}{name}/", self._store[entry.sha], depth + 1))
                else:
                    yield below + name, entry.mode, entry.sha

    def _write(self, blob: bytes) -> StoredFile:
        """Write a file, unless it is a pointer to one in Git LFS."""
        data: bytes = self._store[blob].as_raw_string()
        pointer = lfs_pointer.parse(data)
        if pointer is not None:
            return StoredFile(pointer.size, pointer.sha256, None)
        path = os.path.join(self._directory, blob.decode())
        with open(path, "wb") as file:
            file.write(data)
        return StoredFile(len(data), hashlib.sha256(data).hexdigest(), path)

    def stop(self) -> None:
        """Make `unpack` end soon; called while it runs."""
        self._stopped.set()

    def remove(self) -> None:
        """Delete the directory."""
        with suppress(OSError):  # what is not written yet is not needed
            self._pack.close()
        self._store.close()
        shutil.rmtree(self._directory, ignore_errors=True)


def _resolved(path: str, target: bytes, links: dict[str, bytes]) -> str:
    """The path to which a link leads, through other links; "": none in the repository."""
    for _ in range(40):  # as many as Linux follows
        text = target.decode(errors="surrogateescape")
        joined = os.path.normpath(os.path.join(os.path.dirname(path), text))
        if text.startswith("/") or joined.startswith("../"):
            return ""
        if joined not in links:
            return joined
        path, target = joined, links[joined]
    return ""


def _date(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _damaged() -> TransportError:
    return TransportError("the objects that the Git server sent are damaged or incomplete", retryable=True)


def _no_space(error: OSError) -> LocalIOError:
    reason = error.strerror or "it is not writable"
    return LocalIOError(
        f"the files of the Git repository cannot be unpacked in the temporary directory: {reason}",
        hint="set TMPDIR to a directory with enough space",
    )
