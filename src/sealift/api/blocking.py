"""`Storage` and `StorageOperations`: the verbs of `AsyncStorage` for code without an event loop."""

import os
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, Self, overload
from weakref import WeakSet

from ..config import StorageConfig
from ..errors import ClosedError, StorageError
from ..runtime.portal import Portal
from ..types import Durability, OnEvent, Synced, Unpack, Verify
from ..uri import get_storage_spec, is_local

if TYPE_CHECKING:
    from .async_storage import AsyncStorage

__all__ = ["Chunks", "Storage", "StorageOperations"]

StrPath = str | os.PathLike[str]
PatternList = Iterable[str] | str | None


@asynccontextmanager
async def _open() -> AsyncGenerator["AsyncStorage"]:
    from .async_storage import AsyncStorage  # noqa: PLC0415 - not before the first call: it loads asyncio and more

    async with AsyncStorage() as storage:
        yield storage
        for chunks in list(_reading):
            await chunks._finish(storage)  # noqa: SLF001 - of this module


_portal: Portal["AsyncStorage"] = Portal(_open)


class Storage:
    """Moves model artifacts, from any thread, with or without an event loop running there.

    All calls of a process share one engine, its connections and its byte budget, in a thread of its own. It also works
    after `os.fork`, in daemonic processes, and until the interpreter exits. An interrupt (Ctrl-C) cancels a call and
    waits for its cleanup; a second one does not wait. `on_event` is called in the engine's thread.

    Example:
        >>> path = Storage.download("s3://ml-models/iris/model.joblib")
    """

    @staticmethod
    def download(  # noqa: PLR0913 - the caller's options, each by its name
        uri: str,
        dest: StrPath | None = None,
        config: StorageConfig | None = None,
        *,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        unpack: bool | Unpack = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> str:
        """Bring an object, or all objects under a prefix, to the local disk.

        Args:
            uri: Storage URI of an object or a prefix, or a local path. An object wins over a prefix of the same name.
            dest: For an object the file, or, if it ends in "/" or is a directory, the directory that receives the
                file. A symbolic link to a file is followed. For a prefix the directory that receives the keys relative
                to the prefix. None: a new temporary directory; a local URI is returned as it is.
            config: How to sign in. None: what the environment says.
            allow_patterns: Only objects whose path relative to the prefix (for an object: whose name) matches one of
                these, as in `fnmatch`.
            ignore_patterns: No objects whose path matches one of these.
            unpack: The object is a tar (plain, or compressed by gzip, bzip2, xz or zstd) or zip archive, and `dest` is
                the directory that receives what is in it; the patterns are for that. Only files and directories are
                unpacked, within the bounds of `Unpack`; True: of its defaults.
            verify: True: compare the bytes with a checksum wherever one side tells one. "require": an object of which
                neither does is an IntegrityError. False: compare sizes only, and ask for no checksum.
            timeout: Seconds that the whole call may take. None: any time.
            durability: What files on the local disk survive once this returns. "rename": the end of this process.
                "fsync": also that of the machine; see `AsyncStorage.download`.
            on_event: Told of progress in the engine's thread; must not block.

        Returns:
            The path of the file, or of the directory for a prefix or an archive.

        Raises:
            InvalidURI: `uri` is no storage URI.
            ModelMissingError: There is nothing there, or nothing that the patterns let through.
            AccessDenied: The credentials are wrong or not allowed to read it.
            UnsafeKey: A key, or an archive's entry, would leave `dest`.
            LocalIOError: `dest`, or a file below it, is a pipe, a device, a socket or a link to nothing; or the disk is
                full or cannot be written.
            ArchiveError: What is to be unpacked is no archive, is damaged, or would grow without bounds.
            StorageError: Any other failure. Files appear under their names only when they are whole and verified; a
                directory that did not exist appears as a whole.
        """
        return _portal.call(
            lambda storage: storage.download(
                uri,
                dest,
                config,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                unpack=unpack,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
            )
        )

    @staticmethod
    def upload(
        src: StrPath,
        uri: str,
        config: StorageConfig | None = None,
        *,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> bool:
        """Bring a local file, or all files below a directory, to a storage; see `AsyncStorage.upload`.

        Args:
            src: Path of the file or directory.
            uri: Of the object, or, for a directory or if it ends in "/", of the prefix.
            config: How to sign in. None: what the environment says.
            allow_patterns: Only files whose path relative to `src` (for a file: whose name) matches one of these.
            ignore_patterns: No files whose path matches one of these.
            verify: True: say by which checksum the service has compared the bytes. "require": one that has not is an
                IntegrityError. False: do not look.
            timeout: Seconds that the whole call may take. None: any time.
            on_event: Told of progress in the engine's thread; must not block.

        Returns:
            True: all of it is there.

        Raises:
            StorageError: An upload failed. An object is replaced at once and as a whole.
        """
        return _portal.call(
            lambda storage: storage.upload(
                src,
                uri,
                config,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                verify=verify,
                timeout=timeout,
                on_event=on_event,
            )
        )

    @staticmethod
    def copy(  # noqa: PLR0913 - the caller's options, each by its name
        src: str,
        dest: str,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        *,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        recursive: bool = True,
        dry_run: bool = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> str:
        """Copy an object, or all objects under a prefix, from anywhere to anywhere; see `AsyncStorage.copy`.

        Args:
            src: Storage URI or local path.
            dest: Storage URI or local path: of the object; or, if it ends in "/", is a bucket's or a directory, of what
                receives its name. For a prefix, of what receives the keys relative to it.
            config: How to sign in at the source, and at a destination of the same scheme. None: what the environment
                says.
            dest_config: How to sign in at the destination.
            allow_patterns: Only objects whose path relative to the prefix (for an object: whose name) matches one of
                these.
            ignore_patterns: No objects whose path matches one of these.
            recursive: False refuses a prefix.
            dry_run: Only tell `on_event` what would be copied ("listed").
            verify: True: compare the bytes with a checksum wherever one side tells one. "require": an object of which
                neither does is an IntegrityError. False: compare sizes only, and ask for no checksum.
            timeout: Seconds that the whole call may take. None: any time.
            durability: What files on the local disk survive once this returns. "rename": the end of this process.
                "fsync": also that of the machine; see `AsyncStorage.download`.
            on_event: Told of progress in the engine's thread; must not block.

        Returns:
            Where it is now: a URI, or a path on the local disk.

        Raises:
            StorageError: A copy failed. Each object appears at once and as a whole.
        """
        return _portal.call(
            lambda storage: storage.copy(
                src,
                dest,
                config,
                dest_config,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                recursive=recursive,
                dry_run=dry_run,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
            )
        )

    @staticmethod
    def sync(  # noqa: PLR0913 - the caller's options, each by its name
        src: str,
        dest: str,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        *,
        delete: bool = False,
        delete_snapshots: bool = False,
        checksum: bool = False,
        size_only: bool = False,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        dry_run: bool = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> Synced:
        """Make a prefix or directory hold what another one holds; see `AsyncStorage.sync`.

        Args:
            src: Storage URI or local path of a prefix or directory.
            dest: The same, of what receives the relative paths.
            config: As in `copy`.
            dest_config: As in `copy`.
            delete: In the end, remove what only the destination has.
            delete_snapshots: As in `delete`.
            checksum: Compare checksums where sizes are equal, whatever is recorded.
            size_only: Objects of equal size are equal.
            allow_patterns: Copy and remove only objects whose relative path matches one of these.
            ignore_patterns: Neither copy nor remove objects whose path matches one of these.
            dry_run: Only tell `on_event` what would be copied ("listed") and removed ("deleted").
            verify: As in `copy`, of what is copied.
            timeout: Seconds that the whole call may take. None: any time.
            durability: As in `copy`; of what is removed nothing is promised.
            on_event: Told of progress in the engine's thread; must not block.

        Returns:
            How many objects were copied, kept and deleted.

        Raises:
            StorageError: A copy failed, or there is nothing at the source; nothing is removed then.
        """
        return _portal.call(
            lambda storage: storage.sync(
                src,
                dest,
                config,
                dest_config,
                delete=delete,
                delete_snapshots=delete_snapshots,
                checksum=checksum,
                size_only=size_only,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                dry_run=dry_run,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
            )
        )

    @staticmethod
    def delete(  # noqa: PLR0913 - the caller's options, each by its name
        uri: str,
        config: StorageConfig | None = None,
        *,
        recursive: bool = False,
        delete_snapshots: bool = False,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        dry_run: bool = False,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> int:
        """Remove an object, or all objects under a prefix; see `AsyncStorage.delete`.

        Args:
            uri: Storage URI or local path.
            config: How to sign in. None: what the environment says.
            recursive: Whether a prefix may be removed.
            delete_snapshots: Azure: remove objects together with their snapshots. False: an object that has any is an
                error, and stays.
            allow_patterns: Only objects whose path relative to the prefix matches one of these.
            ignore_patterns: No objects whose path matches one of these.
            dry_run: Only tell `on_event` what would be removed ("deleted").
            timeout: Seconds that the whole call may take. None: any time.
            on_event: Told of what is removed, in the engine's thread; must not block.

        Returns:
            How many objects were removed.

        Raises:
            StorageError: Something could not be removed; what was removed before is gone.
        """
        return _portal.call(
            lambda storage: storage.delete(
                uri,
                config,
                recursive=recursive,
                delete_snapshots=delete_snapshots,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                dry_run=dry_run,
                timeout=timeout,
                on_event=on_event,
            )
        )

    @staticmethod
    def read(
        uri: str,
        start: int = 0,
        length: int | None = None,
        config: StorageConfig | None = None,
        *,
        timeout: float | None = None,
    ) -> bytes:
        """Read an object, or a range of it, into memory; see `AsyncStorage.read`.

        Args:
            uri: Its storage URI or local path.
            start: Offset of the first byte.
            length: Number of bytes. None: to the end.
            config: How to sign in. None: what the environment says.
            timeout: Seconds that the whole call may take. None: any time.

        Returns:
            The bytes; as with a slice, fewer or none where the object ends before.

        Raises:
            StorageError: It could not be read.
        """
        return _portal.call(lambda storage: storage.read(uri, start, length, config, timeout=timeout))

    @staticmethod
    def read_into(
        uri: str, buffer: Any, start: int = 0, config: StorageConfig | None = None, *, timeout: float | None = None
    ) -> int:
        """Read an object, or a range of it, straight into memory of the caller; see `AsyncStorage.read_into`.

        Args:
            uri: Its storage URI or local path.
            buffer: Writable, contiguous memory: a bytearray, a numpy array, an mmap … Filled from its beginning.
            start: Offset in the object of the first byte.
            config: How to sign in. None: what the environment says.
            timeout: Seconds that the whole call may take. None: any time.

        Returns:
            How many bytes were read: the buffer's size, or fewer where the object ends before.

        Raises:
            StorageError: It could not be read; the buffer's content is undefined then.
        """
        return _portal.call(lambda storage: storage.read_into(uri, buffer, start, config, timeout=timeout))

    @staticmethod
    def open(uri: str, start: int = 0, length: int | None = None, config: StorageConfig | None = None) -> "Chunks":
        """Read an object in order, chunk by chunk; see `AsyncStorage.open`.

        Args:
            uri: Its storage URI or local path.
            start: Offset of the first byte.
            length: Number of bytes. None: to the end.
            config: How to sign in. None: what the environment says.

        Returns:
            An iterator of chunks of some MiB. To leave before the last one, use `with`.

        Raises:
            StorageError: From the iterator: it could not be read.

        Example:
            >>> with Storage.open("s3://ml-models/weights.bin") as chunks:
            ...     for chunk in chunks:
            ...         digest.update(chunk)
        """
        return Chunks(uri, start, length, config)

    @overload
    @staticmethod
    def download_many(
        items: Iterable[str | tuple[str, StrPath | None]],
        config: StorageConfig | None = None,
        *,
        return_exceptions: Literal[False] = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> list[str]: ...
    @overload
    @staticmethod
    def download_many(
        items: Iterable[str | tuple[str, StrPath | None]],
        config: StorageConfig | None = None,
        *,
        return_exceptions: bool,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> list[str | StorageError]: ...
    @staticmethod
    def download_many(
        items: Iterable[str | tuple[str, StrPath | None]],
        config: StorageConfig | None = None,
        *,
        return_exceptions: bool = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> list[str] | list[str | StorageError]:
        """Download many URIs at once; see `AsyncStorage.download_many`.

        Args:
            items: URIs, each alone or with its `dest`, as for `download`.
            config: How to sign in. None: what the environment says.
            return_exceptions: Put a failed item's StorageError in its place among the results, and go on with the
                others. False: the first failure cancels the others and is raised.
            verify: As in `download`.
            timeout: Seconds that all of them together may take; those that are not done then have failed. None: any
                time.
            durability: As in `download`.
            on_event: Told of all progress in the engine's thread; must not block.

        Returns:
            Their paths, in the order of the items.
        """
        return _portal.call(
            lambda storage: storage.download_many(
                items,
                config,
                return_exceptions=return_exceptions,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
            )
        )

    @overload
    @staticmethod
    def upload_many(
        items: Iterable[tuple[StrPath, str]],
        config: StorageConfig | None = None,
        *,
        return_exceptions: Literal[False] = False,
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> list[bool]: ...
    @overload
    @staticmethod
    def upload_many(
        items: Iterable[tuple[StrPath, str]],
        config: StorageConfig | None = None,
        *,
        return_exceptions: bool,
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> list[bool | StorageError]: ...
    @staticmethod
    def upload_many(
        items: Iterable[tuple[StrPath, str]],
        config: StorageConfig | None = None,
        *,
        return_exceptions: bool = False,
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> list[bool] | list[bool | StorageError]:
        """Upload many files or directories at once; see `AsyncStorage.upload_many`.

        Args:
            items: Pairs of `src` and `uri`, as for `upload`.
            config: How to sign in. None: what the environment says.
            return_exceptions: As in `download_many`.
            verify: As in `upload`.
            timeout: As in `download_many`.
            on_event: As in `download_many`.

        Returns:
            True for each, in the order of the items.
        """
        return _portal.call(
            lambda storage: storage.upload_many(
                items, config, return_exceptions=return_exceptions, verify=verify, timeout=timeout, on_event=on_event
            )
        )

    is_local = staticmethod(is_local)
    get_storage_spec = staticmethod(get_storage_spec)


class Chunks:
    """The chunks of an object in order: an iterator, and a context manager that may be left early."""

    def __init__(self, uri: str, start: int, length: int | None, config: StorageConfig | None) -> None:
        self._arguments = (uri, start, length, config)
        self._storage: AsyncStorage | None = None
        self._source: AsyncGenerator[bytes] | None = None
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._closed:
            raise StopIteration
        chunk = _portal.call(self._advance)
        if chunk is None:
            self._closed = True
            raise StopIteration
        return chunk

    async def _advance(self, storage: "AsyncStorage") -> bytes | None:
        if self._source is None:
            self._storage, self._source = storage, storage.open(*self._arguments)
            _reading.add(self)
        if self._storage is not storage:
            raise ClosedError("the object was opened before this process was forked", hint="open it again")
        return await anext(self._source, None)

    def close(self) -> None:
        """Stop reading."""
        if not self._closed and self._source is not None:
            _portal.call(self._finish)
        self._closed = True

    async def _finish(self, storage: "AsyncStorage") -> None:
        if self._source is not None and self._storage is storage:
            with suppress(RuntimeError):  # a call that was given up still waits for its next chunk
                await self._source.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


# What may be open when the engine ends.
_reading: WeakSet[Chunks] = WeakSet()


class StorageOperations:
    """Single steps on a storage, for code without an event loop."""

    @staticmethod
    def list_objects(uri: str, config: StorageConfig | None = None, *, timeout: float | None = None) -> list[str]:
        """Name the objects under a prefix.

        Args:
            uri: Storage URI or local path.
            config: How to sign in. None: what the environment says.
            timeout: Seconds that the whole call may take. None: any time.

        Returns:
            Their paths relative to the URI, so that `f"{uri.rstrip('/')}/{path}"` is an object's URI; for the URI of an
            object its name alone. Directory markers are left out.

        Raises:
            ModelMissingError: There is nothing there.
            StorageError: Any other failure.
        """
        return _portal.call(lambda storage: storage.list_objects(uri, config, timeout=timeout))

    @staticmethod
    def get_object_metadata(
        uri: str, config: StorageConfig | None = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Tell what the service knows of an object.

        Args:
            uri: Storage URI or local path of an object or a prefix.
            config: How to sign in. None: what the environment says.
            timeout: Seconds that the whole call may take. None: any time.

        Returns:
            `uri`, `type` ("object" or "prefix"), `size` in bytes, `modified_time` (an aware datetime), `etag`,
            `version`, `content_type`, `content_encoding`, `content_language`, `content_disposition`,
            `cache_control`, `expires`, `checksums` (algorithm → hex digest), `metadata` (user metadata) and `tags`
            (None where they may not be read). What is not known is None; of a prefix only its `uri` and `type` are.

        Raises:
            ModelMissingError: There is nothing there.
            StorageError: Any other failure.
        """
        return _portal.call(lambda storage: storage.get_object_metadata(uri, config, timeout=timeout))

    @staticmethod
    def delete_object(
        uri: str, config: StorageConfig | None = None, *, delete_snapshots: bool = False, timeout: float | None = None
    ) -> bool:
        """Remove one object; as `AsyncStorage.delete_object`.

        Args:
            uri: Its storage URI or local path.
            config: How to sign in. None: what the environment says.
            delete_snapshots: As in `Storage.delete`.
            timeout: Seconds that the whole call may take. None: any time.

        Returns:
            Whether it was there.

        Raises:
            StorageError: It could not be removed.
        """
        return _portal.call(
            lambda storage: storage.delete_object(uri, config, delete_snapshots=delete_snapshots, timeout=timeout)
        )

    @staticmethod
    def copy_object(
        src_uri: str,
        dest_uri: str,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        *,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
    ) -> bool:
        """Copy an object or a prefix; as `AsyncStorage.copy`.

        Args:
            src_uri: Storage URI or local path.
            dest_uri: Storage URI or local path.
            config: How to sign in at the source, and at a destination of the same scheme.
            dest_config: How to sign in at the destination.
            verify: As in `Storage.copy`.
            timeout: As in `Storage.copy`.
            durability: As in `Storage.copy`.

        Returns:
            True: it is there.

        Raises:
            StorageError: It could not be copied.
        """
        return _portal.call(
            lambda storage: storage.copy_object(
                src_uri, dest_uri, config, dest_config, verify=verify, timeout=timeout, durability=durability
            )
        )
