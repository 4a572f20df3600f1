"""Moving: a copy that is verified, then the deletion of what was copied; on one disk, a rename."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import aclosing
from dataclasses import replace

from ..compressed_list import CompressedList
from ..errors import IncompleteError, ModelMissingError, ObjectChanged, Skipped, StorageError, first_of
from ..keys.paths import is_directory_marker
from ..runtime.shielded import cancelled_once
from ..types import Event, ObjectInfo
from .call_options import CallOptions
from .copy import check_writable, copy
from .open_location import OpenLocation
from .rename import rename
from .skip_report import SkipReport, as_prefix

__all__ = ["move"]

_NOT_DELETED = "copied everything, but could not delete everything"
_NOT_MOVED = "moved everything but"
_REPLACED = "it was replaced after it was copied"
_MAX_CONCURRENT = 16

# Key and version of an object that was copied, and the key of the copy.
_Copied = tuple[str, str | None, str]


async def move(source: OpenLocation, destination: OpenLocation, options: CallOptions) -> str:
    """Move an object or a prefix; see `AsyncStorage.move`.

    Returns:
        The URI or local path at the destination.
    """
    check_writable(source)
    check_writable(destination, options.write_options)
    if source.on_disk and destination.on_disk and not options.dry_run and options.patterns.match_all:
        renamed = await rename(source, destination, options)
        if renamed is not None:
            return renamed
    copied: CompressedList[_Copied] = CompressedList()
    discarded: set[str] = set()

    def on_stored(obj: ObjectInfo, key: str, _stored: ObjectInfo) -> None:
        copied.append((obj.key, obj.version, key))

    not_copied: IncompleteError | None = None
    target = ""
    try:
        target = await copy(source, destination, replace(options, on_stored=on_stored, on_discarded=discarded.add))
    except IncompleteError as error:  # all others are in place
        if options.on_error == "stop":
            raise
        not_copied = error
    if not options.dry_run:
        await _Deletion(source, options, discarded).run(copied, not_copied)
    if not_copied is not None:
        raise _not_moved(source, not_copied)
    return target


def _not_moved(source: OpenLocation, *errors: IncompleteError) -> IncompleteError:
    """The error of a call that has moved only a part of the objects."""
    skipped = [each for error in errors for each in error.skipped]
    count = sum(error.count for error in errors)
    return IncompleteError(_NOT_MOVED, skipped, under=as_prefix(source.location.key), count=count)


class _Deletion:
    """Deletes objects that were copied, each only in the version that was copied.

    Args:
        source: Their location.
        options: Options of the call.
        discarded: Keys of copies that were discarded; their sources stay.
    """

    def __init__(self, source: OpenLocation, options: CallOptions, discarded: Collection[str]) -> None:
        self._source = source
        self._options = options
        self._discarded = discarded
        self._backend = source.backend
        self._retry = source.instance.retry
        self._prefix = as_prefix(source.location.key)
        self._failed = False
        self._report: SkipReport = options.skip_report(source.location.key)

    async def run(self, copied: CompressedList[_Copied], not_copied: IncompleteError | None = None) -> None:
        """Delete the objects.

        Args:
            copied: The objects.
            not_copied: The error about those that were not copied, which this one includes. None: there are none.

        Raises:
            IncompleteError: Some were not deleted; all others were.
        """
        is_object = await self._is_object(copied)
        if self._source.on_disk and not is_object:
            for number in range(copied.blocks):
                await self._delete_files(copied.block(number))
        else:
            await self._delete_objects(copied)
        if self._options.patterns.match_all and not self._failed and not is_object:
            await self._delete_markers()
        try:
            self._report.check(_NOT_DELETED)
        except IncompleteError as error:
            if not_copied is None:
                raise
            raise _not_moved(self._source, not_copied, error) from None

    async def _is_object(self, copied: CompressedList[_Copied]) -> bool:
        """Whether the source is one object, not a prefix."""
        key = self._source.location.key
        if len(copied):
            return len(copied) == 1 and copied.block(0)[0][0] == key
        if not key or key.endswith("/"):
            return False
        try:  # nothing was copied
            await self._retry(lambda: self._backend.stat(key))
        except ModelMissingError:
            return False
        return True

    async def _delete_objects(self, copied: CompressedList[_Copied]) -> None:
        pending = iter(copied)

        async def work() -> None:
            for key, version, target in pending:  # shared by all workers
                if not key.endswith("/") and target not in self._discarded:  # no directory marker
                    await self._delete_object(key, version)

        async def delete_all() -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_MAX_CONCURRENT, len(copied))):
                    group.create_task(work())

        try:
            await cancelled_once(delete_all())
        except BaseExceptionGroup as failures:
            raise first_of(failures) from None

    async def _delete_object(self, key: str, version: str | None) -> None:
        snapshots = self._options.delete_snapshots
        try:
            await self._retry(lambda: self._backend.delete(key, snapshots=snapshots, version=version))
        except ModelMissingError:  # another process has deleted it
            return
        except ObjectChanged as error:
            self._fail(Skipped(key, "not deleted", _REPLACED, error))
        except StorageError as error:
            if error.retryable:  # the failure is not specific to this object
                raise
            self._fail(Skipped(key, "not deleted", error.cause, error))
        else:
            self._deleted([key])

    async def _delete_files(self, copied: Sequence[_Copied]) -> None:
        """Delete local files, and the directories that this leaves empty."""
        unchanged = []
        for key, version, target in copied:
            if target in self._discarded:
                continue
            try:
                same = (await self._backend.stat(key)).version == version
            except ModelMissingError:
                continue
            if same:
                unchanged.append(key)
            else:
                self._fail(Skipped(key, "not deleted", _REPLACED))
        await self._delete_many(unchanged)

    async def _delete_markers(self) -> None:
        """Delete directory markers, and empty local directories, if nothing else is left."""
        if not self._prefix:
            return
        markers = []
        async with aclosing(self._backend.list(self._prefix)) as objects:
            async for obj in objects:
                if not is_directory_marker(obj.key, obj.size):
                    return
                markers.append(obj.key)
        await self._delete_many(markers)

    async def _delete_many(self, keys: Sequence[str]) -> None:
        failed: set[str] = set()
        if keys:
            try:
                await self._retry(lambda: self._backend.delete_many(keys, self._prefix))
            except IncompleteError as error:
                for skipped in error.skipped:
                    self._fail(skipped)
                    failed.add(skipped.key)
        self._deleted([key for key in keys if key not in failed])

    def _fail(self, skipped: Skipped) -> None:
        self._failed = True
        self._report.fail(skipped)

    def _deleted(self, keys: Sequence[str]) -> None:
        if self._options.on_event is not None:
            for key in keys:
                self._options.on_event(Event("deleted", key))
