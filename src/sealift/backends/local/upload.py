"""Writing a file in the work directory and renaming it when it is complete."""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol, TypeVar

from ...contract import Upload
from ...errors import LocalIOError, ObjectChanged
from ...lane_contract import ByteCount, FileRange
from ...persist.download_journal import Claim
from ...persist.file_locks import is_at
from ...runtime.reserve import reserve
from ...types import KiB, MiB, ObjectInfo, Part, Receipt
from .file_sink import FileSink
from .files import READ, check_version, copy_range, crc, crc_of, free_space, info, read_into, sync_file, taken_space
from .sparse import copy_hole, data_length
from .staging import PartialFile, StagingDirectory

__all__ = ["WRITE_SIZE", "LocalUpload", "Run"]

T = TypeVar("T")

# Bytes per write. For larger writes the kernel looks for large contiguous pages; on a virtual machine with memory
# ballooning it may wait for each of them, several times longer than the write itself takes.
WRITE_SIZE = 256 * KiB
# Bytes per copy_file_range call, which cannot be interrupted: a cancelled copy ends soon.
_COPY_STEP = 256 * MiB


class Run(Protocol):
    """Runs blocking work on a disk thread; an OSError becomes a StorageError."""

    async def __call__(self, function: Callable[[], T], /) -> T: ...


