"""A directory as a backend."""

import os
import stat
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio

from ...backend import Reader
from ...disk import Disk
from ...errors import ModelMissingError, ObjectChanged
from ...journal import Claim, Journal
from ...properties import NO_PROPERTIES, Properties
from ...types import Capabilities, Durability, Head, MiB, ObjectInfo
from ...uri import Location
from .files import READ, as_storage_error, check_version, crc, info, read_into, remove_all, scan, stat_file
from .place import Place
from .upload import LocalUpload

__all__ = ["LocalBackend"]

T = TypeVar("T")

# Moving fewer bytes is short work: it mostly waits for the interpreter's lock, not for the disk.
_LONG = MiB


class LocalBackend:
    """The files below a directory.

    Args:
        root: The directory; it need not exist yet.
        disk: Threads for the blocking work.
        state: Directory for temporary files, on the same file system. None: `.sealift` in `root`.
        staged: Nobody looks at `root` before the caller publishes it as a whole: a file may be written in its place.
        journal: Where to note what has landed.
        durability: "fsync": what is written is on the disk when it is told of, but the directories where `staged`.
        versions: Report the version of each file that is written, also where `staged`.
    """

    def __init__(
        self,
        root: str,
        disk: Disk,
        *,
        state: str | None = None,
        staged: bool = False,
        journal: Journal | None = None,
        durability: Durability = "rename",
        versions: bool = False,
    ) -> None:
        self.capabilities = Capabilities(server_copy=True, max_part=1 << 62, max_parts=100_000, properties=False)
        self.location = Location("file", "/", root.strip("/"))
        self.service: Hashable = "file"
        self.address = ""
        self._disk = disk
        durable = durability == "fsync"
        self._place = Place(root, state, staged=staged, journal=journal, durable=durable, versions=versions)

    def path(self, key: str) -> str:
        """Where a key's file is.

        Raises:
            UnsafeKey: The key would leave the root.
        """
        return self._place.path(key)

    async def run(self, function: Callable[[], T], *, reading: str | None = None, short: bool = False) -> T:
        """Run blocking work on the disk threads; an OSError becomes a StorageError.

        Args:
            function: The work.
            reading: The path that it reads, whose absence is a missing object; None: it writes.
            short: As in `Disk.run`.
        """
        with as_storage_error(reading):
            return await self._disk.run(function, short=short)

    async def stat(self, key: str) -> ObjectInfo:
        path = self._place.path(key)
        return info(key, await self.run(lambda: stat_file(path), reading=path))

    async def list(self, prefix: str) -> AsyncGenerator[ObjectInfo]:
        base, _, start = prefix.rpartition("/")
        pending = [base]
        seen: set[tuple[int, int]] = set()
        while pending:
            directory = pending.pop()
            path = self._place.path(directory)
            try:
                files, directories = await self.run(lambda: scan(path, seen), reading=path)  # noqa: B023 - awaited here
            except ModelMissingError:  # never there, or removed meanwhile: no objects, as in a bucket
                continue
            for name, status in files:
                if directory != base or name.startswith(start):
                    yield info(f"{directory}/{name}" if directory else name, status)
            pending += [
                f"{directory}/{name}" if directory else name
                for name in directories
                if directory != base or name.startswith(start)
            ]

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview) -> Head:
        path = self._place.path(obj.key)

        def read() -> None:
            descriptor = os.open(path, READ)
            try:
                check_version(obj, os.fstat(descriptor))
                if not read_into(descriptor, start, into):
                    raise ObjectChanged(f"{path} became shorter while it was read")
                check_version(obj, os.fstat(descriptor))
            finally:
                os.close(descriptor)

        await self.run(read, reading=path, short=len(into) < _LONG)
        return Head(obj.version, obj.size)

    async def checksums(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}  # nothing is composite

    async def tags(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        yield _LocalReader(self, obj)

    async def holds(self, key: str, size: int, claim: Claim, into: memoryview) -> bool:
        """Whether the file of a key has these bytes, as its journal says.

        Args:
            key: Of the file.
            size: Of the file, in bytes: nothing was appended to it.
            claim: What the journal says.
            into: As many bytes as that; what is in the file gets there.
        """
        path = self._place.path(key)

        def read() -> bool:
            try:
                if not stat.S_ISREG(os.lstat(path).st_mode):  # replaced meanwhile
                    return False
                descriptor = os.open(path, READ | os.O_NOFOLLOW)
            except FileNotFoundError:
                return False
            try:
                same_size = os.fstat(descriptor).st_size == size
                return same_size and read_into(descriptor, claim.start, into) and crc(into) == claim.crc
            finally:
                os.close(descriptor)

        return await self.run(read)

    async def keep(self, key: str) -> None:
        """Take a file that is there already for one of this job's, which shall last as `durability` says."""
        await self.run(lambda: self._place.keep(key))

    async def put(self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES) -> ObjectInfo:
        upload = LocalUpload(self._place, self.run, key, len(data))
        journal = self._place.journal
        noted = journal is not None and journal.many  # of a single object nothing is left to go on with

        def write() -> ObjectInfo:
            try:
                upload.create(temporary=not self._place.staged)
                claim = upload.write(0, data, noted=noted)
                published = upload.publish()
                upload.note(claim)
                return published
            except BaseException:
                upload.remove()
                raise

        return await self.run(write, short=len(data) < _LONG and not self._place.durable)

    async def open_upload(
        self, key: str, size: int | None, *, properties: Properties = NO_PROPERTIES, resume: str | None = None
    ) -> "LocalUpload":
        upload = LocalUpload(self._place, self.run, key, size)
        try:
            await self.run(upload.create)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await upload.abort()
            raise
        return upload

    async def copy(self, src: Location, obj: ObjectInfo, key: str) -> ObjectInfo:
        source = os.path.join(f"/{src.key}", obj.key)
        upload = await self.open_upload(key, None)
        try:
            done = 0
            while done < (obj.size or 0):
                done += await self.run(lambda: upload.copy_from(source, obj, done), reading=source)  # noqa: B023
            return await upload.complete(())
        except BaseException:
            with anyio.CancelScope(shield=True):
                await upload.abort()
            raise

    async def delete(self, key: str) -> None:
        path = self._place.path(key)
        await self.run(lambda: os.unlink(path), reading=path)

    async def delete_many(self, keys: Sequence[str], under: str) -> None:
        paths = [self._place.path(key) for key in keys]
        top = self._place.path(under.rstrip("/"))
        await self.run(lambda: remove_all(paths, top))

    async def aclose(self) -> None:
        """Remove the dot directory unless somebody else still uses it."""
        await self._disk.run(self._place.close)


class _LocalReader:
    def __init__(self, backend: LocalBackend, obj: ObjectInfo) -> None:
        self._backend = backend
        self._obj = obj
        self._position = 0

    async def readinto(self, view: memoryview) -> int:
        count = min(len(view), (self._obj.size or 0) - self._position)
        if count:
            await self._backend.read_range(self._obj, self._position, view[:count])
            self._position += count
        return count
