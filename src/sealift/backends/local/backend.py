"""Backend for a local directory."""

import errno
import os
import stat
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ...contract import EVERYTHING, Reader, Upload, Walk
from ...errors import IncompleteError, LocalIOError, Skipped, SkipReason
from ...lane_contract import Sink
from ...persist.download_journal import Claim, Journal
from ...runtime.disk_threads import DiskThreads
from ...runtime.shielded import shielded
from ...types import Capabilities, Durability, Head, MiB, ObjectInfo
from ...types.properties import NO_PROPERTIES, Properties
from ...types.write_options import WriteOptions
from ...uri import Location
from .files import READ, as_storage_error, crc, info, read_into, stat_file
from .small_files import SmallFiles
from .staging import StagingDirectory
from .upload import LocalUpload

if TYPE_CHECKING:
    from .walk import Ancestors, Contents

__all__ = ["LocalBackend"]

T = TypeVar("T")

# Reads and writes below this size mostly wait for the GIL, not for the disk.
_LONG = MiB
_MISSING = {errno.ENOENT, errno.ENOTDIR}


class LocalBackend:
    """The files below a directory.

    Args:
        root: The directory; it need not exist yet.
        disk: Threads for blocking work.
        state: Directory for temporary files, on the same file system. None: `.sealift` in `root`.
        staged: The caller publishes `root` as a whole later, so files may be written under their final names.
        journal: Journal in which to record written parts.
        durability: "fsync": sync each file to disk before reporting it, and its directories unless `staged`.
        versions: Report the version of each written file, also with `staged`.
        anchor: The directory up to which new ones are synced. None: the deepest that exists when the first is created.
    """

    def __init__(
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
    ) -> None:
        self.capabilities = Capabilities(server_copy=True, max_part=1 << 62, max_parts=100_000, properties=False)
        self.location = Location("file", "/", root.strip("/"))
        self.service: Hashable = "file"
        self.address = ""
        self._disk = disk
        durable = durability == "fsync"
        self._staging = StagingDirectory(
            root, state, staged=staged, journal=journal, durable=durable, versions=versions, anchor=anchor
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

    async def list(self, prefix: str, walk: Walk = EVERYTHING) -> AsyncGenerator[ObjectInfo]:
        from .walk import scan, start  # noqa: PLC0415 - a download writes files, and lists none

        base, _, name_start = prefix.rpartition("/")
        # The directories that are not listed yet: those on each level of the way to the current one.
        top = await self._disk.run(lambda: start(walk))
        pending: list[Iterator[tuple[str, Ancestors | None]]] = [iter([(base, top)])]
        first = True
        nothing = True
        while pending:
            following = next(pending[-1], None)
            if following is None:
                pending.pop()
                continue
            directory, above = following
            path = self._staging.path(directory)
            try:
                contents = await self._disk.run(partial(scan, path, above, walk, first=first))
            except OSError as error:
                if first and error.errno in _MISSING:  # an empty listing, as in a bucket
                    return
                if first:
                    with as_storage_error(path):
                        raise
                _skip(walk, _unlisted(directory, error))
                continue
            below = f"{directory}/" if directory else ""
            begin = below + name_start if first else below
            if contents.empty and not first:
                nothing = False
                yield ObjectInfo(below, 0)
            for block in range(contents.blocks):
                files, others = await contents.read(block, self._disk)
                for name, status in files:
                    if (key := below + name).startswith(begin):
                        nothing = False
                        yield info(key, status)
                for skipped in others:
                    if (key := below + skipped.key).startswith(begin):
                        _skip(walk, replace(skipped, key=key))
            pending.append(_inner(contents, below, begin, walk))
            first = False
        if nothing and base and not name_start:
            yield ObjectInfo(prefix, 0)

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

        def check(key: str, size: int, claim: Claim) -> ObjectInfo | None:
            path = self._staging.path(key)
            try:
                descriptor = os.open(path, READ | os.O_NOFOLLOW)
            except OSError as error:
                if error.errno in {*_MISSING, errno.ELOOP, errno.ENXIO}:  # removed, or replaced by a link or a socket
                    return None
                raise
            try:
                status = os.fstat(descriptor)
                with into[: claim.length] as data:
                    if (
                        not stat.S_ISREG(status.st_mode)
                        or status.st_size != size
                        or not read_into(descriptor, claim.start, data)
                        or crc(data) != claim.crc
                    ):
                        return None
                self._staging.keep(key)
            finally:
                os.close(descriptor)
            return info(key, status)

        return await self.run(lambda: [check(*file) for file in files])

    async def check_kept(self, keys: Iterable[str]) -> None:
        """Check that this job has not replaced any of the files that it kept.

        Raises:
            UnsafeKey: A file of this job replaced one, because the file system treats their names as the same.
        """
        await self.run(lambda: self._staging.confined.check_kept(keys))

    def find_and_read(self, key: str) -> None:
        return None

    async def put(self, key: str, data: memoryview, properties: Properties = NO_PROPERTIES) -> ObjectInfo:
        short = len(data) < _LONG and not self._staging.durable
        return await self.run(lambda: self._small_files.put(key, data), short=short)

    def open_lane(self) -> None:
        return None

    async def open_upload(
        self, key: str, size: int | None, *, properties: Properties = NO_PROPERTIES, resume: str | None = None
    ) -> Upload:
        return await self._create_upload(key, size)

    async def _create_upload(self, key: str, size: int | None) -> LocalUpload:
        upload = LocalUpload(self._staging, self.run, key, size)
        try:
            await self.run(upload.create)
        except BaseException:
            await shielded(upload.abort())
            raise
        return upload

    async def copy(self, src: Location, obj: ObjectInfo, key: str, options: WriteOptions | None = None) -> ObjectInfo:
        source = os.path.join(f"/{src.key}", obj.key)
        upload = await self._create_upload(key, None)
        try:
            done = 0
            while done < (obj.size or 0):
                done += await self.run(lambda: upload.copy_from(source, obj, done), reading=source)  # noqa: B023
            return await upload.complete(())
        except BaseException:
            await shielded(upload.abort())
            raise

    async def delete(self, key: str, *, snapshots: bool = False) -> None:
        path = self._staging.path(key)
        await self.run(lambda: os.unlink(path), reading=path)

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

    async def aclose(self) -> None:
        """Remove the work directory unless another process uses it."""
        await self._disk.run(self._staging.close)


def _inner(contents: "Contents", below: str, begin: str, walk: Walk) -> Iterator[tuple[str, "Ancestors"]]:
    """The subdirectories that are listed: their keys, and the directories above them."""
    for name in contents.directories():
        key = below + name
        if key.startswith(begin) and (walk.enter is None or walk.enter(key)):
            yield key, contents.ancestors


def _skip(walk: Walk, skipped: Skipped) -> None:
    if walk.on_skip is not None:
        walk.on_skip(skipped)
    elif skipped.reason in {"loop", "unreadable directory"}:
        raise LocalIOError(f"/{skipped.key}: {skipped.cause}")


def _unlisted(directory: str, error: OSError) -> Skipped:
    """Explain why a directory below the top one is skipped."""
    reason: SkipReason = "unreadable directory"
    cause = f"cannot read the directory: {os.strerror(error.errno or 0)}"
    if error.errno == errno.ELOOP:
        reason, cause = "loop", "leads to a directory above it, or to the destination"
    elif error.errno in _MISSING:
        reason, cause = "vanished", "removed while it was listed"
    return Skipped(directory, reason, cause)


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
