"""Copies between any two storages."""

from ...config import StorageConfig
from ...keys.patterns import Patterns
from ...operations.call_options import CallOptions, comparison_mode
from ...operations.deadline import Deadline
from ...types import Durability, Existing, OnError, OnEvent, Symlinks, Synced, Verify
from ...types.write_options import WriteOptions
from ..argument_types import PatternList, StrPath
from ..positional_config import accepts_positional_config
from ..progress_option import shows_progress
from .base import Verbs

__all__ = ["CopyVerbs"]


@accepts_positional_config
class CopyVerbs(Verbs):
    """Copies between any two storages."""

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
            from ...operations.copy import copy

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
            from ...operations.copy import copy

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
            from ...operations.sync import synchronize

            return await synchronize(source, destination, options.about(source.location), delete=delete, by=by)

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
            from ...operations.move import move

            return await move(source, destination, options.about(source.location))
