"""File objects for an event loop: what `AsyncStorage.open` returns."""

import io
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Self

from ..config import StorageConfig
from ..errors import ClosedError, InvalidConfig
from ..operations.object_reader import ObjectReader
from ..operations.object_writer import ObjectWriter
from ..operations.open_location import OpenLocation
from ..types.write_options import WriteOptions
from ..uri import parse
from .argument_types import ReadableBuffer, WritableBuffer
from .file_position import describe, target
from .lifetime import Lifetime
from .opened import Opened

__all__ = ["AsyncReadableFile", "AsyncWritableFile", "check_mode"]

_NOT_OPEN = "the file is not open"
_USE_WITH = "async with storage.open(…) as file"


def check_mode(uri: str, mode: object, version_id: str | None, write_options: WriteOptions | None) -> None:
    """Raise InvalidConfig if a mode is neither "rb" nor "wb", or does not go with the other arguments."""
    problem = hint = None
    if mode not in ("rb", "wb"):
        problem = f"mode={mode!r} is not a mode of a file"
        hint = '"rb" or "wb"; for text: io.TextIOWrapper(Storage.open(uri)); for chunks in order: stream(uri)'
    elif mode == "wb" and version_id is not None:
        problem, hint = 'version_id=… names a version to read, but mode="wb" writes', "leave out version_id"
    elif mode == "rb" and write_options is not None:
        problem, hint = 'write_options=… describes what is written, but mode="rb" reads', 'pass mode="wb"'
    if problem is not None:
        raise InvalidConfig(problem, hint=hint).about("open", str(parse(uri)))