class LocalUpload(Upload):
    """A file being written in the work directory. Methods without `async` block and run on a disk thread."""

    token = ""
    writes_ranges = True

    def __init__(
        self, staging: StagingDirectory, run: Run, key: str, size: int | None, *, overwrite: bool = True
    ) -> None:
        self._overwrite = overwrite
        self._staging = staging
        self._run = run
        self._key = key
        self._size = size
        self._path = staging.path(key)
        self._temporary: str | None = None
        self._resumable = False
        self._descriptor = -1
        self._writing = asyncio.Lock()
        self._mode: int | None = None  # of a new file; None: by the umask

    def create(self, *, temporary: bool = True, resumable: bool = True) -> None:
        large = self._size is None or self._size >= MiB
        self._take(self._staging.create(self._key, temporary=temporary, large=large, resumable=resumable))
        if self._size is not None and large:
            # Parts reserve their own blocks (`reserve`); check for space for all of them first.
            free = free_space(self._descriptor)
            needed = self._size - taken_space(os.fstat(self._descriptor))
            if free < needed:
                raise LocalIOError(
                    f"{self._path} needs {needed} bytes, but its disk has only {free} bytes free",
                    hint="free some space or choose another directory",
                )
            os.ftruncate(self._descriptor, self._size)

    def _take(self, file: PartialFile) -> None:
        self.close()
        self._temporary, self._descriptor, self._resumable = file

    def write(self, start: int, data: memoryview, *, noted: bool = True) -> Claim | None:
        """Write bytes at an offset; return the claim to `note` in the journal, if `noted` and there is a journal."""
        running = crc_of(len(data)) if noted and self._staging.journal is not None else None
        done = 0
        if len(data) > WRITE_SIZE:
            reserve(self._descriptor, start, len(data))
        try:
            while done < len(data):
                count = os.pwrite(self._descriptor, data[done : done + WRITE_SIZE], start + done)
                if running is not None:  # while these bytes are in the CPU cache
                    running.update(data[done : done + count])
                done += count
        except OSError as error:
            error.filename = self._path  # the OSError has only the descriptor
            raise
        return None if running is None or not data else Claim(start, len(data), running.digest)

    def note(self, claim: Claim | None) -> None:
        """Record written bytes in the journal."""
        if self._staging.journal is not None and claim is not None:
            self._staging.journal.add(self._key, claim)

    def read_back(self, part: Part, claim: Claim, into: memoryview) -> bool:
        return read_into(self._descriptor, part.start, into) and crc(into) == claim.crc

    def copy_from(self, source: str, obj: ObjectInfo, start: int) -> int:
        """Copy the next bytes of a file, in the kernel if possible, or a hole of it; return how many."""
        descriptor = os.open(source, READ)
        try:
            check_version(obj, os.fstat(descriptor))
            size = os.fstat(descriptor).st_size
            count = copy_hole(descriptor, self._descriptor, start, size) or copy_range(
                descriptor, self._descriptor, start, data_length(descriptor, start, _COPY_STEP)
            )
            check_version(obj, os.fstat(descriptor))
        except OSError as error:
            error.filename = f"{source} → {self._path}"
            raise
        finally:
            os.close(descriptor)
        if count == 0:
            raise ObjectChanged(f"{source} was truncated while it was copied")
        return count

    def copy_attributes(self, source: str) -> None:
        """Give the file the times of another one, and its permission bits unless it replaces a file."""
        status = os.stat(source)
        os.utime(self._descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
        self._mode = status.st_mode & 0o777

    def publish(self) -> ObjectInfo:
        # On a second call the file already has its final name.
        published = info(self._key, os.stat(self._path)) if self._temporary is None else self._finalize(self._temporary)
        if self._staging.durable and not self._staging.staged:
            self._staging.sync_names(self._path)
        return published

    def _finalize(self, temporary: str) -> ObjectInfo:
        """Publish the file under its final name. For a file written in place, report the version only if requested."""
        self._mark()
        if self._staging.durable:
            sync_file(self._descriptor, self._path)
        if temporary == self._path:
            self._staging.confined.finish(self._key, complete=True)
            published = ObjectInfo(self._key, self._size)
            if self._staging.versions:
                published = info(self._key, os.fstat(self._descriptor))
        else:
            published = info(self._key, self._rename(temporary))
        self._temporary = None
        self.close()
        if self._staging.origins is not None:
            self._staging.origins.forget(self._key)
        return published

    def _mark(self) -> None:
        if self._staging.origins is not None:
            self._staging.origins.mark(self._key, self._descriptor)

    def _rename(self, temporary: str) -> os.stat_result:
        for _ in range(8):
            try:
                return self._staging.confined.rename(
                    temporary,
                    self._descriptor,
                    self._key,
                    durable=self._staging.durable,
                    mode=self._mode,
                    overwrite=self._overwrite or self._staging.staged,  # of an earlier run of this call
                )
            except FileNotFoundError:
                # Where file locks are unreliable, another process may have renamed this file, or moved the tree.
                if is_at(self._descriptor, self._path):
                    return os.fstat(self._descriptor)
                if not os.path.lexists(temporary):
                    self._take(copy := self._staging.copy_of(self._descriptor))
                    temporary = copy.path
                    self._mark()
        raise LocalIOError(f"other processes keep removing {temporary}")

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        self._staging.confined.finish(self._key, complete=False)
        self.close()
        if self._temporary is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._temporary)
            self._temporary = None
            if self._staging.journal is not None:
                self._staging.journal.retract(self._key)

    def leave(self) -> None:
        if not self._resumable:
            self.remove()
        self.close()
        self._temporary = None

    def file_range(self, part: Part, piece: memoryview, algorithm: str | None) -> FileSink:
        journal = self._staging.journal
        claim = None if journal is None else partial(journal.add, self._key)
        return FileSink(self._path, self._descriptor, part, piece, algorithm, claim)

    async def recall_range(self, part: Part, sink: FileRange) -> bool:
        journal, claims, end = self._staging.journal, list[Claim](), part.start
        while journal is not None and (claim := journal.claim(self._key, end)) is not None:
            end += claim.length
            if end > part.start + part.size:
                break
            claims.append(claim)
        if not claims:  # the usual case, checked without a thread
            return False
        assert isinstance(sink, FileSink)  # noqa: S101 - for mypy: from `file_range`
        return await self._run(lambda: sink.recall(claims))

    async def write_part(self, part: Part, data: memoryview, sent: ByteCount | None = None) -> Receipt:
        # One at a time: the kernel serializes writes to a file, and waiting writers burn CPU.
        def write() -> None:
            self.note(self.write(part.start, data))

        async with self._writing:
            await self._run(write)
        return Receipt(part)

    async def recall(self, part: Part, into: memoryview) -> bool:
        claim = None if self._staging.journal is None else self._staging.journal.claim(self._key, part.start)
        if claim is None or claim.length != part.size:  # the usual case, checked without a thread
            return False
        return await self._run(lambda: self.read_back(part, claim, into))

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        def publish() -> ObjectInfo:
            journal = self._staging.journal
            if journal is not None:
                # Flush the entry of a short last part, without which the file counts as incomplete.
                journal.flush()
            published = self.publish()
            if journal is not None:
                journal.finish(self._key)
            return published

        return await self._run(publish)

    async def abort(self) -> None:
        await self._run(self.remove)

    async def suspend(self) -> None:
        await self._run(self.leave)
