"""Downloads to the local disk and to the cache, and signatures of what was downloaded."""

from dataclasses import replace
from typing import TYPE_CHECKING

from ...config import StorageConfig
from ...errors import InvalidConfig
from ...keys.patterns import Patterns
from ...operations.call_options import CallOptions
from ...operations.deadline import Deadline
from ...types import Durability, Existing, OnError, OnEvent, Revalidate, Unpack, Verify
from ...types.argument_checks import path_text
from ...types.trust import Trust
from ..argument_types import PatternList, StrPath, check_cache, check_freshness
from ..positional_config import accepts_positional_config
from ..progress_option import shows_progress
from .reading import ReadVerbs

if TYPE_CHECKING:
    from ..cached_path import AsyncCachedPath, InUse

__all__ = ["DownloadVerbs"]


@accepts_positional_config
class DownloadVerbs(ReadVerbs):
    """Downloads to the local disk and to the cache, and signatures of what was downloaded."""

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
                or not writable; or the cache has no room, since the rest is in use. Nothing was downloaded then, except
                of an archive: how large its files are is not known before.
            ArchiveError: The object is not an archive, is damaged, or exceeds the limits of `unpack`.
            IntegrityError: The bytes do not match the checksum, or `verify="require"` found none.
            SignatureError: The signature is not valid, files are missing or were added, or their bytes differ.
            DeadlineExceeded: The timeout expired; unfinished files were removed.
            StorageError: Any other failure. Files appear under their names only when complete and verified; a new
                directory appears as a whole.
        """
        check_cache(cache)
        check_freshness(revalidate, offline)
        deadline, signed = Deadline(timeout), None
        if trust is not None:
            if cache:
                raise InvalidConfig("cache=True cannot be combined with trust", hint="pass a destination")
            from ..trusted import signed_files

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
            from ..cached_path import Freshness, copy_from_cache, use_cached

            freshness = Freshness(revalidate, offline)
            if dest is not None:
                return await copy_from_cache(self._lifetime, uri, dest, config, options, freshness)
            return (await use_cached(self._lifetime, uri, config, options, freshness)).path
        if signed is not None and options.signed is None:
            from ..trusted import download_with_warning

            return await download_with_warning(
                lambda given: self._download(uri, dest, config, given), options, signed, uri
            )
        return await self._download(uri, dest, config, options)

    async def _download(
        self, uri: StrPath, dest: StrPath | None, config: StorageConfig | None, options: CallOptions
    ) -> str:
        if dest is not None:
            from ..shared_download import download_to

            return await download_to(self._lifetime, uri, dest, config, options)
        opening = self._lifetime.open("download", uri, config, options.deadline, options.on_event, options.version_id)
        async with opening as source:
            from ...operations.download import download_to_temporary

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
        from ..cached_path import AsyncCachedPath, Freshness, use_cached

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
        from ..trusted import check_local, check_trust, signed_files

        check_trust(trust)
        deadline = Deadline(timeout)
        signed = await signed_files(self, replace(trust, mode="enforce"), path, None, deadline)
        assert signed is not None  # noqa: S101 - for mypy: only a warning returns None
        with deadline.enforced():
            return await check_local(path_text("path", path), signed)
