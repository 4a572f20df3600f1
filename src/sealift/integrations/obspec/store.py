"""The store: the methods of obspec's protocols, with and without `await`."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from ...api.async_storage import AsyncStorage
from ...api.facade_thread import Chunks, run
from ...config import StorageConfig
from ...errors import InvalidConfig
from ...uri import parse
from .operations import StoreOperations
from .results import GetResult, GetResultAsync

__all__ = ["SealiftStore"]


class SealiftStore:
    """A bucket, container, repository or directory, or a prefix of one; paths are relative to it.

    Implements `Get`, `GetRange`, `GetRanges`, `Head`, `List`, `ListWithDelimiter`, `Put`, `Delete`, `Copy` and `Rename`
    of obspec, and their async twins. Errors are those of sealift, under the names that obspec expects.

    Args:
        uri: Storage URI or local path.
        config: Credentials and endpoint. None: from the environment.

    Raises:
        InvalidURI: `uri` is not a storage URI.
        InvalidConfig: `uri` has a query.

    Example:
        >>> store = SealiftStore("s3://ml-models/iris")
        >>> store.put("labels.txt", b"setosa")
        >>> store.get("labels.txt").buffer()
        b'setosa'
    """

    def __init__(self, uri: str, *, config: StorageConfig | None = None) -> None:
        location = parse(uri)
        if location.query or location.login:
            cause = "the URI of a store cannot have a query or a login"
            raise InvalidConfig(cause, hint="pass credentials in config=…")
        self._base = uri.rstrip("/")
        self._config = config
        self._do = StoreOperations(self._base, config)

    def __repr__(self) -> str:
        return f"SealiftStore({str(parse(self._base or '/'))!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SealiftStore) and (self._base, self._config) == (other._base, other._config)

    def __hash__(self) -> int:
        return hash(self._base)

    # Reading

    def get(self, path: str, *, options: Mapping[str, Any] | None = None) -> GetResult:
        """Find an object; its bytes are read from the result.

        Args:
            path: Its path.
            options: Conditions, a range and a version: `obspec.GetOptions`. A version is that of an `ObjectMeta`, or
                one that the service keeps: a version ID of S3 or Azure, a generation of Google Cloud Storage.

        Raises:
            NotFoundError: There is no such object.
            PreconditionError: It does not meet `if_match` or `if_unmodified_since`.
            NotModifiedError: It does not meet `if_none_match` or `if_modified_since`.
            StorageError: Any other failure.
        """
        return GetResult(*run(lambda storage: self._do.get(storage, path, options)))

    async def get_async(self, path: str, *, options: Mapping[str, Any] | None = None) -> GetResultAsync:
        """As `get`."""
        return GetResultAsync(*await self._do.get(AsyncStorage(), path, options))

    def get_range(self, path: str, *, start: int, end: int | None = None, length: int | None = None) -> bytes:
        """Read a range of an object; less if the object ends before.

        Args:
            path: Its path.
            start: Offset of the first byte.
            end: Offset after the last byte.
            length: Number of bytes, instead of `end`.

        Raises:
            InvalidConfig: The range is empty, or begins after the end of the object.
            StorageError: As in `get`.
        """
        return run(lambda storage: self._do.get_range(storage, path, start, end, length))

    async def get_range_async(
        self, path: str, *, start: int, end: int | None = None, length: int | None = None
    ) -> bytes:
        """As `get_range`."""
        return await self._do.get_range(AsyncStorage(), path, start, end, length)

    def get_ranges(
        self,
        path: str,
        *,
        starts: Sequence[int],
        ends: Sequence[int] | None = None,
        lengths: Sequence[int] | None = None,
    ) -> Sequence[bytes]:
        """Read ranges of one version of an object, concurrently.

        Args:
            path: Its path.
            starts: Offset of the first byte of each.
            ends: Offset after the last byte of each.
            lengths: Number of bytes of each, instead of `ends`.

        Raises:
            StorageError: As in `get_range`.
        """
        return run(lambda storage: self._do.get_ranges(storage, path, starts, ends, lengths))

    async def get_ranges_async(
        self,
        path: str,
        *,
        starts: Sequence[int],
        ends: Sequence[int] | None = None,
        lengths: Sequence[int] | None = None,
    ) -> Sequence[bytes]:
        """As `get_ranges`."""
        return await self._do.get_ranges(AsyncStorage(), path, starts, ends, lengths)

    def head(self, path: str) -> dict[str, Any]:
        """The metadata of an object: an `obspec.ObjectMeta`.

        Args:
            path: Its path.

        Raises:
            NotFoundError: There is no such object.
            StorageError: Any other failure.
        """
        return run(lambda storage: self._do.head(storage, path))

    async def head_async(self, path: str) -> dict[str, Any]:
        """As `head`."""
        return await self._do.head(AsyncStorage(), path)

    # Listing

    def list(self, prefix: str | None = None, *, offset: str | None = None) -> Iterator[Sequence[dict[str, Any]]]:
        """List the objects below a prefix, some hundreds at a time.

        Args:
            prefix: A path; "a/b" means what is below "a/b/". None: everything.
            offset: List only paths after this one.

        Raises:
            StorageError: From the iterator: the listing failed.
        """
        chunks: Any = Chunks  # of any type
        return iter(chunks(lambda storage: self._do.list_objects(storage, prefix, offset)))

    def list_async(
        self, prefix: str | None = None, *, offset: str | None = None
    ) -> AsyncIterator[Sequence[dict[str, Any]]]:
        """As `list`."""
        return self._do.list_objects(AsyncStorage(), prefix, offset)

    def list_with_delimiter(self, prefix: str | None = None) -> dict[str, Any]:
        """List the objects and the common prefixes directly below a prefix: an `obspec.ListResult`.

        Args:
            prefix: As in `list`.

        Raises:
            StorageError: The listing failed.
        """
        return run(lambda storage: self._do.list_with_delimiter(storage, prefix))

    async def list_with_delimiter_async(self, prefix: str | None = None) -> dict[str, Any]:
        """As `list_with_delimiter`."""
        return await self._do.list_with_delimiter(AsyncStorage(), prefix)

    # Writing

    def put(self, path: str, file: Any, **options: Any) -> dict[str, Any]:
        """Store an object; it appears whole, or not at all.

        Args:
            path: Its path.
            file: Its bytes: a buffer, a `pathlib.Path`, a binary file, or an iterable of buffers.
            options: Those of `obspec.Put`. `attributes` with the name of a header, such as "Content-Type", are stored
                as headers, others as user metadata. `use_multipart`, `chunk_size` and `max_concurrency` are chosen by
                sealift.

        Returns:
            An `obspec.PutResult`.

        Raises:
            NotSupportedError: There is a `mode` other than "overwrite", or the store has no attributes or tags.
            StorageError: It could not be stored.
        """
        return run(lambda storage: self._do.put(storage, path, file, options))

    async def put_async(self, path: str, file: Any, **options: Any) -> dict[str, Any]:
        """As `put`; `file` may also be an async iterable."""
        return await self._do.put(AsyncStorage(), path, file, options)

    def delete(self, paths: str | Sequence[str]) -> None:
        """Delete objects. Missing ones are ignored.

        Args:
            paths: Their paths.

        Raises:
            StorageError: One could not be deleted.
        """
        run(lambda storage: self._do.delete(storage, paths))

    async def delete_async(self, paths: str | Sequence[str]) -> None:
        """As `delete`."""
        await self._do.delete(AsyncStorage(), paths)

    def copy(self, from_: str, to: str, *, overwrite: bool = True) -> None:
        """Copy an object; the service does it if it can.

        Args:
            from_: Its path.
            to: Path of the copy.
            overwrite: False is not supported: most services cannot do it atomically.

        Raises:
            NotFoundError: There is no such object.
            NotSupportedError: `overwrite` is False.
            StorageError: Any other failure.
        """
        run(lambda storage: self._do.copy(storage, from_, to, overwrite=overwrite))

    async def copy_async(self, from_: str, to: str, *, overwrite: bool = True) -> None:
        """As `copy`."""
        await self._do.copy(AsyncStorage(), from_, to, overwrite=overwrite)

    def rename(self, from_: str, to: str, *, overwrite: bool = True) -> None:
        """Copy an object and delete the original; the arguments and errors are those of `copy`."""
        run(lambda storage: self._do.rename(storage, from_, to, overwrite=overwrite))

    async def rename_async(self, from_: str, to: str, *, overwrite: bool = True) -> None:
        """As `rename`."""
        await self._do.rename(AsyncStorage(), from_, to, overwrite=overwrite)
