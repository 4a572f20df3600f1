"""`Storage` and `StorageOperations`: the verbs of `AsyncStorage` for code without an event loop.

Generated from `verbs/` by `python -m tests.typing.generate_blocking`: edit those files, not this one.
"""

from collections.abc import Iterable
from typing import Any, Literal, overload

from ..config import StorageConfig
from ..errors import StorageError
from ..types import Durability, Existing, ObjectInfo, OnError, OnEvent, Revalidate, Symlinks, Synced, Unpack, Verify
from ..types.trust import Trust
from ..types.write_options import WriteOptions
from ..uri import get_storage_spec, is_local
from .argument_types import Content, PatternList, StrPath, WritableBuffer
from .blocking_cached_path import CachedPath
from .facade_thread import Chunks, collected, run
from .file import ReadableFile, WritableFile, open_file
from .positional_config import accepts_positional_config
from .tensors import Tensors, open_tensors

__all__ = ["Storage", "StorageOperations"]


@accepts_positional_config
class Storage:
    """Moves model artifacts, from any thread, whether or not an event loop runs there.

    All calls of a process share one engine with its connections and memory budget, in a background thread. It works
    after `os.fork`, in daemonic processes, and until the interpreter exits. Ctrl-C cancels a call and waits for its
    cleanup; a second Ctrl-C does not wait. `on_event` is called in the engine's thread. `sealift.configure` sets the
    configuration and limits of all calls.

    Example:
        >>> path = Storage.download("s3://ml-models/iris/model.joblib")
    """

    @staticmethod
    def download(  # noqa: PLR0913 - the caller's options, each by its name
        uri: StrPath,
        dest: StrPath | None = None,
        *,
        config: StorageConfig | None = None,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        unpack: bool | Unpack = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        version_id: str | None = None,
        cache: bool | None = None,
        revalidate: Revalidate = "always",
        offline: bool | None = None,
        trust: Trust | None = None,
        progress: bool = False,
    ) -> str:
        """Download an object, or all objects under a prefix, to the local disk.

        Args:
            uri: Storage URI of an object or a prefix, or a local path. An object wins over a prefix of the same name;
                `models/foo` as a prefix means `models/foo/…`, never `models/foo-2`.
            dest: For an object, the file; or, if it ends in "/" or is a directory, the directory that receives the
                file. A symbolic link to a file is followed. For a prefix, the directory that receives the keys relative
                to the prefix. None: the cache (see below); a local path is returned as it is.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            allow_patterns: Download only objects whose path relative to the prefix (for a single object, its name)
                matches one of these `fnmatch` patterns. "*" also matches "/", and "onnx/" means "onnx/*".
            ignore_patterns: Skip objects whose path matches one of these.
            unpack: The object is a tar (plain, or compressed with gzip, bzip2, xz or zstd) or zip archive: unpack it
                into `dest`, a directory. The patterns then apply to its entries. Only files and directories are
                unpacked, within the limits of `Unpack`; True: within its defaults. It is unpacked while it arrives, not
                stored; an interrupted call starts from the beginning.
            existing: What happens to a file that exists. "overwrite": it is replaced, unless an earlier call has
                written it and it is unchanged. "skip": it stays, whatever it contains, and a "kept" event reports it.
                "fail": raise ObjectExists before anything is written. With the last two, a file that appears in the
                meantime is not replaced either.
            on_error: What happens if an object of a prefix cannot be downloaded. "stop": the call ends with its error.
                "continue": the others are downloaded, a "skipped" event reports each that is missing, and
                IncompleteError lists them at the end; a new directory appears without them. If all fail, the first
                error is raised. A full disk, and a host that does not answer any more, end the call in any case.
            verify: True: compare the bytes with a checksum if either side has one. "require": raise IntegrityError for
                an object without a checksum. False: compare sizes only, and do not request checksums.
            timeout: Seconds for the whole call. None: no limit.
            durability: What a completed file survives once this returns. "rename": the end of this process. "fsync":
                also a power failure: each file is synced before its rename, and the directories that lead to it after.
            on_event: Called with progress events in the engine's thread; must not block.
            version_id: The version of the object to read: S3: its version ID. Google Cloud Storage: its generation.
                Azure: its version ID, or "snapshot=" and the time of a snapshot. None: the current one.
            cache: With `dest`, True: take the files from the cache, which is filled if necessary. Without `dest`,
                False: download to a new temporary directory, which is removed when this process exits.
            revalidate: When to ask the service whether a cached object is still current: "always", "never", or after
                so many seconds. A commit, a generation or a `version_id` is never checked twice.
            offline: Use only what is in the cache, also with `dest`, without any connection. None: as `SEALIFT_OFFLINE`
                says, and for the Hub `HF_HUB_OFFLINE`.
            trust: Who must have signed the model, or its digest. The signature is verified before anything is written,
                exactly the files that it lists are downloaded, and none appears whose digest differs.
            progress: Show the progress on stderr: a bar on a terminal or in a notebook, else a line every 5 seconds.

        The cache is `$SEALIFT_CACHE`, or `$XDG_CACHE_HOME/sealift`. What is in it is not downloaded again, in whichever
        process: a second call costs a listing or a HEAD. Its files are read-only. They stay at least until this process
        ends; `cached` frees them earlier. When the cache is full (`$SEALIFT_CACHE_SIZE`, or less than 10 % of the disk
        free), files that no process uses are removed, those first that were not used for longest. With `trust`, it is
        not used: a download without `dest` goes to a temporary directory.

        Equal calls that run at once in one event loop (same URI, `dest`, configuration, environment and options) share
        one transfer, which continues as long as any of them waits for it. Each has its own `timeout` and events: to
        a call that joins later, one "listed" and one "progress" event first report the bytes so far. Other calls for
        the same URI and `dest`, also those of other processes, wait for each other.

        Files that an earlier call has downloaded in the same version, and that have not been changed since, are kept.
        To download them again, remove them.

        Returns:
            Path of the file, or of the directory for a prefix or an archive.

        Raises:
            InvalidURI: `uri` is not a storage URI.
            ModelMissingError: There is no such object or prefix, or the patterns exclude everything.
            IncompleteError: Some files of a local directory could not be read, or `on_error="continue"` was given and
                some objects could not be downloaded; all others were.
            ObjectExists: A file exists, and `existing="fail"` was given. Nothing was written.
            AccessDenied: The credentials are wrong, or lack permission to read it.
            UnsafeKey: A key or an archive entry would be written outside `dest`.
            LocalIOError: `dest`, or a file below it, is a pipe, a device, a socket or a dangling link; the disk is full
                or not writable; or the cache has no room, since the rest is in use. Nothing was downloaded then, except
                of an archive: how large its files are is not known before.
            ArchiveError: The object is not an archive, is damaged, or exceeds the limits of `unpack`.
            IntegrityError: The bytes do not match the checksum, or `verify="require"` found none.
            SignatureError: The signature is not valid, files are missing or were added, or their bytes differ.
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
                existing=existing,
                on_error=on_error,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
                version_id=version_id,
                cache=cache,
                revalidate=revalidate,
                offline=offline,
                trust=trust,
                progress=progress,
            )
        )

    @staticmethod
    def cached(  # noqa: PLR0913 - the caller's options, each by its name
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        unpack: bool | Unpack = False,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        version_id: str | None = None,
        revalidate: Revalidate = "always",
        offline: bool | None = None,
    ) -> CachedPath:
        """Use an object or a prefix in the cache for the time of a block, and download it first if necessary.

        Afterwards it may be removed when the cache is full.

        Args:
            uri: As in `download`.
            config: As in `download`.
            allow_patterns: As in `download`.
            ignore_patterns: As in `download`.
            unpack: As in `download`.
            verify: As in `download`.
            timeout: Seconds until the path is available. None: no limit.
            durability: As in `download`.
            on_event: As in `download`.
            version_id: As in `download`.
            revalidate: As in `download`.
            offline: As in `download`.

        Returns:
            A context manager, which yields the path of the file or directory.

        Raises:
            StorageError: As in `download`, when the block is entered.

        Example:
            >>> def weights(storage: Storage) -> bytes:
            ...     with Storage.cached("s3://ml-models/iris/model.joblib") as path:
            ...         return read_file(path)
        """
        return CachedPath(
            lambda storage: storage.cached(
                uri,
                config=config,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                unpack=unpack,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
                version_id=version_id,
                revalidate=revalidate,
                offline=offline,
            )
        )

    @staticmethod
    def upload(  # noqa: PLR0913 - the caller's options, each by its name
        src: StrPath,
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> bool:
        """Upload a local file, or all files below a directory.

        Args:
            src: Path of the file or directory; a link is followed. Empty directories are skipped.
            uri: For a file, the object's URI; or, if it ends in "/" or is a bucket, the prefix that receives the file's
                name. For a directory, the prefix that receives the relative paths.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            allow_patterns: Upload only files whose path relative to `src` (for a single file, its name) matches one of
                these.
            ignore_patterns: Skip files whose path matches one of these.
            existing: What happens to an object that exists. "overwrite": it is replaced. "skip": it stays, whatever it
                contains, and a "kept" event reports it. "fail": raise ObjectExists before anything is written. With the
                last two, an object that appears in the meantime is not replaced either, where the service supports it.
            on_error: What happens if a file of a directory cannot be uploaded; as in `download`.
            symlinks: "follow": links below `src` are followed. "skip": they are left out, and "skipped" events report
                them.
            verify: True: report which checksum the service compared. "require": raise IntegrityError if it compared
                none. False: do not check.
            timeout: Seconds for the whole call. None: no limit.
            on_event: Called with progress events in the engine's thread; must not block.
            write_options: Content type and other headers, user metadata, tags, storage class, encryption and ACL of the
                objects. None: the Content-Type by the extension of the name, and the defaults of the bucket.
            progress: As in `download`.

        Returns:
            True.

        Raises:
            ModelMissingError: `src` or the bucket does not exist, or `src` contains no files.
            IncompleteError: As in `download`.
            ObjectExists: As in `download`.
            AccessDenied: The credentials are wrong, or lack permission to write.
            UnsupportedOperation: The destination does not have one of the write options. Nothing was written.
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
                existing=existing,
                on_error=on_error,
                symlinks=symlinks,
                verify=verify,
                timeout=timeout,
                on_event=on_event,
                write_options=write_options,
                progress=progress,
            )
        )

    @staticmethod
    def copy(  # noqa: PLR0913 - the caller's options, each by its name
        src: StrPath,
        dest: StrPath,
        *,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        recursive: bool = True,
        dry_run: bool = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        version_id: str | None = None,
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
                local path, of the destination. None: that of `sealift.configure`, or else from the environment.
            dest_config: Credentials and endpoint of the destination. None: as described for `config`.
            allow_patterns: Copy only objects whose path relative to the prefix (for a single object, its name) matches
                one of these.
            ignore_patterns: Skip objects whose path matches one of these.
            recursive: False: refuse a prefix.
            dry_run: Only report to `on_event` what would be copied ("listed").
            existing: As in `upload`; for files on the local disk, as in `download`.
            on_error: As in `download`.
            symlinks: As in `upload`, for a local source.
            verify: True: compare the bytes with a checksum if either side has one. "require": raise IntegrityError for
                an object without a checksum. False: compare sizes only, and do not request checksums.
            timeout: Seconds for the whole call. None: no limit.
            durability: As in `download`, for files on the local disk.
            on_event: Called with progress events in the engine's thread; must not block.
            write_options: As in `upload`; they replace what the source has. If the service cannot apply them while it
                copies, the bytes go through memory.
            version_id: As in `download`, for the source.
            progress: As in `download`.

        Returns:
            URI or local path of the copy.

        Raises:
            ModelMissingError: There is no such object or prefix, or the patterns exclude everything.
            IncompleteError: As in `download`.
            ObjectExists: As in `download`.
            InvalidConfig: Source and destination overlap, or a prefix was refused.
            UnsupportedOperation: The destination does not have one of the write options. Nothing was written.
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
                existing=existing,
                on_error=on_error,
                symlinks=symlinks,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
                write_options=write_options,
                version_id=version_id,
                progress=progress,
            )
        )

    @staticmethod
    def sync(  # noqa: PLR0913 - the caller's options, each by its name
        src: StrPath,
        dest: StrPath,
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
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
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
            on_error: What happens if an object cannot be copied; as in `download`. Nothing is deleted then.
            symlinks: As in `upload`, for a local source. With "skip", links are neither copied nor deleted at `dest`.
            verify: As in `copy`, for copied objects.
            timeout: Seconds for the whole call. None: no limit.
            durability: As in `copy`; deletions are not synced.
            on_event: Called with progress events in the engine's thread; must not block.
            write_options: As in `copy`, for copied objects. Objects are not copied again because of them.
            progress: As in `download`, for copied objects.

        Returns:
            Numbers of objects that were copied, kept and deleted.

        Raises:
            ModelMissingError: The source does not exist, or `delete` is set and it has no objects while the destination
                has some; nothing is deleted.
            IncompleteError: Part of the source could not be read or, with `on_error="continue"`, copied, and nothing
                was deleted; or something at the destination could not be deleted. Everything else was done.
            InvalidConfig: Source and destination overlap, the source is a single object, or both `checksum` and
                `size_only` are set.
            UnsupportedOperation: The destination does not have one of the write options. Nothing was written.
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
                on_error=on_error,
                symlinks=symlinks,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
                write_options=write_options,
                progress=progress,
            )
        )

    @staticmethod
    def delete(  # noqa: PLR0913 - the caller's options, each by its name
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        recursive: bool = False,
        delete_snapshots: bool = False,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        on_error: OnError = "continue",
        dry_run: bool = False,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> int:
        """Delete an object, or all objects under a prefix.

        Args:
            uri: Storage URI or local path.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            recursive: Allow a prefix. Links in a directory are deleted, not followed.
            delete_snapshots: Azure: delete objects together with their snapshots. False: an object with snapshots is an
                error, and stays.
            allow_patterns: Delete only objects whose path relative to the prefix matches one of these.
            ignore_patterns: Skip objects whose path matches one of these.
            on_error: What happens if an object of a prefix cannot be deleted. "continue": the others are deleted, and
                IncompleteError lists it at the end. "stop": the call ends; objects of the same request, and of requests
                that are running, may be deleted nevertheless.
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
                on_error=on_error,
                dry_run=dry_run,
                timeout=timeout,
                on_event=on_event,
            )
        )

    @staticmethod
    def abort_uploads(uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None) -> int:
        """Abort unfinished uploads instead of resuming them: delete their stored parts.

        Only uploads that this user has started on this machine are aborted, and none that is running. An upload that no
        call resumes for a week is aborted anyway, by the next upload to the same bucket.

        Args:
            uri: Storage URI of an object, or of a prefix or bucket for all uploads under it.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
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
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
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
        return run(
            lambda storage: storage.read(uri, start, length, config=config, timeout=timeout, version_id=version_id)
        )

    @staticmethod
    def read_into(
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
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
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
            >>> def weights(uri: StrPath) -> numpy.ndarray:
            ...     array = numpy.empty(1 << 20, numpy.float32)
            ...     Storage.read_into(uri, array)
            ...     return array
        """
        return run(
            lambda storage: storage.read_into(uri, buffer, start, config=config, timeout=timeout, version_id=version_id)
        )

    @staticmethod
    def stream(
        uri: StrPath,
        start: int = 0,
        length: int | None = None,
        *,
        config: StorageConfig | None = None,
        version_id: str | None = None,
    ) -> Chunks:
        """Read an object in order, chunk by chunk.

        A few chunks are read ahead concurrently; no more arrive while the caller works on one.

        Args:
            uri: Its storage URI or local path.
            start: Offset of the first byte; as in `read`.
            length: Number of bytes. None: to the end.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            version_id: As in `download`.

        Returns:
            Chunks of some MiB. To stop before the last one, use a `with` block.

        Raises:
            ModelMissingError: There is no such object.
            ObjectChanged: It was replaced between two chunks.
            IntegrityError: After the last chunk: the bytes of the whole object do not match its checksum.
            StorageError: Any other failure.

        Example:
            >>> def sha256(uri: StrPath) -> str:
            ...     digest = hashlib.sha256()
            ...     for chunk in Storage.stream(uri):
            ...         digest.update(chunk)
            ...     return digest.hexdigest()
        """
        return Chunks(lambda storage: storage.stream(uri, start, length, config=config, version_id=version_id))

    @overload
    @staticmethod
    def open(
        uri: StrPath,
        mode: Literal["rb"] = "rb",
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        version_id: str | None = None,
    ) -> ReadableFile: ...

    @overload
    @staticmethod
    def open(
        uri: StrPath,
        mode: Literal["wb"],
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        write_options: WriteOptions | None = None,
    ) -> WritableFile: ...

    @overload
    @staticmethod
    def open(
        uri: StrPath,
        mode: str,
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        version_id: str | None = None,
        write_options: WriteOptions | None = None,
    ) -> ReadableFile | WritableFile: ...

    @staticmethod
    def open(
        uri: StrPath,
        mode: str = "rb",
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        version_id: str | None = None,
        write_options: WriteOptions | None = None,
    ) -> ReadableFile | WritableFile:
        """Open an object as a binary file.

        A file for reading can seek. It reads one version of the object: more and more ahead while it is read in order,
        and no more than needed while it is not. A small object is found and read with one request. A file for writing
        becomes visible when it is closed without an error; if the block raises an exception, nothing becomes visible.
        What a file has sent is not resumed by a later call.

        Args:
            uri: Its storage URI or local path.
            mode: "rb" to read, "wb" to write.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            timeout: Seconds for opening the file, and for each call of it: a read, a write, closing. A write that has
                taken longer cannot be continued. None: no limit.
            version_id: As in `download`; only to read.
            write_options: As in `upload`; only to write.

        Returns:
            The file.

        Raises:
            InvalidConfig: `mode` is something else or contradicts another argument, or a file cannot have this name.
            ModelMissingError: There is no such object.
            UnsupportedOperation: The storage can only be read, or has no such option.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.

        Example:
            >>> def magic_number(uri: StrPath) -> bytes:
            ...     with Storage.open(uri) as file:
            ...         return file.read(4)
            >>> def save(uri: StrPath, lines: list[bytes]) -> None:
            ...     with Storage.open(uri, "wb") as file:
            ...         for line in lines:
            ...             file.write(line)
        """
        return open_file(
            lambda storage: storage.open(
                uri, mode, config=config, timeout=timeout, version_id=version_id, write_options=write_options
            )
        )

    @staticmethod
    def tensors(
        uri: StrPath,
        *,
        framework: Literal["numpy", "torch"] = "numpy",
        device: str = "cpu",
        memory: int | None = None,
        verify: Verify = True,
        config: StorageConfig | None = None,
    ) -> Tensors:
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
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.

        Returns:
            The tensors.

        Raises:
            InvalidConfig: An argument is not valid, a library is missing, or there are several indexes.
            ModelMissingError: There is no such file.
            TensorFileError: A header or an index is not valid; see the rules in SEMANTICS.md.
            UnsupportedOperation: There are only pickle files, which are never read.
            StorageError: Any other failure.

        Example:
            >>> def load(uri: StrPath) -> dict[str, torch.Tensor]:
            ...     with Storage.tensors(uri, framework="torch") as tensors:
            ...         return tensors.load()
        """
        return open_tensors(
            lambda storage: storage.tensors(
                uri, framework=framework, device=device, memory=memory, verify=verify, config=config
            )
        )

    @staticmethod
    def read_ranges(
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
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
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
            >>> def columns(uri: StrPath) -> list[bytes]:
            ...     return Storage.read_ranges(uri, [(4, 1000), (1 << 20, 500), (-8, None)])
        """
        return run(
            lambda storage: storage.read_ranges(uri, ranges, config=config, timeout=timeout, version_id=version_id)
        )

    @staticmethod
    def stat(uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None) -> ObjectInfo:
        """Return what the service reports about one object; `get_object_metadata` returns it as a dictionary.

        Args:
            uri: Its storage URI or local path.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            The object: key, size, version, modification time, checksums, properties …

        Raises:
            ModelMissingError: There is no such object, also if there is a prefix of that name.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        return run(lambda storage: storage.stat(uri, config=config, timeout=timeout))

    @staticmethod
    def exists(uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None) -> bool:
        """Check whether there is an object, or a prefix with at least one object.

        Args:
            uri: Storage URI or local path. As everywhere, `models/foo` is the object of that name or the prefix
                `models/foo/`; with a final "/" it is the prefix only. An empty bucket or directory exists.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Raises:
            AccessDenied: There is no permission to find out.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        return run(lambda storage: storage.exists(uri, config=config, timeout=timeout))

    @staticmethod
    def write(  # noqa: PLR0913 - the caller's options, each by its name
        uri: StrPath,
        data: Content,
        *,
        config: StorageConfig | None = None,
        existing: Existing = "overwrite",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
    ) -> ObjectInfo:
        """Store bytes, or a stream of bytes, as an object or a local file.

        Large content is uploaded in parts, several at a time. A stream is stored in order while it arrives, within the
        memory limit: no more is taken from it than can be sent. It is not resumed.

        Args:
            uri: The object's storage URI, or a local path.
            data: Bytes, or anything with a buffer (bytearray, memoryview, numpy array …), which must not change during
                the call. Or an iterable or async iterable of such chunks; an iterable is advanced in a thread.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            existing: As in `upload`. If there is an object of this name already, nothing is taken from a stream.
            verify: As in `upload`.
            timeout: Seconds for the whole call. None: no limit.
            durability: As in `download`, for a local file.
            on_event: Called with progress events in the engine's thread; must not block.
            write_options: As in `upload`.

        Returns:
            The stored object, with its size and version; `checksums` holds those that the service has compared. With
            `existing="skip"`, the object that there is already.

        Raises:
            InvalidURI: `uri` names a bucket or a prefix.
            InvalidConfig: `data` is neither bytes nor an iterable of bytes.
            ModelMissingError: The bucket does not exist.
            ObjectExists: There is an object of this name, and `existing="fail"` was given.
            AccessDenied: The credentials are wrong, or lack permission to write.
            IntegrityError: `verify="require"`, and the service compares no checksum.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure. Whatever fails, also the iterable, an object of that name stays as it was.

        Example:
            >>> def transform(src: StrPath, dest: StrPath) -> ObjectInfo:
            ...     def chunks():
            ...         for chunk in Storage.stream(src):
            ...             yield chunk.upper()
            ...     return Storage.write(dest, chunks())
        """
        return run(
            lambda storage: storage.write(
                uri,
                data,
                config=config,
                existing=existing,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
                write_options=write_options,
            )
        )

    @staticmethod
    def move(  # noqa: PLR0913 - the caller's options, each by its name
        src: StrPath,
        dest: StrPath,
        *,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        recursive: bool = True,
        delete_snapshots: bool = False,
        dry_run: bool = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
    ) -> str:
        """Move an object, or all objects under a prefix, between any two storages.

        Everything is copied and verified as by `copy`. Then the source objects are deleted, each only if it still has
        the version that was copied. If anything cannot be copied, nothing is deleted, unless `on_error="continue"` is
        given. On one file system, a file or a directory is renamed instead, unless patterns are given or the
        destination is an existing directory to which a directory is added.

        Args:
            src: Storage URI or local path.
            dest: As in `copy`.
            config: As in `copy`.
            dest_config: As in `copy`.
            allow_patterns: As in `copy`; objects that are not copied stay.
            ignore_patterns: As in `copy`; objects that are not copied stay.
            recursive: False: refuse a prefix.
            delete_snapshots: As in `delete`.
            dry_run: Only report to `on_event` what would be moved ("listed").
            existing: As in `copy`. What is not copied, because the destination has it, stays at the source, too.
            on_error: What happens if an object of a prefix cannot be copied. "stop": the call ends with its error, and
                nothing is deleted. "continue": the others are moved, and it stays at the source; otherwise as in
                `download`.
            verify: As in `copy`.
            timeout: Seconds for the whole call. None: no limit.
            durability: As in `copy`; deletions are not synced.
            on_event: Called in the engine's thread with progress events, and with a "deleted" event for each source
                object that was deleted; must not block.
            write_options: As in `copy`.

        Returns:
            URI or local path at the destination.

        Raises:
            ModelMissingError: As in `copy`.
            IncompleteError: Some files of a local directory could not be read, and nothing was deleted. With
                `on_error="continue"`: some objects could not be copied; all others were moved. Or everything was
                copied, and some source objects were replaced meanwhile or could not be deleted.
            ObjectExists: As in `copy`. Nothing was deleted.
            InvalidConfig: As in `copy`.
            UnsupportedOperation: The source is read-only, or the destination does not have one of the write options.
            DeadlineExceeded: The timeout expired. Each object is at its source, at its destination, or at both.
            StorageError: Any other failure; likewise.
        """
        return run(
            lambda storage: storage.move(
                src,
                dest,
                config=config,
                dest_config=dest_config,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                recursive=recursive,
                delete_snapshots=delete_snapshots,
                dry_run=dry_run,
                existing=existing,
                on_error=on_error,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
                write_options=write_options,
            )
        )

    @staticmethod
    def presign(
        uri: StrPath,
        method: Literal["GET", "PUT"] = "GET",
        expires_in: int = 3600,
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
    ) -> str:
        """Return a URL with which anyone can read or write one object for a limited time, without credentials.

        Whoever has the URL has this access: treat it as a secret. Nothing is checked: the object need not exist, and
        the credentials may lack the permission. For Azure, a PUT needs the header `x-ms-blob-type: BlockBlob`.

        Args:
            uri: Storage URI of the object: s3, gs or azure.
            method: HTTP method that the URL is for: "GET" to read, "PUT" to write.
            expires_in: Seconds for which the URL is valid, up to a week; it also ends with temporary credentials.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
                gs needs the key of a service account, azure the account key or an identity that may request a user
                delegation key.
            timeout: Seconds for the whole call. None: no limit.

        Raises:
            UnsupportedOperation: The storage has no such URLs, or these credentials cannot sign one.
            InvalidURI: `uri` names a bucket or a prefix.
            InvalidConfig: `expires_in` is not positive or longer than the service allows, or there are no credentials.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        return run(lambda storage: storage.presign(uri, method, expires_in, config=config, timeout=timeout))

    @staticmethod
    def list_buckets(uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None) -> list[str]:
        """List the names of the buckets, or containers, of an account.

        Args:
            uri: "s3://", "gs://" or "azure://".
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment. gs
                needs a project: that of `GCSConfig(project_id=…)`, `GOOGLE_CLOUD_PROJECT`, or that of the key.
            timeout: Seconds for the whole call. None: no limit.

        Raises:
            InvalidURI: `uri` does not name a service.
            UnsupportedOperation: The service has no buckets, or these credentials are for one bucket only.
            AccessDenied: The credentials are wrong, or lack permission to list buckets.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        return run(lambda storage: storage.list_buckets(uri, config=config, timeout=timeout))

    @overload
    @staticmethod
    def download_many(
        items: Iterable[StrPath | tuple[StrPath, StrPath | None]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        cache: bool | None = None,
        progress: bool = False,
    ) -> list[str]: ...

    @overload
    @staticmethod
    def download_many(
        items: Iterable[StrPath | tuple[StrPath, StrPath | None]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        cache: bool | None = None,
        progress: bool = False,
    ) -> list[str | StorageError]: ...

    @staticmethod
    def download_many(  # noqa: PLR0913 - the caller's options, each by its name
        items: Iterable[StrPath | tuple[StrPath, StrPath | None]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        cache: bool | None = None,
        progress: bool = False,
    ) -> list[str] | list[str | StorageError]:
        """Download many URIs concurrently.

        Args:
            items: URIs, each alone or with its `dest`, as for `download`.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            return_exceptions: Put a failed item's StorageError in its place among the results, and continue with the
                others. False: the first failure cancels the others and is raised.
            existing: As in `download`.
            on_error: As in `download`, for items that are prefixes.
            verify: As in `download`.
            timeout: Seconds for all items together; items that are not done by then fail. None: no limit.
            durability: As in `download`.
            on_event: Called with the progress events of all items in the engine's thread; must not block.
            cache: As in `download`.
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
                existing=existing,
                on_error=on_error,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
                cache=cache,
                progress=progress,
            )
        )

    @overload
    @staticmethod
    def upload_many(
        items: Iterable[tuple[StrPath, StrPath]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> list[bool]: ...

    @overload
    @staticmethod
    def upload_many(
        items: Iterable[tuple[StrPath, StrPath]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> list[bool | StorageError]: ...

    @staticmethod
    def upload_many(  # noqa: PLR0913 - the caller's options, each by its name
        items: Iterable[tuple[StrPath, StrPath]],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> list[bool] | list[bool | StorageError]:
        """Upload many files or directories concurrently.

        Args:
            items: Pairs of `src` and `uri`, as for `upload`.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            return_exceptions: As in `download_many`.
            existing: As in `upload`.
            on_error: As in `upload`, for items that are directories.
            symlinks: As in `upload`.
            verify: As in `upload`.
            timeout: As in `download_many`.
            on_event: As in `download_many`.
            write_options: As in `upload`, for all items.
            progress: As in `download_many`.

        Returns:
            True for each, in the order of the items.
        """
        return run(
            lambda storage: storage.upload_many(
                items,
                config=config,
                return_exceptions=return_exceptions,
                existing=existing,
                on_error=on_error,
                symlinks=symlinks,
                verify=verify,
                timeout=timeout,
                on_event=on_event,
                write_options=write_options,
                progress=progress,
            )
        )

    @overload
    @staticmethod
    def copy_many(
        items: Iterable[tuple[StrPath, StrPath]],
        *,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> list[str]: ...

    @overload
    @staticmethod
    def copy_many(
        items: Iterable[tuple[StrPath, StrPath]],
        *,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        return_exceptions: bool,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> list[str | StorageError]: ...

    @staticmethod
    def copy_many(  # noqa: PLR0913 - the caller's options, each by its name
        items: Iterable[tuple[StrPath, StrPath]],
        *,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        return_exceptions: bool = False,
        existing: Existing = "overwrite",
        on_error: OnError = "stop",
        symlinks: Symlinks = "follow",
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        progress: bool = False,
    ) -> list[str] | list[str | StorageError]:
        """Copy many objects or prefixes concurrently.

        Args:
            items: Pairs of `src` and `dest`, as for `copy`.
            config: As in `copy`.
            dest_config: As in `copy`.
            return_exceptions: As in `download_many`.
            existing: As in `copy`.
            on_error: As in `copy`, for items that are prefixes.
            symlinks: As in `copy`.
            verify: As in `copy`.
            timeout: As in `download_many`.
            durability: As in `copy`.
            on_event: As in `download_many`.
            write_options: As in `copy`, for all items.
            progress: As in `download_many`.

        Returns:
            URIs or local paths of the copies, in the order of the items.
        """
        return run(
            lambda storage: storage.copy_many(
                items,
                config=config,
                dest_config=dest_config,
                return_exceptions=return_exceptions,
                existing=existing,
                on_error=on_error,
                symlinks=symlinks,
                verify=verify,
                timeout=timeout,
                durability=durability,
                on_event=on_event,
                write_options=write_options,
                progress=progress,
            )
        )

    @overload
    @staticmethod
    def delete_many(
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> list[bool]: ...

    @overload
    @staticmethod
    def delete_many(
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> list[bool | StorageError]: ...

    @staticmethod
    def delete_many(
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool = False,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> list[bool] | list[bool | StorageError]:
        """Delete many objects concurrently.

        Args:
            uris: Storage URIs or local paths, as for `delete_object`.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            return_exceptions: As in `download_many`.
            delete_snapshots: As in `delete`.
            timeout: As in `download_many`.

        Returns:
            Whether each existed, in the order of the URIs.
        """
        return run(
            lambda storage: storage.delete_many(
                uris,
                config=config,
                return_exceptions=return_exceptions,
                delete_snapshots=delete_snapshots,
                timeout=timeout,
            )
        )

    @overload
    @staticmethod
    def read_many(
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        timeout: float | None = None,
    ) -> list[bytes]: ...

    @overload
    @staticmethod
    def read_many(
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool,
        timeout: float | None = None,
    ) -> list[bytes | StorageError]: ...

    @staticmethod
    def read_many(
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool = False,
        timeout: float | None = None,
    ) -> list[bytes] | list[bytes | StorageError]:
        """Read many objects into memory concurrently.

        Args:
            uris: Storage URIs or local paths, as for `read`.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            return_exceptions: As in `download_many`.
            timeout: As in `download_many`.

        Returns:
            Their bytes, in the order of the URIs.
        """
        return run(
            lambda storage: storage.read_many(uris, config=config, return_exceptions=return_exceptions, timeout=timeout)
        )

    @staticmethod
    def list(
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        delimiter: Literal["/"] | None = None,
        max_items: int | None = None,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> list[ObjectInfo]:
        """List the objects under a prefix.

        Args:
            uri: Storage URI or local path of a prefix or an object.
            config: Credentials and endpoint. None: from the environment.
            delimiter: "/": list one level, as `ls` does: the objects directly under the prefix, and instead of those
                that are deeper, their prefixes (`ObjectInfo.is_prefix`). None: all objects under the prefix.
            max_items: Stop after so many objects and prefixes. None: no limit.
            allow_patterns: List only objects whose path relative to the prefix (for a single object, its name) matches
                one of these `fnmatch` patterns.
            ignore_patterns: Skip objects whose path matches one of these; local directories in which no path can match
                are not read. A prefix is skipped if nothing below it can match.
            timeout: Seconds until the last object, including the time that the caller takes for each; the caller's own
                code is never interrupted. None: no limit.
            on_event: Called in the engine's thread with a "skipped" event for each entry of a local directory that
                is not an object: a broken link, a FIFO …, and with a "retry" or "paused" event before each wait; must
                not block.

        Returns:
            Each object with its whole key, directory markers included, in no particular order. Nothing for an empty
            bucket or directory.

        Raises:
            ModelMissingError: There is no such object or prefix.
            IncompleteError: Some local directories could not be listed; all other objects were yielded.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.

        Example:
            >>> def total(uri: StrPath) -> int:
            ...     return sum([obj.size or 0 for obj in Storage.list(uri)])
        """
        return run(
            lambda storage: collected(
                storage.list(
                    uri,
                    config=config,
                    delimiter=delimiter,
                    max_items=max_items,
                    allow_patterns=allow_patterns,
                    ignore_patterns=ignore_patterns,
                    timeout=timeout,
                    on_event=on_event,
                )
            )
        )

    @staticmethod
    def verify_signature(path: StrPath, trust: Trust, *, timeout: float | None = None) -> int:
        """Compare the files of a local directory, or one file, with those that were signed; reads them all.

        Args:
            path: The directory or file.
            trust: Who must have signed it. Its `mode` makes no difference.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            The number of signed files.

        Raises:
            SignatureError: The signature is not valid, files are missing or were added, or their bytes differ.
            LocalIOError: A file cannot be read.
            StorageError: The signature, or a key, cannot be read.

        Example:
            >>> trust = Trust("/mnt/models/llama/model.sig", key="/etc/keys/release.pub")
            >>> Storage.verify_signature("/mnt/models/llama", trust)
            12
        """
        return run(lambda storage: storage.verify_signature(path, trust, timeout=timeout))

    is_local = staticmethod(is_local)

    get_storage_spec = staticmethod(get_storage_spec)


@accepts_positional_config
class StorageOperations:
    """Operations on single objects, from any thread."""

    @staticmethod
    def list_objects(uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None) -> list[str]:
        """List the paths of the objects under a prefix.

        Args:
            uri: Storage URI or local path.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
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
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        version_id: str | None = None,
    ) -> dict[str, Any]:
        """Return the metadata that the service reports for an object.

        Args:
            uri: Storage URI or local path of an object or a prefix.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.
            version_id: As in `Storage.download`.

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
        return run(
            lambda storage: storage.get_object_metadata(uri, config=config, timeout=timeout, version_id=version_id)
        )

    @staticmethod
    def delete_object(
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> bool:
        """Delete one object.

        Args:
            uri: Its storage URI or local path.
            config: Credentials and endpoint. None: that of `sealift.configure`, or else from the environment.
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
        src_uri: StrPath,
        dest_uri: StrPath,
        *,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
        write_options: WriteOptions | None = None,
        version_id: str | None = None,
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
            write_options: As in `Storage.copy`.
            version_id: As in `Storage.copy`.
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
                write_options=write_options,
                version_id=version_id,
                progress=progress,
            )
        )
