"""Files below a directory of this machine, as objects.

A file appears under its name only when it is whole: it is written in the dot directory beside its place and renamed.
All blocking work runs on the instance's disk threads.
"""

import errno
import itertools
import os
import secrets
import shutil
import stat as modes
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import TypeVar

import anyio

from ..backend import Reader
from ..config import StorageConfig
from ..disk import Disk
from ..errors import AccessDenied, LocalIOError, ModelMissingError, ObjectChanged, StorageError, UnsafeKey
from ..paths import STATE_DIRECTORY
from ..resources import Resources
from ..types import Capabilities, Head, KiB, MiB, ObjectInfo, Part, Receipt
from ..uri import Location

__all__ = ["LocalBackend", "open"]

T = TypeVar("T")

# Bytes of one write. A larger one makes the kernel look for large contiguous pages, and on a virtual machine that gives
# its free memory back to the host those have to be fetched again: 2 GiB then take 0.5 to 5 s, in pieces always 0.7 s.
_PIECE = 256 * KiB
# A copy inside the kernel cannot be interrupted: this much of it at once, so that a cancelled call ends soon.
_COPY_STEP = 256 * MiB
# Writing fewer bytes is short work: it mostly waits for the interpreter's lock, not for the disk.
_LONG = MiB
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


async def open(location: Location, config: StorageConfig | None, resources: Resources) -> "LocalBackend":  # noqa: A001, ARG001 - the contract's
    """The whole file system; keys are absolute paths without the leading "/"."""
    return LocalBackend(location.root, resources.disk)


class LocalBackend:
    """The files below a directory.

    Args:
        root: The directory; it need not exist yet.
        disk: Threads for the blocking work.
        state: Directory for temporary files, on the same file system. None: `.sealift` in `root`.
        staged: Nobody looks at `root` before the caller publishes it as a whole: a file may be written in its place.
    """

    def __init__(self, root: str, disk: Disk, *, state: str | None = None, staged: bool = False) -> None:
        self.capabilities = Capabilities(server_copy=True, max_part=1 << 62, max_parts=100_000)
        self.root = root
        self.location = Location("file", "/", root.strip("/"))
        self.service: Hashable = "file"
        self._disk = disk
        self._state = state or os.path.join(root, STATE_DIRECTORY)
        self._staged = staged
        self._made: set[str] = set()
        self._token = secrets.token_hex(8)
        self._count = itertools.count()

    def path(self, key: str) -> str:
        """Where a key's file is.

        Raises:
            UnsafeKey: The key would leave the root.
        """
        if key.startswith("/") or ".." in key.split("/"):
            raise UnsafeKey(f"the key {key!r} would leave {self.root}")
        return os.path.join(self.root, key)

    async def _run(self, function: Callable[[], T], *, reading: str | None = None, short: bool = False) -> T:
        with _as_storage_error(reading):
            return await self._disk.run(function, short=short)

    async def stat(self, key: str) -> ObjectInfo:
        path = self.path(key)
        return _info(key, await self._run(lambda: _stat_file(path), reading=path))

    async def list(self, prefix: str) -> AsyncGenerator[ObjectInfo]:
        base, _, start = prefix.rpartition("/")
        pending = [base]
        seen: set[tuple[int, int]] = set()
        while pending:
            directory = pending.pop()
            path = self.path(directory)
            try:
                files, directories = await self._run(lambda: _scan(path, seen), reading=path)  # noqa: B023 - awaited here
            except ModelMissingError:  # never there, or removed meanwhile: no objects, as in a bucket
                continue
            for name, status in files:
                if directory != base or name.startswith(start):
                    yield _info(f"{directory}/{name}" if directory else name, status)
            pending += [
                f"{directory}/{name}" if directory else name
                for name in directories
                if directory != base or name.startswith(start)
            ]

    async def read_range(self, obj: ObjectInfo, start: int, into: memoryview) -> Head:
        path = self.path(obj.key)

        def read() -> None:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                _check_version(obj, os.fstat(descriptor))
                done = 0
                while done < len(into):
                    count = os.preadv(descriptor, [into[done:]], start + done)
                    if count == 0:
                        raise ObjectChanged(f"{path} became shorter while it was read")
                    done += count
                _check_version(obj, os.fstat(descriptor))
            finally:
                os.close(descriptor)

        await self._run(read, reading=path)
        return Head(obj.version, obj.size)

    @asynccontextmanager
    async def open_read(self, obj: ObjectInfo) -> AsyncGenerator[Reader]:
        yield _LocalReader(self, obj)

    async def put(self, key: str, data: memoryview) -> ObjectInfo:
        upload = _LocalUpload(self, key, len(data))

        def write() -> os.stat_result:
            try:
                upload.create(temporary=not self._staged)
                upload.write(0, data)
                return upload.publish()
            except BaseException:
                upload.remove()
                raise

        return _info(key, await self._run(write, short=len(data) < _LONG))

    async def open_upload(self, key: str, size: int | None, *, resume: str | None = None) -> "_LocalUpload":
        upload = _LocalUpload(self, key, size)
        try:
            await self._run(upload.create)
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
                done += await self._run(lambda: upload.copy_from(source, obj, done), reading=source)  # noqa: B023
            return await upload.complete(())
        except BaseException:
            with anyio.CancelScope(shield=True):
                await upload.abort()
            raise

    async def delete(self, key: str) -> None:
        path = self.path(key)
        await self._run(lambda: os.unlink(path), reading=path)

    async def aclose(self) -> None:
        """Remove the dot directory unless somebody else still uses it."""

        def remove() -> None:
            with suppress(OSError):  # it is not empty, or was never made
                os.rmdir(self._state)

        await self._disk.run(remove)

    def make_directory(self, path: str) -> None:
        """Blocking: make a directory and its parents, once."""
        if path not in self._made:
            _make_directories(path)
            self._made.add(path)

    def create_temporary(self) -> tuple[str, int]:
        """Blocking: a new file in the dot directory, and its descriptor."""
        path = f"{self._state}/{self._token}-{next(self._count)}.part"
        for _ in range(8):
            try:
                return path, os.open(path, _CREATE, 0o666)
            except FileNotFoundError:  # not there yet, or another process has removed it when it was empty
                _make_directories(self._state)
        raise LocalIOError(f"the directory {self._state} vanishes again and again")

    async def run(self, function: Callable[[], T]) -> T:
        """Run blocking work of an upload; an OSError becomes a StorageError."""
        return await self._run(function)


