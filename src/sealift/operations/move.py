"""Moving: a copy that is verified, then the deletion of what was copied; on one disk, a rename."""

import asyncio
from collections.abc import Sequence
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

_INCOMPLETE = "copied everything, but could not delete everything"
_REPLACED = "it was replaced after it was copied"
_MAX_CONCURRENT = 16

# Key and version of an object that was copied.
_Copied = tuple[str, str | None]


async def move(source: OpenLocation, destination: OpenLocation, options: CallOptions) -> str:
    """Move an object or a prefix; see `AsyncStorage.move`.

    Returns:
        The URI or local path at the destination.
    """
    check_writable(source)
    check_writable(destination)
    if source.on_disk and destination.on_disk and not options.dry_run and options.patterns.match_all:
        renamed = await rename(source, destination, options)
        if renamed is not None:
            return renamed
    copied: CompressedList[_Copied] = CompressedList()

    def on_stored(obj: ObjectInfo, _key: str, _stored: ObjectInfo) -> None:
        copied.append((obj.key, obj.version))

    target = await copy(source, destination, replace(options, on_stored=on_stored))
    if not options.dry_run:
        await _Deletion(source, options).run(copied)
    return target


class _Deletion:
    """Deletes objects that were copied, each only in the version that was copied.

    Args:
        source: Their location.
        options: Options of the call.
    """

    def __init__(self, source: OpenLocation, options: CallOptions) -> None:
        self._source = source
        self._options = options
        self._backend = source.backend
        self._retry = source.instance.retry
        self._prefix = as_prefix(source.location.key)
        self._failed = False
        self._report: SkipReport = options.skip_report(source.location.key)

    async def run(self, copied: CompressedList[_Copied]) -> None:
        """Delete the objects.

        Raises:
            IncompleteError: Some were not deleted; all others were.
        """
        key = self._source.location.key
        if self._source.on_disk and not (len(copied) == 1 and copied.block(0)[0][0] == key):
            for number in range(copied.blocks):
                await self._delete_files(copied.block(number))
        else:
            await self._delete_objects(copied)
        if self._options.patterns.match_all and not self._failed:
            await self._delete_markers()
        self._report.check(_INCOMPLETE)

    async def _delete_objects(self, copied: CompressedList[_Copied]) -> None:
        pending = iter(copied)

        async def work() -> None:
            for key, version in pending:  # shared by all workers
                if not key.endswith("/"):  # a directory marker
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
        for key, version in copied:
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
