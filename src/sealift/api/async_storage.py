"""`AsyncStorage`: one method per verb, with its signature and documentation; `operations/` does the work.

The file is long because it is the documented API. The sync facade in `blocking.py` is generated from it. Inside a
method, a name such as `copy` is the operation; `self.copy` would be the method. Operations are imported after their
location is opened: `Lifetime` loads the module of the verb in a thread.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from ..config import StorageConfig, StorageConfigs
from ..errors import InvalidConfig, ModelMissingError, StorageError
from ..keys.patterns import Patterns
from ..operations.call_options import CallOptions, comparison_mode
from ..operations.deadline import Deadline
from ..operations.open_location import OpenLocation, check_local
from ..types import (
    Durability,
    Existing,
    Limits,
    ObjectInfo,
    OnError,
    OnEvent,
    Revalidate,
    Symlinks,
    Synced,
    Unpack,
    Verify,
)
from ..types.argument_checks import path_text
from ..types.trust import Trust
from ..types.write_options import WriteOptions
from ..uri import get_storage_spec, is_local, parse
from .argument_types import Content, PatternList, StrPath, WritableBuffer
from .lifetime import Lifetime
from .positional_config import accepts_positional_config
from .progress_option import shows_progress

if TYPE_CHECKING:
    from .async_file import AsyncReadableFile, AsyncWritableFile
    from .async_tensors import AsyncTensors
    from .cached_path import AsyncCachedPath, InUse

__all__ = ["AsyncStorage"]


@accepts_positional_config
class AsyncStorage:
    """Moves model artifacts, from within an event loop.

    Inside `async with` its connections, threads and buffers stay open until the end of the block; without it, from the
    first running call to the last. Meanwhile it belongs to that event loop; then another one may use it, for example
    the next `asyncio.run`.

    Args:
        limits: Limits on memory and connections, over all calls of the instance. None: the `SEALIFT_…` variables of
            the environment, as in `Limits.from_env`.
        config: Credentials and endpoints of calls without a `config` of their own: one configuration; several, each for
            the URIs of its service; or a mapping from URI prefixes to configurations. A prefix is a scheme ("s3://") or
            a URI ("s3://backup/", "https://example.com/models/"), and the longest one that contains the URI of the
            call applies. None, or none that applies: from the environment.
        environ: Environment variables for limits, credentials, endpoints and proxies. None: this process's.
        on_event: Called with a "retry" or "paused" event when a request of a call without an `on_event` has to wait.

    Raises:
        InvalidConfig: An argument, or a `SEALIFT_…` variable, cannot be used.

    Example:
        >>> async with AsyncStorage() as storage:
        ...     path = await storage.download("s3://ml-models/iris/", "/mnt/models/iris")
        >>> minio = S3Config("KEY", "secret", endpoint_url="http://minio:9000")
        >>> storage = AsyncStorage(config={"s3://": S3Config(profile="models"), "s3://backup/": minio})
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        config: StorageConfigs | None = None,
        environ: Mapping[str, str] | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        self._lifetime = Lifetime(limits, environ, on_event, config)

    async def __aenter__(self) -> Self:
        self._lifetime.enter()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._lifetime.leave(linger=False)

    async def aclose(self) -> None:
        """Close the instance: calls that begin later raise ClosedError.

        Calls that are running finish, and the connections are closed with the last of them; of a `*_many` call, the
        items that have begun. Not needed after `async with`, which does not prevent later calls. May be called twice.

        Example:
            >>> storage = AsyncStorage(config=S3Config(profile="models"))  # when a server starts
            >>> await storage.aclose()                                     # when it stops
        """
        await self._lifetime.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._lifetime.arguments})"

    @shows_progress
    async def download(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
            config: Credentials and endpoint. None: the instance's, or else from the environment.
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
            on_event: Called with progress events on the event loop's thread; must not block.
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
                or not writable; or the cache has no room, since the rest is in use. Nothing was downloaded then.
            ArchiveError: The object is not an archive, is damaged, or exceeds the limits of `unpack`.
            IntegrityError: The bytes do not match the checksum, or `verify="require"` found none.
            SignatureError: The signature is not valid, files are missing or were added, or their bytes differ.
            DeadlineExceeded: The timeout expired; unfinished files were removed.
            StorageError: Any other failure. Files appear under their names only when complete and verified; a new
                directory appears as a whole.
        """
        deadline, signed = Deadline(timeout), None
        if trust is not None:
            if cache:
                raise InvalidConfig("cache=True cannot be combined with trust", hint="pass a destination")
            from .trusted import signed_files

            signed = await signed_files(self, trust, uri, config, deadline)
        options = CallOptions(
            Patterns.of(allow_patterns, ignore_patterns),
            on_event,
            unpack=unpack,
            existing=existing,
            on_error=on_error,
            verify=verify,
            durability=durability,
            deadline=deadline,
            version_id=version_id,
            signed=signed if trust is not None and trust.mode == "enforce" else None,
        )
        if offline and (cache is False or trust is not None):
            other = "trust" if trust is not None else "cache=False"
            raise InvalidConfig(f"offline=True cannot be combined with {other}, which does not use the cache")
        if trust is None and (cache or (cache is None and (dest is None or offline))):
            from .cached_path import Freshness, copy_from_cache, use_cached

            freshness = Freshness(revalidate, offline)
            if dest is not None:
                return await copy_from_cache(self._lifetime, uri, dest, config, options, freshness)
            return (await use_cached(self._lifetime, uri, config, options, freshness)).path
        if signed is not None and options.signed is None:
            from .trusted import download_with_warning

            return await download_with_warning(
                lambda given: self._download(uri, dest, config, given), options, signed, uri
            )
        return await self._download(uri, dest, config, options)

    async def _download(
        self, uri: StrPath, dest: StrPath | None, config: StorageConfig | None, options: CallOptions
    ) -> str:
        if dest is not None:
            from .shared_download import download_to

            return await download_to(self._lifetime, uri, dest, config, options)
        opening = self._lifetime.open("download", uri, config, options.deadline, options.on_event, options.version_id)
        async with opening as source:
            from ..operations.download import download_to_temporary

            return (await download_to_temporary(source, options.about(source.location))).path

    def cached(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
    ) -> "AsyncCachedPath":
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
            >>> async def weights(storage: AsyncStorage) -> bytes:
            ...     async with storage.cached("s3://ml-models/iris/model.joblib") as path:
            ...         return read_file(path)
        """
        from .cached_path import AsyncCachedPath, Freshness, use_cached

        freshness = Freshness(revalidate, offline)

        async def use() -> "InUse":
            options = CallOptions(
                Patterns.of(allow_patterns, ignore_patterns),
                on_event,
                unpack=unpack,
                verify=verify,
                durability=durability,
                deadline=Deadline(timeout),
                version_id=version_id,
            )
            return await use_cached(self._lifetime, uri, config, options, freshness)

        return AsyncCachedPath(self._lifetime, use)

    async def verify_signature(self, path: StrPath, trust: Trust, *, timeout: float | None = None) -> int:
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
            >>> await storage.verify_signature("/mnt/models/llama", trust)
            12
        """
        from .trusted import check_local, check_trust, signed_files

        check_trust(trust)
        deadline = Deadline(timeout)
        signed = await signed_files(self, replace(trust, mode="enforce"), path, None, deadline)
        assert signed is not None  # noqa: S101 - for mypy: only a warning returns None
        with deadline.enforced():
            return await check_local(path_text("path", path), signed)

    @shows_progress
    async def upload(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
            config: Credentials and endpoint. None: the instance's, or else from the environment.
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
            on_event: Called with progress events on the event loop's thread; must not block.
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
        options = CallOptions(
            Patterns.of(allow_patterns, ignore_patterns),
            on_event,
            existing=existing,
            on_error=on_error,
            symlinks=symlinks,
            verify=verify,
            deadline=Deadline(timeout),
            write_options=write_options,
        )
        async with self._lifetime.open_pair(
            "upload", src, uri, (None, config), options.deadline, check_local, on_event
        ) as (source, destination):
            from ..operations.upload import upload

            return await upload(source, destination, options.about(source.location))

    @shows_progress
    async def copy(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
                local path, of the destination. None: the instance's, or else from the environment.
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
            on_event: Called with progress events on the event loop's thread; must not block.
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
        options = CallOptions(
            Patterns.of(allow_patterns, ignore_patterns),
            on_event,
            recursive=recursive,
            dry_run=dry_run,
            existing=existing,
            on_error=on_error,
            symlinks=symlinks,
            verify=verify,
            durability=durability,
            deadline=Deadline(timeout),
            write_options=write_options,
        )
        async with self._lifetime.open_pair(
            "copy", src, dest, (config, dest_config), options.deadline, on_event=on_event, version_id=version_id
        ) as (source, destination):
            from ..operations.copy import copy

            return await copy(source, destination, options.about(source.location))

    @shows_progress
    async def copy_object(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
        """Copy an object or a prefix; see `AsyncStorage.copy`.

        Args:
            src_uri: Storage URI or local path.
            dest_uri: Storage URI or local path.
            config: As in `copy`.
            dest_config: As in `copy`.
            verify: As in `copy`.
            timeout: As in `copy`.
            durability: As in `copy`.
            on_event: As in `copy`.
            write_options: As in `copy`.
            version_id: As in `copy`.
            progress: As in `download`.

        Returns:
            True.

        Raises:
            StorageError: As in `copy`.
        """
        options = CallOptions(
            on_event=on_event,
            verify=verify,
            durability=durability,
            deadline=Deadline(timeout),
            write_options=write_options,
        )
        async with self._lifetime.open_pair(
            "copy", src_uri, dest_uri, (config, dest_config), options.deadline, on_event=on_event, version_id=version_id
        ) as (source, destination):
            from ..operations.copy import copy

            return bool(await copy(source, destination, options.about(source.location)))

    @shows_progress
    async def sync(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
            on_event: Called with progress events on the event loop's thread; must not block.
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
        options = CallOptions(
            Patterns.of(allow_patterns, ignore_patterns),
            on_event,
            dry_run=dry_run,
            on_error=on_error,
            symlinks=symlinks,
            verify=verify,
            durability=durability,
            delete_snapshots=delete_snapshots,
            deadline=Deadline(timeout),
            write_options=write_options,
        )
        by = comparison_mode(checksum=checksum, size_only=size_only)
        async with self._lifetime.open_pair(
            "sync", src, dest, (config, dest_config), options.deadline, on_event=on_event
        ) as (source, destination):
            from ..operations.sync import synchronize

            return await synchronize(source, destination, options.about(source.location), delete=delete, by=by)

    async def delete(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
            config: Credentials and endpoint. None: the instance's, or else from the environment.
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
            on_event: Called for each deleted object, on the event loop's thread; must not block.

        Returns:
            Number of objects that were deleted: 0 for an empty bucket or directory.

        Raises:
            ModelMissingError: There is no such object or prefix.
            IncompleteError: Some objects could not be deleted; all others were.
            InvalidConfig: It is a prefix, and `recursive` is False.
            DeadlineExceeded: The timeout expired; objects that were deleted before stay deleted.
            StorageError: Any other failure; objects that were deleted before stay deleted.
        """
        options = CallOptions(
            Patterns.of(allow_patterns, ignore_patterns),
            on_event,
            recursive=recursive,
            on_error=on_error,
            dry_run=dry_run,
            delete_snapshots=delete_snapshots,
            deadline=Deadline(timeout),
        )
        async with self._lifetime.open("delete", uri, config, options.deadline, on_event) as place:
            from ..operations.delete import delete

            return await delete(place, options.about(place.location))

    async def abort_uploads(
        self, uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None
    ) -> int:
        """Abort unfinished uploads instead of resuming them: delete their stored parts.

        Only uploads that this user has started on this machine are aborted, and none that is running. An upload that no
        call resumes for a week is aborted anyway, by the next upload to the same bucket.

        Args:
            uri: Storage URI of an object, or of a prefix or bucket for all uploads under it.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            Number of uploads that were aborted.

        Raises:
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure; uploads that were not aborted can still be resumed.

        Example:
            >>> async def discard(storage: AsyncStorage) -> None:
            ...     await storage.abort_uploads("s3://ml-models/llama/")
        """
        async with self._lifetime.open("abort uploads", uri, config, Deadline(timeout)) as place:
            from ..operations.abort_uploads import abort_uploads

            return await abort_uploads(place)

    async def delete_object(
        self,
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> bool:
        """Delete one object.

        Args:
            uri: Its storage URI or local path.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            delete_snapshots: As in `delete`.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            Whether it existed.

        Raises:
            InvalidURI: `uri` names a bucket, not an object.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        async with self._lifetime.open("delete", uri, config, Deadline(timeout)) as place:
            from ..operations.delete import delete_object

            return await delete_object(place, delete_snapshots=delete_snapshots)

    async def list_objects(
        self, uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None
    ) -> list[str]:
        """List the paths of the objects under a prefix.

        Args:
            uri: Storage URI or local path.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
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
        async with self._lifetime.open("list", uri, config, Deadline(timeout)) as source:
            from ..operations.listing import list_names

            return await list_names(source)

    async def get_object_metadata(
        self,
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        timeout: float | None = None,
        version_id: str | None = None,
    ) -> dict[str, Any]:
        """Return the metadata that the service reports for an object.

        Args:
            uri: Storage URI or local path of an object or a prefix.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.
            version_id: As in `download`.

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
        async with self._lifetime.open("stat", uri, config, Deadline(timeout), version_id=version_id) as source:
            from ..operations.stat import object_metadata

            return await object_metadata(source, str(parse(uri)))

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
            from ..operations.read import read

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
            from ..operations.read import read_into

            return await read_into(source, buffer, start)

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
            from ..operations.read import stream_object

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
        from .async_file import AsyncReadableFile, AsyncWritableFile, check_mode

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
        from .async_tensors import AsyncTensors

        return AsyncTensors(
            self._lifetime,
            path_text("uri", uri),
            config,
            framework=framework,
            device=device,
            memory=memory,
            verify=verify,
        )

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
            from ..operations.read_ranges import read_ranges

            return await read_ranges(source, ranges)

    async def stat(
        self, uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None
    ) -> ObjectInfo:
        """Return what the service reports about one object; `get_object_metadata` returns it as a dictionary.

        Args:
            uri: Its storage URI or local path.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Returns:
            The object: key, size, version, modification time, checksums, properties …

        Raises:
            ModelMissingError: There is no such object, also if there is a prefix of that name.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        async with self._lifetime.open("stat", uri, config, Deadline(timeout)) as source:
            from ..operations.stat import stat

            return await stat(source)

    async def exists(self, uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None) -> bool:
        """Check whether there is an object, or a prefix with at least one object.

        Args:
            uri: Storage URI or local path. As everywhere, `models/foo` is the object of that name or the prefix
                `models/foo/`; with a final "/" it is the prefix only. An empty bucket or directory exists.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            timeout: Seconds for the whole call. None: no limit.

        Raises:
            AccessDenied: There is no permission to find out.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        try:
            async with self._lifetime.open("check", uri, config, Deadline(timeout)) as source:
                from ..operations.exists import check_exists

                return await check_exists(source)
        except ModelMissingError:  # already when it is opened
            return False

    async def write(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            existing: As in `upload`. If there is an object of this name already, nothing is taken from a stream.
            verify: As in `upload`.
            timeout: Seconds for the whole call. None: no limit.
            durability: As in `download`, for a local file.
            on_event: Called with progress events on the event loop's thread; must not block.
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
            >>> async def transform(storage: AsyncStorage, src: StrPath, dest: StrPath) -> ObjectInfo:
            ...     async def chunks():
            ...         async for chunk in storage.stream(src):
            ...             yield chunk.upper()
            ...     return await storage.write(dest, chunks())
        """
        options = CallOptions(
            on_event=on_event,
            existing=existing,
            verify=verify,
            durability=durability,
            deadline=Deadline(timeout),
            write_options=write_options,
        )
        async with self._lifetime.open("write", uri, config, options.deadline, on_event) as place:
            from ..operations.write import write

            return await write(place, data, options.about(place.location))

    async def move(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
            on_event: Called on the event loop's thread with progress events, and with a "deleted" event for each source
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
        options = CallOptions(
            Patterns.of(allow_patterns, ignore_patterns),
            on_event,
            recursive=recursive,
            dry_run=dry_run,
            existing=existing,
            on_error=on_error,
            verify=verify,
            durability=durability,
            delete_snapshots=delete_snapshots,
            deadline=Deadline(timeout),
            write_options=write_options,
        )
        async with self._lifetime.open_pair(
            "move", src, dest, (config, dest_config), options.deadline, on_event=on_event
        ) as (source, destination):
            from ..operations.move import move

            return await move(source, destination, options.about(source.location))

    async def presign(
        self,
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
            config: Credentials and endpoint. None: the instance's, or else from the environment.
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
        async with self._lifetime.open("sign", uri, config, Deadline(timeout)) as place:
            from ..operations.presign import presign

            return await presign(place, method, expires_in)

    async def list_buckets(
        self, uri: StrPath, *, config: StorageConfig | None = None, timeout: float | None = None
    ) -> list[str]:
        """List the names of the buckets, or containers, of an account.

        Args:
            uri: "s3://", "gs://" or "azure://".
            config: Credentials and endpoint. None: the instance's, or else from the environment. gs
                needs a project: that of `GCSConfig(project_id=…)`, `GOOGLE_CLOUD_PROJECT`, or that of the key.
            timeout: Seconds for the whole call. None: no limit.

        Raises:
            InvalidURI: `uri` does not name a service.
            UnsupportedOperation: The service has no buckets, or these credentials are for one bucket only.
            AccessDenied: The credentials are wrong, or lack permission to list buckets.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.
        """
        deadline = Deadline(timeout)
        async with self._lifetime.kept_open() as instance:
            from ..operations.list_buckets import list_buckets

            await deadline.prepare(instance.disk)
            with deadline.enforced():
                return await list_buckets(
                    path_text("uri", uri),
                    lambda location: self._lifetime.config_for(location, config),
                    instance.for_call(deadline.end),
                )

    # Each item of a `*_many` verb is a call of the verb. All run on this instance, and share one timeout.

    @overload
    async def download_many(
        self,
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
    async def download_many(
        self,
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
    @shows_progress
    async def download_many(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            return_exceptions: Put a failed item's StorageError in its place among the results, and continue with the
                others. False: the first failure cancels the others and is raised.
            existing: As in `download`.
            on_error: As in `download`, for items that are prefixes.
            verify: As in `download`.
            timeout: Seconds for all items together; items that are not done by then fail. None: no limit.
            durability: As in `download`.
            on_event: Called with the progress events of all items on the event loop's thread; must not block.
            cache: As in `download`.
            progress: As in `download`, for all items together.

        Returns:
            Their paths, in the order of the items.

        Example:
            >>> paths = await storage.download_many([("s3://m/a/", "/mnt/a"), ("s3://m/b/", "/mnt/b")])
        """
        options = CallOptions(
            on_event=on_event,
            existing=existing,
            on_error=on_error,
            verify=verify,
            durability=durability,
            deadline=Deadline(timeout),
        )
        from . import many

        return await many.download_many(
            self._lifetime, items, config, options, cache=cache, return_exceptions=return_exceptions
        )

    @overload
    async def upload_many(
        self,
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
    async def upload_many(
        self,
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
    @shows_progress
    async def upload_many(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
            config: Credentials and endpoint. None: the instance's, or else from the environment.
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
        options = CallOptions(
            on_event=on_event,
            existing=existing,
            on_error=on_error,
            symlinks=symlinks,
            verify=verify,
            deadline=Deadline(timeout),
            write_options=write_options,
        )
        from . import many

        return await many.upload_many(self._lifetime, items, config, options, return_exceptions=return_exceptions)

    @overload
    async def copy_many(
        self,
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
    async def copy_many(
        self,
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
    @shows_progress
    async def copy_many(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
        options = CallOptions(
            on_event=on_event,
            existing=existing,
            on_error=on_error,
            symlinks=symlinks,
            verify=verify,
            durability=durability,
            deadline=Deadline(timeout),
            write_options=write_options,
        )
        configs = (config, dest_config)
        from . import many

        return await many.copy_many(self._lifetime, items, configs, options, return_exceptions=return_exceptions)

    @overload
    async def delete_many(
        self,
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> list[bool]: ...
    @overload
    async def delete_many(
        self,
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> list[bool | StorageError]: ...
    async def delete_many(
        self,
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
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            return_exceptions: As in `download_many`.
            delete_snapshots: As in `delete`.
            timeout: As in `download_many`.

        Returns:
            Whether each existed, in the order of the URIs.
        """
        from . import many

        return await many.delete_many(
            self._lifetime,
            uris,
            config,
            Deadline(timeout),
            delete_snapshots=delete_snapshots,
            return_exceptions=return_exceptions,
        )

    @overload
    async def read_many(
        self,
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: Literal[False] = False,
        timeout: float | None = None,
    ) -> list[bytes]: ...
    @overload
    async def read_many(
        self,
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool,
        timeout: float | None = None,
    ) -> list[bytes | StorageError]: ...
    async def read_many(
        self,
        uris: Iterable[StrPath],
        *,
        config: StorageConfig | None = None,
        return_exceptions: bool = False,
        timeout: float | None = None,
    ) -> list[bytes] | list[bytes | StorageError]:
        """Read many objects into memory concurrently.

        Args:
            uris: Storage URIs or local paths, as for `read`.
            config: Credentials and endpoint. None: the instance's, or else from the environment.
            return_exceptions: As in `download_many`.
            timeout: As in `download_many`.

        Returns:
            Their bytes, in the order of the URIs.
        """
        deadline = Deadline(timeout)
        from . import many

        return await many.read_many(self._lifetime, uris, config, deadline, return_exceptions=return_exceptions)

    # The last method: in the class, its name hides the type `list` from the annotations after it.
    async def list(
        self,
        uri: StrPath,
        *,
        config: StorageConfig | None = None,
        delimiter: Literal["/"] | None = None,
        max_items: int | None = None,
        allow_patterns: PatternList = None,
        ignore_patterns: PatternList = None,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> AsyncGenerator[ObjectInfo]:
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
            on_event: Called on the event loop's thread with a "skipped" event for each entry of a local directory that
                is not an object: a broken link, a FIFO …, and with a "retry" or "paused" event before each wait; must
                not block.

        Yields:
            Each object with its whole key, directory markers included, in no particular order. Nothing for an empty
            bucket or directory.

        Raises:
            ModelMissingError: There is no such object or prefix.
            IncompleteError: Some local directories could not be listed; all other objects were yielded.
            DeadlineExceeded: The timeout expired.
            StorageError: Any other failure.

        Example:
            >>> async def total(storage: AsyncStorage, uri: StrPath) -> int:
            ...     return sum([obj.size or 0 async for obj in storage.list(uri)])
        """
        patterns = Patterns.of(allow_patterns, ignore_patterns)

        def listing(source: OpenLocation) -> AsyncGenerator[ObjectInfo]:
            from ..operations.listing import list_objects

            return list_objects(source, patterns, on_event, delimiter=delimiter, max_items=max_items)

        async with aclosing(
            self._lifetime.iterate("list", uri, config, listing, Deadline(timeout), on_event)
        ) as objects:
            async for obj in objects:
                yield obj

    is_local = staticmethod(is_local)
    get_storage_spec = staticmethod(get_storage_spec)