class _LocalUpload:
    """A file in the dot directory; its methods without `async` are blocking and run on a disk thread."""

    token = ""

    def __init__(self, backend: LocalBackend, key: str, size: int | None) -> None:
        self.landed: Mapping[int, Receipt] = {}
        self._backend = backend
        self._key = key
        self._size = size
        self._path = backend.path(key)
        self._temporary: str | None = None
        self._descriptor = -1
        self._writing = anyio.Lock()

    def create(self, *, temporary: bool = True) -> None:
        self._backend.make_directory(os.path.dirname(self._path))
        if temporary:
            self._temporary, self._descriptor = self._backend.create_temporary()
        else:
            self._temporary, self._descriptor = self._path, os.open(self._path, _CREATE, 0o666)
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
            _check_version(obj, os.fstat(descriptor))
            count = _copy_range(descriptor, self._descriptor, start, _COPY_STEP)
            _check_version(obj, os.fstat(descriptor))
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
            os.replace(self._temporary, self._path)
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
            await self._backend.run(lambda: self.write(part.start, data))
        return Receipt(part)

    async def complete(self, receipts: Sequence[Receipt]) -> ObjectInfo:
        return _info(self._key, await self._backend.run(self.publish))

    async def abort(self) -> None:
        await self._backend.run(self.remove)


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


def _make_directories(path: str) -> None:
    """`os.makedirs`, while others remove an empty dot directory between any two of its steps."""
    for _ in range(8):
        with suppress(FileExistsError, FileNotFoundError):
            return os.makedirs(path, exist_ok=True)
    return os.makedirs(path, exist_ok=True)


def _stat_file(path: str) -> os.stat_result:
    status = os.stat(path)
    if modes.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not modes.S_ISREG(status.st_mode):
        raise LocalIOError(f"{path} is not a regular file")
    return status


def _scan(path: str, seen: set[tuple[int, int]]) -> tuple[list[tuple[str, os.stat_result]], list[str]]:
    """The files and directories in a directory; links are followed, but no directory twice."""
    status = os.stat(path)
    if (status.st_dev, status.st_ino) in seen:
        return [], []
    seen.add((status.st_dev, status.st_ino))
    files: list[tuple[str, os.stat_result]] = []
    directories: list[str] = []
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                if entry.name != STATE_DIRECTORY:
                    directories.append(entry.name)
            elif entry.is_file():
                files.append((entry.name, entry.stat()))
    return files, directories[::-1]


def _copy_range(source: int, target: int, start: int, count: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, count, start, start)
        except OSError as error:
            # Across file systems, on old kernels, and on file systems that cannot: the way through memory.
            if error.errno not in {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF}:
                raise
    os.lseek(source, start, os.SEEK_SET)
    os.lseek(target, start, os.SEEK_SET)
    with os.fdopen(source, "rb", closefd=False) as reader, os.fdopen(target, "wb", closefd=False) as writer:
        shutil.copyfileobj(reader, writer, MiB)
        writer.flush()
        return writer.tell() - start


def _version(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"


def _check_version(obj: ObjectInfo, status: os.stat_result) -> None:
    if obj.version is not None and _version(status) != obj.version:
        raise ObjectChanged(f"the file {obj.key!r} was changed while it was read")


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, status.st_size, _version(status), datetime.fromtimestamp(status.st_mtime, UTC))


@contextmanager
def _as_storage_error(reading: str | None) -> Iterator[None]:
    """Turn an OSError into the error of the tree; `reading` is the path whose absence means a missing object."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        path = error.filename2 or error.filename or reading or "the file"
        if reading is not None and error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}:
            kind = "is a directory" if error.errno == errno.EISDIR else "does not exist"
            raise ModelMissingError(reading, cause=f"{reading} {kind}") from None
        if reading is not None and isinstance(error, PermissionError):
            raise AccessDenied(f"no permission to read {path}", hint="check its mode and owner") from None
        hint = {
            errno.ENOSPC: "free some space or choose another directory",
            errno.EDQUOT: "the user's quota is used up",
            errno.EROFS: "choose a directory that can be written",
            errno.EACCES: f"this process runs as user {os.geteuid()}; check the directory's mode and owner",
            errno.EMFILE: "raise the limit of open files, or lower Limits(connections=…)",
        }.get(error.errno or 0)
        raise LocalIOError(f"{os.strerror(error.errno or 0)}: {path}", hint=hint) from None
