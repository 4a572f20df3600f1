"""Backend for a local directory."""

import os
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from ...contract import EVERYTHING, Reader, Upload, Walk
from ...errors import IncompleteError, ObjectChanged, UnsupportedOperation
from ...lane_contract import ByteCount, Sink
from ...persist.download_journal import Claim, Journal
from ...runtime.disk_threads import DiskThreads
from ...runtime.shielded import shielded
from ...types import Capabilities, Durability, Head, MiB, ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...types.write_options import WriteOptions
from ...uri import Location
from .files import as_storage_error, info, stat_file
from .kept_files import completed, is_filled, unchanged
from .origins import Origins
from .small_files import SmallFiles
from .staging import StagingDirectory
from .upload import LocalUpload

__all__ = ["LocalBackend"]

T = TypeVar("T")

# Reads and writes below this size mostly wait for the GIL, not for the disk.
_LONG = MiB


class LocalBackend:
    """The files below a directory.

    Args:
        root: The directory; it need not exist yet.
        disk: Threads for blocking work.
        state: Directory for temporary files, on the same file system. None: the `work_directory` in `root`.
        staged: The caller publishes `root` as a whole later, so files may be written under their final names.
        journal: Journal in which to record written parts.
        durability: "fsync": sync each file to disk before reporting it, and its directories unless `staged`.
        versions: Report the version of each written file, also with `staged`.
        anchor: The directory up to which new ones are synced. None: the deepest that exists when the first is created.
        origins: The objects that the files hold; None: files are not marked.
    """

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        root: str,
        disk: DiskThreads,
        *,
        state: str | None = None,
        staged: bool = False,
        journal: Journal | None = None,
        durability: Durability = "rename",
        versions: bool = False,
        anchor: str | None = None,
        origins: Origins | None = None,
    ) -> None:
        self.capabilities = Capabilities(server_copy=True, max_part=1 << 62, max_parts=100_000, properties=False)
        self.location = Location("file", "/", root.strip("/"))
        self.service: Hashable = "file"
        self.address = ""
        self._disk = disk
        durable = durability == "fsync"
        self._staging = StagingDirectory(
            root,
            state,
            staged=staged,
            journal=journal,
            durable=durable,
            versions=versions,
            anchor=anchor,
            origins=origins,
        )
        self._small_files = SmallFiles(self._staging, self.run)
        self.small_objects: SmallFiles | None = self._small_files

    def path(self, key: str) -> str:
        """Return the path of a key's file.

        Raises:
            UnsafeKey: The key would leave the root.
        """
        return self._staging.path(key)

    async def run(self, function: Callable[[], T], *, reading: str | None = None, short: bool = False) -> T:
        """Run blocking work on the disk threads; an OSError becomes a StorageError.

        Args:
            function: The blocking function.
            reading: Path that the function reads, whose absence means a missing object. None: it writes.
            short: As in `DiskThreads.run`.
        """
        with as_storage_error(reading):
            return await self._disk.run(function, short=short)

    async def stat(self, key: str) -> ObjectInfo:
        path = self._staging.path(key)
        return info(key, await self.run(lambda: stat_file(path), reading=path))

    def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        from .listing import list_tree  # noqa: PLC0415 - a download writes files, and lists none

        return list_tree(self.path, self._disk, prefix, walk)

    def list_level(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        from .listing import list_directory  # noqa: PLC0415 - as above

        return list_directory(self.path, self._disk, prefix, walk)

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview | Sink) -> Head:
        assert isinstance(into, memoryview)  # noqa: S101 - `Capabilities.sinks` is False
        path = self._staging.path(obj.key)
        return await self.run(lambda: self._small_files.read(obj, into, start), reading=path, short=len(into) < _LONG)

    async def checksums(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}  # there are no composite checksums

    async def tags(self, obj: ObjectInfo) -> Mapping[str, str]:
        return {}

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        yield _LocalReader(self, obj)

    async def completed(self, files: Sequence[tuple[str, int, Claim]], into: memoryview) -> Sequence[ObjectInfo | None]:
        """Find out which files hold the bytes that a journal describes; sync those if `durability` is "fsync".

        Args:
            files: Key, expected size in bytes, and journal entry of each file.
            into: Buffer, at least as long as the longest entry, into which the bytes are read.

        Returns:
            For each file, what it was before it was read; None: it holds other bytes, or does not exist.
        """
        return await self.run(lambda: [completed(self._staging, *file, into) for file in files])

    async def is_filled(self) -> bool:
        """Whether the directory exists and has any entries besides the work directory."""
        return await self.run(lambda: is_filled(self._staging.root))

    def expect(self, key: str, obj: ObjectInfo) -> None:
        """Declare which object a file will hold, so that it gets the object's time and is found by `unchanged`."""
        if self._staging.origins is not None:
            self._staging.origins.expect(key, obj)

    def forget(self, key: str) -> None:
        """Forget what `expect` has declared: the file will not be written."""
        if self._staging.origins is not None:
            self._staging.origins.forget(key)

    async def unchanged(self, files: Sequence[tuple[str, ObjectInfo]]) -> Sequence[bool]:
        """Find out which files an earlier download has written and nobody has changed; see `Origins`.

        Args:
            files: Key of each file, and the object that it is to hold.

        Returns:
            For each file, whether it holds this version of the object. If `durability` is "fsync", it is synced then.
        """
        return await self.run(lambda: [unchanged(self._staging, *file) for file in files])

    async def check_kept(self, keys: Iterable[str]) -> None:
        """Check that this job has not replaced any of the files that it kept.

        Raises:
            UnsafeKey: A file of this job replaced one, because the file system treats their names as the same.
        """
        await self.run(lambda: self._staging.confined.check_kept(keys))

    def find_and_read(self, key: str, last: int | None = None) -> None:
        return None

    async def put(
        self,
        key: str,
        data: memoryview,
        properties: Properties = NO_PROPERTIES,
        *,
        overwrite: bool = True,
        sent: ByteCount | None = None,
    ) -> ObjectInfo:
        short = len(data) < _LONG and not self._staging.durable
        return await self.run(lambda: self._small_files.put(key, data, overwrite=overwrite), short=short)

    def open_lane(self) -> None:
        return None

    async def open_upload(
        self,
        key: str,
        size: int | None,
        *,
        properties: Properties = NO_PROPERTIES,
        resume: str | None = None,
        overwrite: bool = True,
    ) -> Upload:
        return await self._create_upload(key, size, overwrite=overwrite)

    async def _create_upload(self, key: str, size: int | None, *, overwrite: bool) -> LocalUpload:
        upload = LocalUpload(self._staging, self.run, key, size, overwrite=overwrite)
        try:
            await self.run(upload.create)
        except BaseException:
            await shielded(upload.abort())
            raise
        return upload

    async def copy(
        self,
        src: Location,
        obj: ObjectInfo,
        key: str,
        options: WriteOptions | None = None,
        *,
        overwrite: bool = True,
        on_copied: Callable[[int], None] | None = None,
    ) -> ObjectInfo:
        source = os.path.join(f"/{src.key}", obj.key)
        upload = await self._create_upload(key, None, overwrite=overwrite)
        try:
            done = 0
            while done < (obj.size or 0):
                done += await self.run(lambda: upload.copy_from(source, obj, done), reading=source)  # noqa: B023
                if on_copied is not None:
                    on_copied(done)
            await self.run(lambda: upload.copy_attributes(source), reading=source)
            return await upload.complete(())
        except BaseException:
            await shielded(upload.abort())
            raise

    async def delete(self, key: str, *, snapshots: bool = False, version: str | None = None) -> None:
        path = self._staging.path(key)

        def unlink() -> None:
            if version is not None and info(key, stat_file(path)).version != version:
                raise ObjectChanged(f"{path} was replaced")
            os.unlink(path)

        await self.run(unlink, reading=path)

    async def delete_many(
        self, keys: Sequence[str], under: str, *, snapshots: bool = False, keep: Collection[str] = ()
    ) -> None:
        from .removal import remove_all  # noqa: PLC0415 - a download removes no files of others

        for key in keys:
            self._staging.path(key)
        top = self._staging.path(under.rstrip("/"))
        failed = await self.run(lambda: remove_all(top, keys, under, keep))
        if failed:
            raise IncompleteError("could not remove everything", failed)

    async def presign(self, key: str, method: str, seconds: int) -> str:
        raise UnsupportedOperation("local files have no presigned URLs", hint="share the path")

    async def aclose(self) -> None:
        """Remove the work directory unless another process uses it."""
        await self._disk.run(self._staging.close)


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
