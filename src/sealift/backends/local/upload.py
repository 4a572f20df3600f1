"""A file on its way: in the dot directory until it is whole."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

import anyio

from ...errors import LocalIOError, ObjectChanged
from ...types import KiB, MiB, ObjectInfo, Part, Receipt
from .files import check_version, copy_range, info
from .place import Place

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


class LocalUpload:
    """A file in the dot directory; its methods without `async` are blocking and run on a disk thread."""

    token = ""

    def __init__(self, place: Place, run: Run, key: str, size: int | None) -> None:
        self.landed: Mapping[int, Receipt] = {}
        self._place = place
        self._run = run
        self._key = key
        self._size = size
        self._path = place.path(key)
        self._temporary: str | None = None
        self._descriptor = -1
        self._writing = anyio.Lock()

    def create(self, *, temporary: bool = True) -> None:
        self._temporary, self._descriptor = self._place.create(self._key, temporary=temporary)
        if self._size is not None and self._size >= MiB:
            # posix_fallocate would write every block where the file system lacks it, so ask for room and set the size.
            room = os.fstatvfs(self._descriptor)
            free = room.f_bavail * room.f_frsize
            if free < self._size:
                raise LocalIOError(
                    f"{self._path} needs {self._size} bytes, but its disk has only {free} bytes free",
                    hint="free some space or choose another directory",
                )
            os.ftruncate(self._descriptor, self._size)

    def write(self, start: int, data: memoryview) -> None:
        try:
            while data:
                count = os.pwrite(self._descriptor, data[:_PIECE], start)
                start += count
                data = data[count:]
        except OSError as error:
            error.filename = self._path  # the system knows the descriptor only
            raise

    def copy_from(self, source: str, obj: ObjectInfo, start: int) -> int:
        """Copy the next step of a file, inside the kernel where it can; returns how many bytes."""
        descriptor = os.open(source, os.O_RDONLY)
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

    def publish(self) -> os.stat_result:
        if self._temporary is None:  # called again: it went well before
            return os.stat(self._path)
        status = os.fstat(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1
        if self._temporary != self._path:
            self._place.inside.rename(self._temporary, status, self._key)
        self._temporary = None
        return status

    def remove(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._temporary is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._temporary)
            self._temporary = None

    async def write_part(self, part: Part, data: memoryview) -> Receipt:
        # One at a time: the kernel lets only one writer into a file, and the others burn CPU while they wait for it.
        async with self._writing:
            await self._run(lambda: self.write(part.start, data))
        return Receipt(part)

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        return info(self._key, await self._run(self.publish))

    async def abort(self) -> None:
        await self._run(self.remove)
