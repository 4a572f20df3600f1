"""Objects as bytes, chunks, file objects and tensors, without a file on the disk."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal, overload

from ...config import StorageConfig
from ...operations.deadline import Deadline
from ...operations.open_location import OpenLocation
from ...types import Verify
from ...types.argument_checks import path_text
from ...types.write_options import WriteOptions
from ..argument_types import StrPath, WritableBuffer
from ..positional_config import accepts_positional_config
from .base import Verbs

if TYPE_CHECKING:
    from ..async_file import AsyncReadableFile, AsyncWritableFile
    from ..async_tensors import AsyncTensors

__all__ = ["ReadVerbs"]


@accepts_positional_config
class ReadVerbs(Verbs):
    """Objects as bytes, chunks, file objects and tensors, without a file on the disk."""

    async def read(
        self,
        uri: StrPath,
        start: int = 0,
        length: int | None = None,
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        version_id: str | None = None,
    ) -> bytes:
        """Read an object, or a range of it, into memory.

        Args:
            uri: Its storage URI or local path.
            start: Offset of the first byte. If negative, it counts from the end: -8 reads the last 8 bytes.
            length: Number of bytes. None: to the end.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.
            version_id: As in `download`.

        Returns:
            The bytes. As with a slice, fewer or none if the object ends before. They do not count in `Limits.memory`.

        Raises:
            InvalidConfig: `length` is negative.
            ModelMissingError: There is no such object.
            IntegrityError: The bytes of the whole object do not match its checksum.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        async with self._lifetime.open("read", uri, config, Deadline(timeout), version_id=version_id) as source:
            from ...operations.read import read

            return await read(source, start, length)

    async def read_into(
        self,
        uri: StrPath,
        buffer: WritableBuffer,
        start: int = 0,
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        version_id: str | None = None,
    ) -> int:
        """Read an object, or a range of it, directly into a buffer of the caller, without a copy in between.

        Args:
            uri: Its storage URI or local path.
            buffer: Writable, contiguous memory: a bytearray, a numpy array, an mmap … Filled from its beginning. Its
                content is undefined after a failure.
            start: Offset of the first byte in the object; as in `read`.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.
            version_id: As in `download`.

        Returns:
            Number of bytes read: the size of the buffer, or fewer if the object ends before.

        Raises:
            InvalidConfig: `buffer` is read-only or not contiguous.
            ModelMissingError: There is no such object.
            IntegrityError: The bytes of the whole object do not match its checksum.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.

        Example:
            >>> async def weights(storage: AsyncStorage, uri: StrPath) -> numpy.ndarray:
            ...     array = numpy.empty(1 << 20, numpy.float32)
            ...     await storage.read_into(uri, array)
            ...     return array
        """
        async with self._lifetime.open("read", uri, config, Deadline(timeout), version_id=version_id) as source:
            from ...operations.read import read_into

            return await read_into(source, buffer, start)

    async def read_ranges(
        self,
        uri: StrPath,
        ranges: Iterable[tuple[int, int | None]],
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        version_id: str | None = None,
    ) -> list[bytes]:
        """Read several ranges of one object, all of the same version.

        Ranges with at most 1 MiB between them are read with one request, others concurrently.

        Args:
            uri: Its storage URI or local path.
            ranges: Pairs of `start` and `length`, as for `read`, in any order; they may overlap.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.
            version_id: As in `download`.

        Returns:
            The bytes of each range, in the order of `ranges`.

        Raises:
            ModelMissingError: There is no such object.
            ObjectChanged: It was replaced meanwhile.
            UnsupportedOperation: A range counts from the end, and the server does not report the size of the object.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.

        Example:
            >>> async def columns(storage: AsyncStorage, uri: StrPath) -> list[bytes]:
            ...     return await storage.read_ranges(uri, [(4, 1000), (1 << 20, 500), (-8, None)])
        """
        async with self._lifetime.open("read ranges", uri, config, Deadline(timeout), version_id=version_id) as source:
            from ...operations.read_ranges import read_ranges

            return await read_ranges(source, ranges)

    async def stream(
        self,
        uri: StrPath,
        start: int = 0,
        length: int | None = None,
        *,
        config: StorageConfig | None = None,
        version_id: str | None = None,
    ) -> AsyncGenerator[bytes]:
        """Read an object in order, chunk by chunk.

        A few chunks are read ahead concurrently; no more arrive while the caller works on one.

        Args:
            uri: Its storage URI or local path.
            start: Offset of the first byte; as in `read`.
            length: Number of bytes. None: to the end.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            version_id: As in `download`.

        Yields:
            Chunks of some MiB. To stop before the last one, use `contextlib.aclosing`.

        Raises:
            ModelMissingError: There is no such object.
            ObjectChanged: It was replaced between two chunks.
            IntegrityError: After the last chunk: the bytes of the whole object do not match its checksum.
            StorageError: Any other failure.

        Example:
            >>> async def sha256(storage: AsyncStorage, uri: StrPath) -> str:
            ...     digest = hashlib.sha256()
            ...     async for chunk in storage.stream(uri):
            ...         digest.update(chunk)
            ...     return digest.hexdigest()
        """

        def reading(source: OpenLocation) -> AsyncGenerator[bytes]:
            from ...operations.read import stream_object

            return stream_object(source, start, length)

        async with aclosing(self._lifetime.iterate("read", uri, config, reading, version_id=version_id)) as chunks:
            async for chunk in chunks:
                yield chunk

    @overload
    def open(
        self,
        uri: StrPath,
        mode: Literal["rb"] = "rb",
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        version_id: str | None = None,
    ) -> "AsyncReadableFile": ...
    @overload
    def open(
        self,
        uri: StrPath,
        mode: Literal["wb"],
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        write_options: WriteOptions | None = None,
    ) -> "AsyncWritableFile": ...
    @overload
    def open(
        self,
        uri: StrPath,
        mode: str,
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        version_id: str | None = None,
        write_options: WriteOptions | None = None,
    ) -> "AsyncReadableFile | AsyncWritableFile": ...
    def open(
        self,
        uri: StrPath,
        mode: str = "rb",
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        version_id: str | None = None,
        write_options: WriteOptions | None = None,
    ) -> "AsyncReadableFile | AsyncWritableFile":
        """Open an object as a binary file.

        A file for reading can seek. It reads one version of the object: more and more ahead while it is read in order,
        and no more than needed while it is not. A small object is found and read with one request. A file for writing
        becomes visible when it is closed without an error; if the block raises an exception, nothing becomes visible.
        What a file has sent is not resumed by a later call.

        Args:
            uri: Its storage URI or local path.
            mode: "rb" to read, "wb" to write.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for opening the file, and for each call of it: a read, a write, closing. A write that has
                taken longer cannot be continued. None: no limit.
            version_id: As in `download`; only to read.
            write_options: As in `upload`; only to write.

        Returns:
            The file; `async with` or `await` opens it.

        Raises:
            InvalidConfig: `mode` is something else or contradicts another argument, or a file cannot have this name.
            ModelMissingError: There is no such object.
            UnsupportedOperation: The storage can only be read, or has no such option.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.

        Example:
            >>> async def magic_number(storage: AsyncStorage, uri: StrPath) -> bytes:
            ...     async with storage.open(uri) as file:
            ...         return await file.read(4)
            >>> async def save(storage: AsyncStorage, uri: StrPath, lines: list[bytes]) -> None:
            ...     async with storage.open(uri, "wb") as file:
            ...         for line in lines:
            ...             await file.write(line)
        """
        from ..async_file import AsyncReadableFile, AsyncWritableFile, check_mode

        name = path_text("uri", uri)
        check_mode(name, mode, version_id, write_options)
        if mode == "rb":
            return AsyncReadableFile(self._lifetime, name, config, timeout, version_id)
        return AsyncWritableFile(self._lifetime, name, config, timeout, write_options)

    def tensors(
        self,
        uri: StrPath,
        *,
        framework: Literal["numpy", "torch"] = "numpy",
        device: str = "cpu",
        memory: int | None = None,
        verify: Verify = True,
        config: StorageConfig | None = None,
    ) -> "AsyncTensors":
        """Open the tensors of a model, to read them into memory without a file on the disk.

        Bytes are received into the memory of the tensors, in parallel parts of one version of each file. Needs
        `sealift[tensors]`, and torch for `framework="torch"`.

        Args:
            uri: A safetensors file; an index (`model.safetensors.index.json`); or a prefix, a directory or a hub
                repository that has an index, or else safetensors files, directly in it.
            framework: What the tensors are. numpy has types such as BF16 and F8_E4M3 where ml_dtypes is installed;
                otherwise they are unsigned integers of that size. F4 and F6 are flat arrays of their bytes.
            device: With torch: "cpu", or a GPU such as "cuda:1", to which the bytes are copied through pinned memory.
            memory: Bytes in flight beyond the tensors that the caller has; a tensor may be larger. None: the limit
                `Limits(memory=…)`, which applies in any case to what is not received in place.
            verify: True: compare a file that is read completely with its checksum, if it has one. "require": raise
                IntegrityError if that is not possible. False: do not compare.
            config: Credentials and endpoint. None: the instance's, or else from the environment.

        Returns:
            The tensors; `async with` or `await` opens them.

        Raises:
            InvalidConfig: An argument is not valid, a library is missing, or there are several indexes.
            ModelMissingError: There is no such file.
            TensorFileError: A header or an index is not valid; see the rules in SEMANTICS.md.
            UnsupportedOperation: There are only pickle files, which are never read.
            StorageError: Any other failure.

        Example:
            >>> async def load(storage: AsyncStorage, uri: StrPath) -> dict[str, torch.Tensor]:
            ...     async with storage.tensors(uri, framework="torch") as tensors:
            ...         return await tensors.load()
        """
        from ..async_tensors import AsyncTensors

        return AsyncTensors(
            self._lifetime,
            path_text("uri", uri),
            config,
            framework=framework,
            device=device,
            memory=memory,
            verify=verify,
        )
