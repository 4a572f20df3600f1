"""A file on its way: in the dot directory until it is whole."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

import anyio

from ...contract import Upload
from ...errors import LocalIOError, ObjectChanged
from ...persist.download_journal import Claim
from ...persist.file_locks import is_at
from ...types import KiB, MiB, ObjectInfo, Part, Receipt
from .files import READ, check_version, copy_range, crc, crc_of, free_space, info, read_into, sync_file, taken_space
from .reserve import reserve
from .staging import Growing, Place

__all__ = ["LocalUpload", "Run"]

T = TypeVar("T")

# Bytes of one write. A larger one makes the kernel look for large contiguous pages, and on a virtual machine that gives
# its free memory back to the host it may wait for each of them, for several times what the write itself takes.
_PIECE = 256 * KiB
# A copy inside the kernel cannot be interrupted: this much of it at once, so that a cancelled call ends soon.
_COPY_STEP = 256 * MiB


class Run(Protocol):
    """Runs blocking work on a disk thread; an OSError becomes a StorageError."""

    async def __call__(self, function: Callable[[], T], /) -> T: ...


class LocalUpload(Upload):
    """A file in the dot directory; its methods without `async` are blocking and run on a disk thread."""

    token = ""

    def __init__(self, place: Place, run: Run, key: str, size: int | None) -> None:
        self._place = place
        self._run = run
        self._key = key
        self._size = size
        self._path = place.path(key)
        self._temporary: str | None = None
        self._resumable = False
        self._descriptor = -1
        self._writing = anyio.Lock()

    def create(self, *, temporary: bool = True) -> None:
        large = self._size is None or self._size >= MiB
        self._take(self._place.create(self._key, temporary=temporary, large=large))
        if self._size is not None and large:
            # Parts get their blocks as they come (`reserve`); that there is room for all is asked for at once.
            free = free_space(self._descriptor)
            needed = self._size - taken_space(os.fstat(self._descriptor))
            if free < needed:
                raise LocalIOError(
                    f"{self._path} needs {needed} bytes, but its disk has only {free} bytes free",
                    hint="free some space or choose another directory",
                )
            os.ftruncate(self._descriptor, self._size)

    def _take(self, file: Growing) -> None:
        self.close()
        self._temporary, self._descriptor, self._resumable = file

    def write(self, start: int, data: memoryview, *, noted: bool = True) -> Claim | None:
        """Write some bytes; returns what to `note` of them, if that is wanted and there is a journal."""
        running = crc_of(len(data)) if noted and self._place.journal is not None else None
        done = 0
        if len(data) > _PIECE:
            reserve(self._descriptor, start, len(data))
        try:
            while done < len(data):
                count = os.pwrite(self._descriptor, data[done : done + _PIECE], start + done)
                if running is not None:  # while these bytes are in the processor's cache
                    running.update(data[done : done + count])
                done += count
        except OSError as error:
            error.filename = self._path  # the system knows the descriptor only
            raise
        return None if running is None or not data else Claim(start, len(data), running.digest)

    def note(self, claim: Claim | None) -> None:
        """Say in the journal that some bytes have landed."""
        if self._place.journal is not None and claim is not None:
            self._place.journal.add(self._key, claim)

    def read_back(self, part: Part, claim: Claim, into: memoryview) -> bool:
        return read_into(self._descriptor, part.start, into) and crc(into) == claim.crc

    def copy_from(self, source: str, obj: ObjectInfo, start: int) -> int:
        """Copy the next step of a file, inside the kernel where it can; returns how many bytes."""
        descriptor = os.open(source, READ)
        try:
            check_version(obj, os.fstat(descriptor))
            count = copy_range(descriptor, self._descriptor, start, _COPY_STEP)
            check_version(obj, os.fstat(descriptor))
        except OSError as error:
            error.filename = f"{source} → {self._path}"
            raise
        finally:
            os.close(descriptor)
        if count == 0:
            raise ObjectChanged(f"{source} became shorter while it was copied")
        return count

    def publish(self) -> ObjectInfo:
        # Called again, it has its name from before.
        published = info(self._key, os.stat(self._path)) if self._temporary is None else self._named(self._temporary)
        if self._place.durable and not self._place.staged:
            self._place.settle(self._path)
        return published

    def _named(self, temporary: str) -> ObjectInfo:
        """Give the file its name; one that grew in its place has its version reported only if that is wanted."""
        if self._place.durable:
            sync_file(self._descriptor, self._path)
        if temporary == self._path:
            self._place.inside.ended(self._key, whole=True)
            published = ObjectInfo(self._key, self._size)
            if self._place.versions:
                published = info(self._key, os.fstat(self._descriptor))
        else:
            published = info(self._key, self._rename(temporary))
        self._temporary = None
        self.close()
        return published

    def _rename(self, temporary: str) -> os.stat_result:
        for _ in range(8):
            try:
                return self._place.inside.rename(temporary, self._descriptor, self._key, durable=self._place.durable)
            except FileNotFoundError:
                # Where locks lie, another process may have given the same partial file its name, or moved the tree.
                if is_at(self._descriptor, self._path):
                    return os.fstat(self._descriptor)
                if not os.path.lexists(temporary):
                    self._take(copy := self._place.copy_of(self._descriptor))
                    temporary = copy.path
        raise LocalIOError(f"{temporary} vanishes again and again")

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        self._place.inside.ended(self._key, whole=False)
        self.close()
        if self._temporary is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._temporary)
            self._temporary = None
            if self._place.journal is not None:
                self._place.journal.retract(self._key)

    def leave(self) -> None:
        if not self._resumable:
            self.remove()
        self.close()
        self._temporary = None

    async def write_part(self, part: Part, data: memoryview) -> Receipt:
        # One at a time: the kernel lets only one writer into a file, and the others burn CPU while they wait for it.
        def write() -> None:
            self.note(self.write(part.start, data))

        async with self._writing:
            await self._run(write)
        return Receipt(part)

    async def recall(self, part: Part, into: memoryview) -> bool:
        claim = None if self._place.journal is None else self._place.journal.claim(self._key, part.start)
        if claim is None or claim.length != part.size:  # found without a thread, as it mostly is so
            return False
        return await self._run(lambda: self.read_back(part, claim, into))

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        def publish() -> ObjectInfo:
            if self._place.journal is not None:
                self._place.journal.flush()  # of a last part that is short: without it, nobody takes the file for whole
            return self.publish()

        return await self._run(publish)

    async def abort(self) -> None:
        await self._run(self.remove)

    async def suspend(self) -> None:
        await self._run(self.leave)
