"""`Storage` and `StorageOperations`: the verbs of `AsyncStorage` for code without an event loop.

Generated from `async_storage.py` by `python -m tests.typing.generate_blocking`: edit that file, not this one.
"""

from collections.abc import Iterable
from typing import Any, Literal, overload

from ..config import StorageConfig
from ..errors import StorageError
from ..types import Durability, OnEvent, Synced, Unpack, Verify
from ..uri import get_storage_spec, is_local
from .argument_types import PatternList, StrPath, WritableBuffer
from .facade_thread import Chunks, run

__all__ = ["Storage", "StorageOperations"]


class Storage:
    """Moves model artifacts, from any thread, whether or not an event loop runs there.

    All calls of a process share one engine with its connections and memory budget, in a background thread. It works
    after `os.fork`, in daemonic processes, and until the interpreter exits. Ctrl-C cancels a call and waits for its
    cleanup; a second Ctrl-C does not wait. `on_event` is called in the engine's thread.

    Example:
        >>> path = Storage.download("s3://ml-models/iris/model.joblib")
    """

    @staticmethod
    def download(  # noqa: PLR0913 - the caller's options, each by its name
        uri: str,
        dest: StrPath | None = None,
        *,
        config: StorageConfig | None = None,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        unpack: bool | Unpack = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        progress: bool = False,
    ) -> str:
        """Download an object, or all objects under a prefix, to the local disk.

        Args:
            uri: Storage URI of an object or a prefix, or a local path. An object wins over a prefix of the same name;
                `models/foo` as a prefix means `models/foo/…`, never `models/foo-2`.
            dest: For an object, the file; or, if it ends in "/" or is a directory, the directory that receives the
                file. A symbolic link to a file is followed. For a prefix, the directory that receives the keys relative
                to the prefix. None: a new temporary directory; a local path is returned as it is.
            config: Credentials and endpoint. None: from the environment.
            allow_patterns: Download only objects whose path relative to the prefix (for a single object, its name)
                matches one of these `fnmatch` patterns.
            ignore_patterns: Skip objects whose path matches one of these.
            unpack: The object is a tar (plain, or compressed with gzip, bzip2, xz or zstd) or zip archive: unpack it
                into `dest`, a directory. The patterns then apply to its entries. Only files and directories are
                unpacked, within the limits of `Unpack`; True: within its defaults. It is unpacked while it arrives, not
                stored; an interrupted call starts from the beginning.
            verify: True: compare the bytes with a checksum if either side has one. "require": raise IntegrityError for
                an object without a checksum. False: compare sizes only, and do not request checksums.
            timeout: Seconds for the whole call. None: no limit.
            durability: What a completed file survives once this returns. "rename": the end of this process. "fsync":
                also a power failure: each file is synced before its rename, and the directories that lead to it after.
            on_event: Called with progress events in the engine's thread; must not block.
            progress: Show the progress on stderr: a bar on a terminal or in a notebook, else a line every 5 seconds.

        Equal calls that run at once in one event loop (same URI, `dest`, configuration, environment and options) share
        one transfer, which continues as long as any of them waits for it. Each has its own `timeout` and events: to
        a call that joins later, one "listed" and one "progress" event first report the bytes so far. Other calls for
        the same URI and `dest`, also those of other processes, wait for each other.

        Returns:
            Path of the file, or of the directory for a prefix or an archive.

        Raises:
            InvalidURI: `uri` is not a storage URI.
            ModelMissingError: There is no such object or prefix, or the patterns exclude everything.
            IncompleteError: Some files of a local directory could not be read; all others were copied.
            AccessDenied: The credentials are wrong, or lack permission to read it.
            UnsafeKey: A key or an archive entry would be written outside `dest`.
            LocalIOError: `dest`, or a file below it, is a pipe, a device, a socket or a dangling link; or the disk is
                full or not writable.
            ArchiveError: The object is not an archive, is damaged, or exceeds the limits of `unpack`.
            IntegrityError: The bytes do not match the checksum, or `verify="require"` found none.
            DeadlineExceeded: The timeout expired; unfinished files were removed.
            StorageError: Any other failure. Files appear under their names only when complete and verified; a new
                directory appears as a whole.
        """
        return run(
            lambda storage: storage.download(
                uri,
                dest,
                config=config,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                unpack=unpack,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
                progress=progress,
            )
        )

    @staticmethod
    def upload(  # noqa: PLR0913 - the caller's options, each by its name
        src: StrPath,
        uri: str,
        *,
        config: StorageConfig | None = None,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        progress: bool = False,
    ) -> bool:
        """Upload a local file, or all files below a directory.

        Args:
            src: Path of the file or directory. Links are followed; empty directories are skipped.
            uri: For a file, the object's URI; or, if it ends in "/" or is a bucket, the prefix that receives the file's
                name. For a directory, the prefix that receives the relative paths.
            config: Credentials and endpoint. None: from the environment.
            allow_patterns: Upload only files whose path relative to `src` (for a single file, its name) matches one of
                these.
            ignore_patterns: Skip files whose path matches one of these.
            verify: True: report which checksum the service compared. "require": raise IntegrityError if it compared
                none. False: do not check.
            timeout: Seconds for the whole call. None: no limit.
            on_event: Called with progress events in the engine's thread; must not block.
            progress: As in `download`.

        Returns:
            True.

        Raises:
            ModelMissingError: `src` or the bucket does not exist, or `src` contains no files.
            IncompleteError: As in `download`.
            AccessDenied: The credentials are wrong, or lack permission to write.
            DeadlineExceeded: The timeout expired; the same call resumes unfinished uploads.
            StorageError: Any other failure. Each object is replaced atomically; objects that were complete before the
                failure stay.
        """
        return run(
            lambda storage: storage.upload(
                src,
                uri,
                config=config,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                verify=verify,
                timeout=timeout,
                on_event=on_event,
                progress=progress,
            )
        )

    @staticmethod
    def copy(  # noqa: PLR0913 - the caller's options, each by its name
        src: str,
        dest: str,
        *,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        recursive: bool = True,
        dry_run: bool = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        progress: bool = False,
    ) -> str:
        """Copy an object, or all objects under a prefix, between any two storages.

        Within one service and with the same credentials, the service copies by itself. Otherwise the bytes go through
        memory, within the memory limit, and never through a disk.

        Args:
            src: Storage URI or local path.
            dest: Storage URI or local path. For an object, its destination; or, if it ends in "/", or is a bucket or
                directory, what receives its name. For a prefix, what receives the keys relative to it.
            config: Credentials and endpoint of the source, and of a destination of the same scheme; if the source is a
                local path, of the destination. None: from the environment.
            dest_config: Credentials and endpoint of the destination.
            allow_patterns: Copy only objects whose path relative to the prefix (for a single object, its name) matches
                one of these.
            ignore_patterns: Skip objects whose path matches one of these.
            recursive: False: refuse a prefix.
            dry_run: Only report to `on_event` what would be copied ("listed").
            verify: True: compare the bytes with a checksum if either side has one. "require": raise IntegrityError for
                an object without a checksum. False: compare sizes only, and do not request checksums.
            timeout: Seconds for the whole call. None: no limit.
            durability: As in `download`, for files on the local disk.
            on_event: Called with progress events in the engine's thread; must not block.
            progress: As in `download`.

        Returns:
            URI or local path of the copy.

        Raises:
            ModelMissingError: There is no such object or prefix, or the patterns exclude everything.
            IncompleteError: As in `download`.
            InvalidConfig: Source and destination overlap, or a prefix was refused.
            IntegrityError: The bytes do not match the checksum, or `verify="require"` found none.
            DeadlineExceeded: The timeout expired; unfinished copies were removed.
            StorageError: Any other failure. Each object appears atomically.
        """
        return run(
            lambda storage: storage.copy(
                src,
                dest,
                config=config,
                dest_config=dest_config,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                recursive=recursive,
                dry_run=dry_run,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
                progress=progress,
            )
        )

    @staticmethod
    def sync(  # noqa: PLR0913 - the caller's options, each by its name
        src: str,
        dest: str,
        *,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
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
        progress: bool = False,
    ) -> Synced:
        """Make a prefix or directory hold the objects of another one, copying only those that differ.

        Two objects are equal if their sizes are equal, and either a checksum or content tag in both listings is equal,
        or an earlier `sync` recorded that they have the same bytes and neither has changed since. All others are
        copied. Modification times are never compared. The record is kept in `$XDG_STATE_HOME/sealift`; without it, only
        checksums and tags count.

        Args:
            src: Storage URI or local path of a prefix or directory.
            dest: Storage URI or local path of the prefix or directory that receives the relative paths.
            config: As in `copy`.
            dest_config: As in `copy`.
            delete: After copying, delete what only the destination has; nothing if part of the source was unreadable.
            delete_snapshots: Azure: delete objects together with their snapshots. False: an object with snapshots is an
                error, and stays.
            checksum: Compare checksums if sizes are equal, whatever is recorded: those that services report, and
                those of local files, which are read. Objects that cannot be compared are copied.
            size_only: Treat objects of equal size as equal. Fast, and wrong for weights that were retrained.
            allow_patterns: Copy and delete only objects whose relative path matches one of these.
            ignore_patterns: Neither copy nor delete objects whose path matches one of these.
            dry_run: Only report to `on_event` what would be copied ("listed") and deleted ("deleted").
            verify: As in `copy`, for copied objects.
            timeout: Seconds for the whole call. None: no limit.
            durability: As in `copy`; deletions are not synced.
            on_event: Called with progress events in the engine's thread; must not block.
            progress: As in `download`, for copied objects.

        Returns:
            Numbers of objects that were copied, kept and deleted.

        Raises:
            ModelMissingError: The source does not exist; nothing is deleted. An empty bucket or directory exists.
            IncompleteError: Part of the source could not be read, and nothing was deleted; or something at the
                destination could not be deleted. Everything else was done.
            InvalidConfig: Source and destination overlap, the source is a single object, or both `checksum` and
                `size_only` are set.
            DeadlineExceeded: The timeout expired; objects that were copied before stay.
            StorageError: Any other failure; nothing is deleted.
        """
        return run(
            lambda storage: storage.sync(
                src,
                dest,
                config=config,
                dest_config=dest_config,
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
                progress=progress,
            )
        )

    @staticmethod
    def delete(  # noqa: PLR0913 - the caller's options, each by its name
        uri: str,
        *,
        config: StorageConfig | None = None,
        recursive: bool = False,
        delete_snapshots: bool = False,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        dry_run: bool = False,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> int:
        """Delete an object, or all objects under a prefix.

        Args:
            uri: Storage URI or local path.
            config: Credentials and endpoint. None: from the environment.
            recursive: Allow a prefix. Links in a directory are deleted, not followed.
            delete_snapshots: Azure: delete objects together with their snapshots. False: an object with snapshots is an
                error, and stays.
            allow_patterns: Delete only objects whose path relative to the prefix matches one of these.
            ignore_patterns: Skip objects whose path matches one of these.
            dry_run: Only report to `on_event` what would be deleted ("deleted").
            timeout: Seconds for the whole call. None: no limit.
            on_event: Called for each deleted object, in the engine's thread; must not block.

        Returns:
            Number of objects that were deleted: 0 for an empty bucket or directory.

        Raises:
            ModelMissingError: There is no such object or prefix.
            IncompleteError: Some objects could not be deleted; all others were.
            InvalidConfig: It is a prefix, and `recursive` is False.
            DeadlineExceeded: The timeout expired; objects that were deleted before stay deleted.
            StorageError: Any other failure; objects that were deleted before stay deleted.
        """
        return run(
            lambda storage: storage.delete(
                uri,
                config=config,
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
    def abort_uploads(uri: str, *, config: StorageConfig | None = None, timeout: float | None = None) -> int:
        """Abort unfinished uploads instead of resuming them: delete their stored parts.

        Only uploads that this user has started on this machine are aborted, and none that is running. An upload that no
        call resumes for a week is aborted anyway, by the next upload to the same bucket.

        Args:
            uri: Storage URI of an object, or of a prefix or bucket for all uploads under it.
            config: Credentials and endpoint. None: from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            Number of uploads that were aborted.

        Raises:
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure; uploads that were not aborted can still be resumed.

        Example:
            >>> def discard(storage: Storage) -> None:
            ...     Storage.abort_uploads("s3://ml-models/llama/")
        """
        return run(lambda storage: storage.abort_uploads(uri, config=config, timeout=timeout))

    @staticmethod
    def read(
        uri: str,
        start: int = 0,
        length: int | None = None,
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """Read an object, or a range of it, into memory.

        Args:
            uri: Its storage URI or local path.
            start: Offset of the first byte.
            length: Number of bytes. None: to the end.
            config: Credentials and endpoint. None: from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            The bytes. As with a slice, fewer or none if the object ends before. They do not count in `Limits.memory`.

        Raises:
            ModelMissingError: There is no such object.
            IntegrityError: The bytes of the whole object do not match its checksum.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        return run(lambda storage: storage.read(uri, start, length, config=config, timeout=timeout))

    @staticmethod
    def read_into(
        uri: str,
        buffer: WritableBuffer,
        start: int = 0,
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
    ) -> int:
        """Read an object, or a range of it, directly into a buffer of the caller, without a copy in between.

        Args:
            uri: Its storage URI or local path.
            buffer: Writable, contiguous memory: a bytearray, a numpy array, an mmap … Filled from its beginning. Its
                content is undefined after a failure.
            start: Offset of the first byte in the object.
            config: Credentials and endpoint. None: from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            Number of bytes read: the size of the buffer, or fewer if the object ends before.

        Raises:
            InvalidConfig: `buffer` is read-only or not contiguous.
            ModelMissingError: There is no such object.
            IntegrityError: The bytes of the whole object do not match its checksum.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.

        Example:
            >>> def weights(uri: str) -> numpy.ndarray:
            ...     array = numpy.empty(1 << 20, numpy.float32)
            ...     Storage.read_into(uri, array)
            ...     return array
        """
        return run(lambda storage: storage.read_into(uri, buffer, start, config=config, timeout=timeout))

    @staticmethod
    def open(uri: str, start: int = 0, length: int | None = None, *, config: StorageConfig | None = None) -> Chunks:
        """Read an object in order, chunk by chunk.

        A few chunks are read ahead concurrently; no more arrive while the caller works on one.

        Args:
            uri: Its storage URI or local path.
            start: Offset of the first byte.
            length: Number of bytes. None: to the end.
            config: Credentials and endpoint. None: from the environment.

        Returns:
            Chunks of some MiB. To stop before the last one, use a `with` block.

        Raises:
            ModelMissingError: There is no such object.
            ObjectChanged: It was replaced between two chunks.
            IntegrityError: After the last chunk: the bytes of the whole object do not match its checksum.
            StorageError: Any other failure.

        Example:
            >>> def sha256(uri: str) -> str:
            ...     digest = hashlib.sha256()
            ...     for chunk in Storage.open(uri):
            ...         digest.update(chunk)
            ...     return digest.hexdigest()
        """
        return Chunks(lambda storage: storage.open(uri, start, length, config=config))

    @overload
    @staticmethod
    def download_many(
        items: Iterable[str | tuple[str, StrPath | None]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        progress: bool = False,
    ) -> list[str]: ...

    @overload
    @staticmethod
    def download_many(
        items: Iterable[str | tuple[str, StrPath | None]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        progress: bool = False,
    ) -> list[str | StorageError]: ...

    @staticmethod
    def download_many(
        items: Iterable[str | tuple[str, StrPath | None]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        progress: bool = False,
    ) -> list[str] | list[str | StorageError]:
        """Download many URIs concurrently.

        Args:
            items: URIs, each alone or with its `dest`, as for `download`.
            config: Credentials and endpoint. None: from the environment.
            return_exceptions: Put a failed item's StorageError in its place among the results, and continue with the
                others. False: the first failure cancels the others and is raised.
            verify: As in `download`.
            timeout: Seconds for all items together; items that are not done by then fail. None: no limit.
            durability: As in `download`.
            on_event: Called with the progress events of all items in the engine's thread; must not block.
            progress: As in `download`, for all items together.

        Returns:
            Their paths, in the order of the items.

        Example:
            >>> paths = Storage.download_many([("s3://m/a/", "/mnt/a"), ("s3://m/b/", "/mnt/b")])
        """
        return run(
            lambda storage: storage.download_many(
                items,
                config=config,
                return_exceptions=return_exceptions,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
                progress=progress,
            )
        )

    @overload
    @staticmethod
    def upload_many(
        items: Iterable[tuple[StrPath, str]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        progress: bool = False,
    ) -> list[bool]: ...

    @overload
    @staticmethod
    def upload_many(
        items: Iterable[tuple[StrPath, str]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool,
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        progress: bool = False,
    ) -> list[bool | StorageError]: ...

    @staticmethod
    def upload_many(
        items: Iterable[tuple[StrPath, str]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool = False,
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        progress: bool = False,
    ) -> list[bool] | list[bool | StorageError]:
        """Upload many files or directories concurrently.

        Args:
            items: Pairs of `src` and `uri`, as for `upload`.
            config: Credentials and endpoint. None: from the environment.
            return_exceptions: As in `download_many`.
            verify: As in `upload`.
            timeout: As in `download_many`.
            on_event: As in `download_many`.
            progress: As in `download_many`.

        Returns:
            True for each, in the order of the items.
        """
        return run(
            lambda storage: storage.upload_many(
                items,
                config=config,
                return_exceptions=return_exceptions,
                verify=verify,
                timeout=timeout,
                on_event=on_event,
                progress=progress,
            )
        )

    is_local = staticmethod(is_local)

    get_storage_spec = staticmethod(get_storage_spec)


class StorageOperations:
    """Operations on single objects, from any thread."""

    @staticmethod
    def list_objects(uri: str, *, config: StorageConfig | None = None, timeout: float | None = None) -> list[str]:
        """List the paths of the objects under a prefix.

        Args:
            uri: Storage URI or local path.
            config: Credentials and endpoint. None: from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            Paths relative to the URI, so that `f"{uri.rstrip('/')}/{path}"` is an object's URI; for the URI of an
            object, only its name. Directory markers are left out. An empty list for an empty bucket or directory.

        Raises:
            ModelMissingError: There is no such object or prefix.
            IncompleteError: Some local directories could not be listed.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        return run(lambda storage: storage.list_objects(uri, config=config, timeout=timeout))

    @staticmethod
    def get_object_metadata(
        uri: str, *, config: StorageConfig | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        """Return the metadata that the service reports for an object.

        Args:
            uri: Storage URI or local path of an object or a prefix.
            config: Credentials and endpoint. None: from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            `uri`, `type` ("object" or "prefix"), `size` in bytes, `modified_time` (an aware datetime), `etag`,
            `version`, `content_type`, `content_encoding`, `content_language`, `content_disposition`,
            `cache_control`, `expires`, `checksums` (algorithm → hex digest), `metadata` (user metadata) and `tags`
            (None without permission to read them). Unknown values are None; a prefix has only `uri` and `type`.

        Raises:
            ModelMissingError: There is no such object or prefix.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        return run(lambda storage: storage.get_object_metadata(uri, config=config, timeout=timeout))

    @staticmethod
    def delete_object(
        uri: str, *, config: StorageConfig | None = None, delete_snapshots: bool = False, timeout: float | None = None
    ) -> bool:
        """Delete one object.

        Args:
            uri: Its storage URI or local path.
            config: Credentials and endpoint. None: from the environment.
            delete_snapshots: As in `Storage.delete`.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            Whether it existed.

        Raises:
            InvalidURI: `uri` names a bucket, not an object.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        return run(
            lambda storage: storage.delete_object(
                uri, config=config, delete_snapshots=delete_snapshots, timeout=timeout
            )
        )

    @staticmethod
    def copy_object(  # noqa: PLR0913 - the caller's options, each by its name
        src_uri: str,
        dest_uri: str,
        *,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        progress: bool = False,
    ) -> bool:
        """Copy an object or a prefix; see `Storage.copy`.

        Args:
            src_uri: Storage URI or local path.
            dest_uri: Storage URI or local path.
            config: As in `Storage.copy`.
            dest_config: As in `Storage.copy`.
            verify: As in `Storage.copy`.
            timeout: As in `Storage.copy`.
            durability: As in `Storage.copy`.
            on_event: As in `Storage.copy`.
            progress: As in `Storage.download`.

        Returns:
            True.

        Raises:
            StorageError: As in `Storage.copy`.
        """
        return run(
            lambda storage: storage.copy_object(
                src_uri,
                dest_uri,
                config=config,
                dest_config=dest_config,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
                progress=progress,
            )
        )
