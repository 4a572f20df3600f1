"""The destination of an archive: a directory in which it is unpacked while it arrives."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

from ..backends.local import LocalBackend, as_storage_error
from ..contract import Upload
from ..integrity.checksums import Turns
from ..lane_contract import ByteCount
from ..runtime.disk_threads import DiskThreads
from ..runtime.shielded import shielded
from ..types import ObjectInfo, Part, Receipt, Unpack
from ..types.properties import NO_PROPERTIES, Properties
from .archive_stream import ArchiveStream, ReadRange
from .unpack import MakeRoom, unpack

__all__ = ["ArchiveTarget"]


class ArchiveTarget(LocalBackend):
    """Unpacks the object that is written to it. The archive itself is not stored.

    Args:
        root: The directory that receives the entries; removed first if it exists. It is complete when the object is.
        directory: The directory that holds it, for temporary files.
        disk: Threads for blocking work.
        wanted: Which entries to unpack, as in `unpack`.
        limits: How many entries and bytes the archive may expand to.
        read_range: Reads a range of the archive from its source. None: the source has no ranges.
        make_room: As in `unpack`; called in a thread.
    """

    def __init__(
        self,
        root: str,
        directory: str,
        disk: DiskThreads,
        wanted: Callable[[str], bool],
        limits: Unpack,
        read_range: ReadRange | None,
        make_room: MakeRoom | None = None,
    ) -> None:
        super().__init__(root, disk, state=directory)
        self.capabilities = replace(self.capabilities, server_copy=False)
        self.small_objects = None
        self._root = root
        self._directory = directory
        self._wanted = wanted
        self._limits = limits
        self._read_range = read_range
        self._make_room = make_room

    def _unpack(self, stream: ArchiveStream) -> None:
        with as_storage_error(None):
            shutil.rmtree(self._root, ignore_errors=True)  # of an earlier attempt, or a process that was killed
            with closing(unpack(stream, self._root, self._wanted, self._limits, self._make_room)) as steps:
                for _ in steps:
                    stream.check()

    async def put(
        self,
        key: str,
        data: memoryview,
        properties: Properties = NO_PROPERTIES,
        *,
        overwrite: bool = True,
        sent: ByteCount | None = None,
    ) -> ObjectInfo:
        async def read_range(start: int, length: int) -> bytes:
            return bytes(data[start : start + length])

        upload = self._start(key, len(data), read_range)
        try:
            if len(data):
                await upload.write_part(Part(0, 0, len(data)), data)
            return await upload.complete(())
        finally:
            await shielded(upload.abort())

    async def open_upload(
        self,
        key: str,
        size: int | None,
        *,
        properties: Properties = NO_PROPERTIES,
        resume: str | None = None,
        overwrite: bool = True,
    ) -> Upload:
        return self._start(key, size, self._read_range)

    def _start(self, key: str, size: int | None, read_range: ReadRange | None) -> "_Unpacking":
        stream = ArchiveStream(size, read_range, self._directory)
        return _Unpacking(key, stream, lambda: self._unpack(stream))


class _Unpacking(Upload):
    """Hands the parts of an archive to a thread, in order.

    The thread is not one of the disk threads: it waits for bytes, which may need a disk thread to arrive.

    Args:
        key: Key of the object.
        stream: Where the thread reads the archive.
        work: Runs in the thread.
    """

    token = ""

    def __init__(self, key: str, stream: ArchiveStream, work: Callable[[], None]) -> None:
        self._key = key
        self._stream = stream
        self._turns = Turns()
        self._size = 0
        self._thread = DiskThreads(1, "sealift-unpack")
        self._unpacked = asyncio.ensure_future(self._thread.run(work, interrupt=stream.stop))

    async def write_part(self, part: Part, data: memoryview, sent: ByteCount | None = None) -> Receipt:
        """Return when the thread has read the bytes, or has unpacked all entries without them."""
        async with self._turns.turn(part.index):
            taken = self._stream.feed(data)
        await self._wait(taken, self._unpacked)
        if self._unpacked.done():
            self._unpacked.result()
        self._size += part.size
        return Receipt(part)

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        self._stream.end()
        await self._wait(self._unpacked)
        self._unpacked.result()
        self._thread.close()
        return ObjectInfo(self._key, self._size)

    async def abort(self) -> None:
        """Return when the thread has ended. Its files stay in the directory, which its owner removes."""
        self._stream.stop()
        await asyncio.wait((self._unpacked,))
        if not self._unpacked.cancelled():
            self._unpacked.exception()  # reported by the call that failed first
        self._thread.close()

    async def _wait(self, *futures: "asyncio.Future[None]") -> None:
        """Wait until one of these is done; if cancelled, until the thread no longer uses the buffers."""
        try:
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await shielded(self.abort())
            raise