class AsyncReadableFile:
    """An object that is open for reading at any position, within one event loop.

    `async with` or `await` opens it. All bytes are of the version that it had then. While it is read in order, up to
    16 MiB are read ahead; other reads request what they need, at least 16 KiB. Concurrent calls wait for each other.

    Args:
        lifetime: The instance.
        uri: URI or local path.
        config: Credentials and endpoint.
        timeout: Seconds for each call. None: no limit.
        version_id: The version of the object. None: the current one.

    Attributes:
        mode: "rb".
        name: The local path or the URI, without secrets; "" before it is open.
        size: Size in bytes. None: it is not open, or the server does not report it.
    """

    mode = "rb"

    def __init__(
        self,
        lifetime: Lifetime,
        uri: str,
        config: StorageConfig | None,
        timeout: float | None = None,
        version_id: str | None = None,
    ) -> None:
        self._open: Callable[[], Awaitable[Opened[ObjectReader]]] = lambda: Opened.open(
            lifetime, "open", uri, config, _open_reader, timeout=timeout, version_id=version_id
        )
        self._opened: Opened[ObjectReader] | None = None
        self._position = 0

    def __await__(self) -> Generator[object, None, Self]:
        return self._enter().__await__()

    async def __aenter__(self) -> Self:
        return await self if self.closed else self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _enter(self) -> Self:
        if self._opened is not None:
            raise ClosedError("the file was opened before", hint="call storage.open(…) again")
        self._opened = await self._open()
        return self

    @property
    def name(self) -> str:
        return "" if self._opened is None else self._opened.name

    @property
    def size(self) -> int | None:
        return None if self._opened is None else self._opened.stream.obj.size

    @property
    def closed(self) -> bool:
        """Whether it was closed, or not opened yet."""
        return self._opened is None or self._opened.closed

    @property
    def opened(self) -> Opened[ObjectReader]:
        """The open reader, for the synchronous file.

        Raises:
            ClosedError: It is not open.
        """
        if self._opened is None:
            raise ClosedError(_NOT_OPEN, hint=_USE_WITH)
        return self._opened

    async def read(self, size: int | None = -1) -> bytes:
        """Read the next bytes.

        Args:
            size: Number of bytes. Negative or None: all that are left.

        Returns:
            The bytes: fewer only at the end of the object.

        Raises:
            ObjectChanged: The object was replaced after it was opened.
            StorageError: The read failed. It can be repeated: the position is unchanged.
        """
        async with self.opened.use("read") as reader:
            data = await reader.read(self._position, None if size is None or size < 0 else size)
            self._position += len(data)
            return data

    async def readinto(self, buffer: WritableBuffer) -> int:
        """Read the next bytes directly into a buffer of the caller.

        Args:
            buffer: Writable, contiguous memory.

        Returns:
            Number of bytes: fewer than fit only at the end of the object.

        Raises:
            StorageError: As in `read`.
        """
        with memoryview(buffer) as given:
            if not given.nbytes:
                return 0
            with given.cast("B") as view:
                async with self.opened.use("read") as reader:
                    count = await reader.readinto(self._position, view)
                    self._position += count
                    return count

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position of the next read. Sends no request.

        Args:
            offset: Bytes from the origin.
            whence: The origin: 0, the beginning; 1, the current position; 2, the end.

        Returns:
            The position.

        Raises:
            ValueError: The position would be negative, or `whence` is none of these.
            io.UnsupportedOperation: The server does not support ranges of this object.
        """
        async with self.opened.use("seek") as reader:
            self._position = target(self._position, offset, whence, size=reader.obj.size, seekable=reader.seekable)
            return self._position

    async def tell(self) -> int:
        """The position of the next read."""
        return self._position

    def seekable(self) -> bool:
        """Whether the server supports ranges of the object. If not, it can only be read in order."""
        return self.opened.stream.seekable

    async def aclose(self) -> None:
        """Close the file. Idempotent."""
        if self._opened is not None:
            await self._opened.aclose()

    close = aclose  # the name in aiofiles and fsspec

    def __repr__(self) -> str:
        return describe(self)


class AsyncWritableFile:
    """An object that is being written, within one event loop.

    `async with` or `await` opens it. The object becomes visible, replacing an older one, when the file is closed
    without an error, and not before. If the `async with` block raises an exception, or `abort` is called, or the
    process is killed, nothing becomes visible. Small objects are stored in one request; the parts of larger ones are
    sent while more is written.

    Args:
        lifetime: The instance.
        uri: URI or local path.
        config: Credentials and endpoint.
        timeout: Seconds for each call. None: no limit.
        options: What to store with the object. None: a Content-Type by the extension of its name.

    Attributes:
        mode: "wb".
        name: The local path or the URI, without secrets; "" before it is open.
    """

    mode = "wb"

    def __init__(
        self,
        lifetime: Lifetime,
        uri: str,
        config: StorageConfig | None,
        timeout: float | None = None,
        options: WriteOptions | None = None,
    ) -> None:
        async def open_writer(place: OpenLocation) -> tuple[ObjectWriter, Callable[[], Awaitable[None]]]:
            writer = await ObjectWriter.open(place, options)
            return writer, writer.abort

        self._open: Callable[[], Awaitable[Opened[ObjectWriter]]] = lambda: Opened.open(
            lifetime, "write", uri, config, open_writer, timeout=timeout
        )
        self._opened: Opened[ObjectWriter] | None = None
        self._position = 0

    def __await__(self) -> Generator[object, None, Self]:
        return self._enter().__await__()

    async def __aenter__(self) -> Self:
        return await self if self.closed else self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await (self.aclose() if kind is None else self.abort())

    async def _enter(self) -> Self:
        if self._opened is not None:
            raise ClosedError("the file was opened before", hint="call storage.open(…) again")
        self._opened = await self._open()
        return self

    @property
    def name(self) -> str:
        return "" if self._opened is None else self._opened.name

    @property
    def closed(self) -> bool:
        """Whether it was closed, or not opened yet."""
        return self._opened is None or self._opened.closed

    @property
    def opened(self) -> Opened[ObjectWriter]:
        """The open writer, for the synchronous file.

        Raises:
            ClosedError: It is not open.
        """
        if self._opened is None:
            raise ClosedError(_NOT_OPEN, hint=_USE_WITH)
        return self._opened

    async def write(self, data: ReadableBuffer) -> int:
        """Write bytes at the end. Waits while enough parts are being sent.

        Args:
            data: The bytes, which are copied.

        Returns:
            Number of bytes: all.

        Raises:
            StorageError: A part could not be stored. The file cannot be completed.
        """
        with memoryview(data) as given:
            if not given.nbytes:
                return 0
            with given.cast("B") as view:
                async with self.opened.use("write") as writer:
                    await writer.write(view)
                    self._position += len(view)
                    return len(view)

    async def tell(self) -> int:
        """Number of bytes that were written."""
        return self._position

    async def aclose(self) -> None:
        """Complete the object and make it visible. Idempotent.

        Raises:
            StorageError: It could not be stored; nothing becomes visible.
        """
        if not self.closed:
            try:
                async with self.opened.use("write") as writer:
                    await writer.complete()
            finally:
                await self.opened.aclose()

    close = aclose  # the name in aiofiles and fsspec

    async def abort(self) -> None:
        """Close the file without making anything visible. Idempotent."""
        if self._opened is not None:
            await self._opened.aclose()

    def __repr__(self) -> str:
        return describe(self)


async def _open_reader(place: OpenLocation) -> tuple[ObjectReader, Callable[[], Awaitable[None]]]:
    reader = await ObjectReader.open(place)
    return reader, reader.aclose
