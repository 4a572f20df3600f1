"""The verbs that change something: what a user asks for → what the engine does."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from functools import partial

import anyio

from ..backends.local import LocalBackend
from ..config import StorageConfig
from ..errors import InvalidConfig, InvalidURI, ModelMissingError
from ..keys.patterns import Patterns
from ..operations import copy as copying
from ..operations import delete as deleting
from ..operations.download import download
from ..operations.resolve import LOOK, Prefix, resolve
from ..operations.selection import Options
from ..operations.sync import synchronize
from ..types import Durability, OnEvent, Synced, Unpack, Verify
from .lifetime import Deadline, End, Session

__all__ = ["PatternList", "StrPath", "Transfers"]

StrPath = str | os.PathLike[str]
PatternList = Iterable[str] | str | None


class Transfers(Session):
    """Download, upload, copy, sync and delete."""

    async def download(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
            uri: Storage URI of an object or a prefix, or a local path. An object wins over a prefix of the same name;
                `models/foo` as a prefix means `models/foo/…`, never `models/foo-2`.
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
            durability: What files survive once this returns. "rename": the end of this process. "fsync": also that of
                the machine, as by a power failure: each is on the disk before its rename, and after it are the
                directories that lead to it.
            on_event: Told of progress on the loop's thread; must not block.

        Returns:
            The path of the file, or of the directory for a prefix or an archive.

        Raises:
            InvalidURI: `uri` is no storage URI.
            ModelMissingError: There is nothing there, or nothing that the patterns let through.
            IncompleteError: Some files of a local directory could not be read; all others were copied.
            AccessDenied: The credentials are wrong or not allowed to read it.
            UnsafeKey: A key, or an archive's entry, would leave `dest`.
            LocalIOError: `dest`, or a file below it, is a pipe, a device, a socket or a link to nothing; or the disk is
                full or cannot be written.
            ArchiveError: What is to be unpacked is no archive, is damaged, or would grow without bounds.
            IntegrityError: The bytes are not those that were stored, or nothing tells.
            DeadlineExceeded: The time is over; nothing of what was under way is left.
            StorageError: Any other failure. Files appear under their names only when they are whole and verified; a
                directory that did not exist appears as a whole.
        """
        bounds = unpack if isinstance(unpack, Unpack) else Unpack() if unpack else None
        patterns = Patterns.of(allow_patterns, ignore_patterns)
        options = Options(patterns, on_event, unpack=bounds, verify=verify, durability=durability)
        path, _ = await self._download(uri, dest, config, options, Deadline(timeout))
        return path

    async def _download(
        self, uri: str, dest: StrPath | None, config: StorageConfig | None, options: Options, deadline: Deadline
    ) -> tuple[str, str | None]:
        """As `download`; returns the path, and the temporary directory if one was made for it."""
        async with self._at("download", uri, config, deadline) as end:
            instance, source, location = end.instance, end.backend, end.location
            if dest is not None:
                return await download(instance, source, location, os.fspath(dest), options), None
            if location.scheme == "file" and options.unpack is None:
                found = await resolve(source, location.key, instance.retry, LOOK)
                if isinstance(found, Prefix):
                    await found.objects.aclose()
                return f"/{location.key.rstrip('/')}", None
            root = LocalBackend("/", instance.disk)
            made: list[str] = []

            def make() -> None:  # a call that is cancelled meanwhile has made it too
                made.append(tempfile.mkdtemp(prefix="sealift-"))

            try:
                await root.run(make)
                return await download(instance, source, location, made[0], options), made[0]
            except BaseException:
                with anyio.CancelScope(shield=True):
                    for path in made:
                        await instance.disk.run(partial(shutil.rmtree, path, ignore_errors=True))
                raise

    async def upload(
        self,
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
        """Bring a local file, or all files below a directory, to a storage.

        Args:
            src: Path of the file or directory. Links are followed; empty directories are left out.
            uri: For a file the object's URI, or, if it ends in "/" or is a bucket's, the prefix that receives the
                file's name. For a directory the prefix that receives the relative paths.
            config: How to sign in. None: what the environment says.
            allow_patterns: Only files whose path relative to `src` (for a file: whose name) matches one of these.
            ignore_patterns: No files whose path matches one of these.
            verify: True: say by which checksum the service has compared the bytes. "require": one that has not is an
                IntegrityError. False: do not look.
            timeout: Seconds that the whole call may take. None: any time.
            on_event: Told of progress on the loop's thread; must not block.

        Returns:
            True: all of it is there.

        Raises:
            ModelMissingError: `src` or the bucket does not exist, or there is no file in it.
            IncompleteError: As in `download`.
            AccessDenied: The credentials are wrong or not allowed to write there.
            DeadlineExceeded: The time is over; what was under way was aborted.
            StorageError: Any other failure. An object is replaced at once and as a whole; those that were complete
                before the failure stay.
        """
        options = Options(Patterns.of(allow_patterns, ignore_patterns), on_event, verify=verify)
        return await self._upload(src, uri, config, options, Deadline(timeout))

    async def _upload(
        self, src: StrPath, uri: str, config: StorageConfig | None, options: Options, deadline: Deadline
    ) -> bool:
        async with self._verb("upload", os.fspath(src), uri) as (_, (source, _)):
            if source.scheme not in {"file", "pvc"}:
                raise InvalidConfig(f"{source} is no local path", hint="copy() moves between storages")
        async with self._between("upload", os.fspath(src), uri, None, config, deadline) as (first, second):
            await _move(first, second, options)
            return True

    async def copy(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
        """Copy an object, or all objects under a prefix, from anywhere to anywhere.

        Within one service, signed in to in one way, the service copies by itself; else the bytes go through memory,
        within the budget, and never over a disk.

        Args:
            src: Storage URI or local path.
            dest: Storage URI or local path: of the object; or, if it ends in "/", is a bucket's or a directory, of what
                receives its name. For a prefix, of what receives the keys relative to it.
            config: How to sign in at the source, and at a destination of the same scheme; where the source is a local
                path, at the destination. None: what the environment says.
            dest_config: How to sign in at the destination.
            allow_patterns: Only objects whose path relative to the prefix (for an object: whose name) matches one of
                these.
            ignore_patterns: No objects whose path matches one of these.
            recursive: False refuses a prefix.
            dry_run: Only tell `on_event` what would be copied ("listed").
            verify: True: compare the bytes with a checksum wherever one side tells one. "require": an object of which
                neither does is an IntegrityError. False: compare sizes only, and ask for no checksum.
            timeout: Seconds that the whole call may take. None: any time.
            durability: As in `download`, of files on the local disk.
            on_event: Told of progress on the loop's thread; must not block.

        Returns:
            Where it is now: a URI, or a path on the local disk.

        Raises:
            ModelMissingError: There is nothing there, or nothing that the patterns let through.
            IncompleteError: As in `download`.
            InvalidConfig: Source and destination overlap, or a prefix was refused.
            IntegrityError: The bytes are not those that were stored, or nothing tells.
            DeadlineExceeded: The time is over; nothing of what was under way is left.
            StorageError: Any other failure. Each object appears at once and as a whole.
        """
        patterns = Patterns.of(allow_patterns, ignore_patterns)
        options = Options(patterns, on_event, recursive, dry_run, verify=verify, durability=durability)
        return await self._copy(src, dest, config, dest_config, options, Deadline(timeout))

    async def _copy(
        self,
        src: str,
        dest: str,
        config: StorageConfig | None,
        dest_config: StorageConfig | None,
        options: Options,
        deadline: Deadline,
    ) -> str:
        async with self._between("copy", src, dest, config, dest_config, deadline) as (first, second):
            return await _move(first, second, options)

    async def copy_object(
        self,
        src_uri: str,
        dest_uri: str,
        config: StorageConfig | None = None,
        dest_config: StorageConfig | None = None,
        *,
        verify: Verify = True,
        timeout: float | None = None,
        durability: Durability = "rename",
        on_event: OnEvent | None = None,
    ) -> bool:
        """Copy an object or a prefix; as `copy`.

        Args:
            src_uri: Storage URI or local path.
            dest_uri: Storage URI or local path.
            config: As in `copy`.
            dest_config: As in `copy`.
            verify: As in `copy`.
            timeout: As in `copy`.
            durability: As in `copy`.
            on_event: As in `copy`.

        Returns:
            True: it is there.

        Raises:
            StorageError: It could not be copied.
        """
        await self.copy(
            src_uri,
            dest_uri,
            config,
            dest_config,
            verify=verify,
            timeout=timeout,
            durability=durability,
            on_event=on_event,
        )
        return True

    async def sync(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
        """Make a prefix or directory hold what another one holds, and copy only what differs.

        Two objects are equal if their sizes are equal, and a checksum or a content tag in both listings says so, or an
        earlier `sync` recorded that they have the same bytes and neither has changed since. Any other object is copied.
        Times are never compared. The record is kept under `$XDG_STATE_HOME/sealift`; without it, only checksums and
        tags count.

        Args:
            src: Storage URI or local path of a prefix or directory.
            dest: The same, of what receives the relative paths.
            config: As in `copy`.
            dest_config: As in `copy`.
            delete: In the end, remove what only the destination has; nothing if a part of the source could not be read.
            delete_snapshots: Azure: remove objects together with their snapshots. False: an object that has any is an
                error, and stays.
            checksum: Compare checksums where sizes are equal, whatever is recorded: those that services report, and
                those of local files, which are read for it. What cannot be compared is copied.
            size_only: Objects of equal size are equal. Fast, and wrong for weights that were trained again.
            allow_patterns: Copy and remove only objects whose relative path matches one of these.
            ignore_patterns: Neither copy nor remove objects whose path matches one of these.
            dry_run: Only tell `on_event` what would be copied ("listed") and removed ("deleted").
            verify: As in `copy`, of what is copied.
            timeout: Seconds that the whole call may take. None: any time.
            durability: As in `copy`; of what is removed nothing is promised.
            on_event: Told of progress on the loop's thread; must not block.

        Returns:
            How many objects were copied, kept and deleted.

        Raises:
            ModelMissingError: There is no such source; nothing is removed then. An empty bucket or directory is one.
            IncompleteError: Something at the source could not be read, and nothing was removed; or something at the
                destination could not be removed. Everything else was done.
            InvalidConfig: Source and destination overlap, the source is a single object, or both `checksum` and
                `size_only` are set.
            DeadlineExceeded: The time is over; what was copied before stays.
            StorageError: Any other failure; nothing is removed then.
        """
        patterns = Patterns.of(allow_patterns, ignore_patterns)
        options = Options(
            patterns, on_event, dry_run=dry_run, verify=verify, durability=durability, snapshots=delete_snapshots
        )
        if checksum and size_only:
            raise InvalidConfig("checksum and size_only exclude each other", hint="choose one of them")
        async with self._between("sync", src, dest, config, dest_config, Deadline(timeout)) as (first, second):
            return await synchronize(
                first.instance,
                first.backend,
                first.location,
                second.backend,
                second.location,
                options,
                delete=delete,
                by="checksum" if checksum else "size" if size_only else "record",
            )

    async def delete(  # noqa: PLR0913 - the caller's options, each by its name
        self,
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
        """Remove an object, or all objects under a prefix.

        Args:
            uri: Storage URI or local path.
            config: How to sign in. None: what the environment says.
            recursive: Whether a prefix may be removed. Links in a directory are removed, not followed.
            delete_snapshots: Azure: remove objects together with their snapshots. False: an object that has any is an
                error, and stays.
            allow_patterns: Only objects whose path relative to the prefix matches one of these.
            ignore_patterns: No objects whose path matches one of these.
            dry_run: Only tell `on_event` what would be removed ("deleted").
            timeout: Seconds that the whole call may take. None: any time.
            on_event: Told of what is removed, on the loop's thread; must not block.

        Returns:
            How many objects were removed: 0 for an empty bucket or directory.

        Raises:
            ModelMissingError: There is nothing there.
            IncompleteError: Some could not be removed; everything else is gone.
            InvalidConfig: It is a prefix, and `recursive` is False.
            DeadlineExceeded: The time is over.
            StorageError: Any other failure; what was removed before is gone.
        """
        patterns = Patterns.of(allow_patterns, ignore_patterns)
        options = Options(patterns, on_event, recursive, dry_run, snapshots=delete_snapshots)
        async with self._at("delete", uri, config, Deadline(timeout)) as end:
            return await deleting.delete(end.instance, end.backend, end.location, options)

    async def delete_object(
        self,
        uri: str,
        config: StorageConfig | None = None,
        *,
        delete_snapshots: bool = False,
        timeout: float | None = None,
    ) -> bool:
        """Remove one object.

        Args:
            uri: Its storage URI or local path.
            config: How to sign in. None: what the environment says.
            delete_snapshots: As in `delete`.
            timeout: Seconds that the whole call may take. None: any time.

        Returns:
            Whether it was there.

        Raises:
            InvalidURI: `uri` names no object but a bucket.
            DeadlineExceeded: The time is over.
            StorageError: Any other failure.
        """
        return await self._delete_object(uri, config, Deadline(timeout), delete_snapshots=delete_snapshots)

    async def _delete_object(
        self, uri: str, config: StorageConfig | None, deadline: Deadline, *, delete_snapshots: bool
    ) -> bool:
        async with self._at("delete", uri, config, deadline) as end:
            if not end.location.key:
                raise InvalidURI("this names a bucket, not an object", uri=str(end.location))
            try:
                await end.instance.retry(lambda: end.backend.delete(end.location.key, snapshots=delete_snapshots))
            except ModelMissingError:
                return False
            return True


async def _move(first: End, second: End, options: Options) -> str:
    """Copy between two ends; into files where the destination is this machine's disk."""
    source, target = first.location, second.location
    if target.scheme != "file":
        return str(await copying.copy(first.instance, first.backend, source, second.backend, target, options))
    if source.scheme == "file" and await first.instance.disk.run(partial(copying.overlap_on_disk, source, target)):
        raise InvalidConfig("source and destination are the same, or the one lies in the other")
    return await download(first.instance, first.backend, source, f"/{target.key}", options)
