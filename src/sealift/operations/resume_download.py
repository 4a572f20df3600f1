"""Resuming a download: transfer what an interrupted one has not completed; `completed_files.py` checks the rest."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from ..backends.local import LocalBackend, open_work_directory
from ..compressed_list import CompressedList
from ..engine.job import Job
from ..engine.transfer import OnFailure, Transfer
from ..errors import (
    AccessDenied,
    IncompleteError,
    IntegrityError,
    ObjectChanged,
    ServiceError,
    StorageError,
    TransportError,
)
from ..instance import Instance
from ..persist.download_journal import Journal, fingerprint
from ..runtime.shielded import shielded
from ..types import Event
from .call_options import CallOptions
from .completed_files import CompletedFiles, report_resumed
from .open_location import OpenLocation
from .unchanged_files import find_unchanged

if TYPE_CHECKING:
    from .selection import Exists

__all__ = ["open_journal", "report_completed", "report_only", "transfer_missing"]

# Failures after which a later run may succeed.
_TRANSIENT = (
    AccessDenied,
    IntegrityError,
    ObjectChanged,
    ServiceError,
    TransportError,
    asyncio.CancelledError,
)
# Seconds between two attempts to open a journal that another caller has; the pauses double.
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5


@asynccontextmanager
async def open_journal(
    instance: Instance, state: str, *identity: object, many: bool, request: str = "", exclusive: bool = True
) -> AsyncGenerator[Journal]:
    """Open the journal of a download. If another caller of this process or another one has it, wait until it has ended.

    On exit, the download's files in the `.sealift` directory are removed, and the directory if it is empty. After a
    cancellation or a transient failure they are kept for the next run.

    Args:
        instance: The instance.
        state: The `.sealift` directory.
        identity: What distinguishes this download from others: its source, its destination, and how it is verified.
        many: Whether a prefix is downloaded, not one object.
        request: As in `Journal`.
        exclusive: As in `Journal`.

    Returns:
        The journal. If another caller has done the same meanwhile (`Journal.completed`), nothing is left to do.
    """
    journal = Journal(state, fingerprint(*identity), many=many, request=request, exclusive=exclusive)
    disk = LocalBackend("/", instance.disk)

    def begin() -> bool:
        while True:
            os.close(open_work_directory(state))
            with suppress(FileNotFoundError):  # another process found it empty and removed it again
                return journal.open() or journal.completed is not None

    def end(*, keep: bool, complete: bool) -> None:
        journal.close(keep=keep, complete=complete)
        with suppress(OSError):  # in use by other downloads, or never created
            os.rmdir(state)

    keep = complete = False
    try:
        pause = _FIRST_PAUSE
        while not await disk.run(begin):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        yield journal
        complete = True
    except IncompleteError as error:  # what has arrived of the other files may be resumed, too
        keep = any(isinstance(each.error, _TRANSIENT) for each in error.skipped)
        raise
    except _TRANSIENT as error:
        # If a single object changed, the rest of the old version can no longer be fetched.
        keep = many or not isinstance(error, ObjectChanged)
        raise
    finally:
        await shielded(disk.run(lambda: end(keep=keep, complete=complete)))


async def transfer_missing(
    source: OpenLocation,
    target: LocalBackend,
    journal: Journal,
    transfers: AsyncGenerator[Transfer],
    options: CallOptions,
    kept: CompressedList[str],
    *,
    exists: "Exists | None" = None,
    on_failure: OnFailure | None = None,
) -> None:
    """Transfer the objects that an earlier download has not brought.

    Files that an interrupted one has completed, without a mark that they are unchanged, are read back at the end of the
    listing, while the others are transferred.

    Args:
        source: Location of the objects.
        target: The directory; closed at the end.
        journal: The download's journal.
        transfers: The objects.
        options: Options of the call.
        kept: Paths of files that stay as they are; receives those that an earlier download has brought.
        exists: Finds files that must not be replaced, which is an error before anything is written. Those that an
            earlier run of this download has written are not among them. None: all files may be replaced.
        on_failure: As for `Job`.
    """
    completed = CompletedFiles(source, target, journal, options)

    async def incomplete() -> AsyncGenerator[Transfer]:
        async with aclosing(find_unchanged(transfers, target, options)) as listed:
            async for transfer, unchanged in listed:
                journal.size += transfer.obj.size or 0
                if unchanged:
                    kept.append(transfer.key)
                    report_resumed(transfer, options)
                    if options.on_stored is not None:
                        options.on_stored(transfer.obj, transfer.key, await target.stat(transfer.key))
                elif not completed.add(transfer):
                    yield transfer

    async def missing() -> AsyncGenerator[Transfer]:
        new = incomplete()
        if exists is not None:
            from .existing_objects import only_new  # noqa: PLC0415 - most downloads may replace files

            new = only_new(new, exists)
        async with aclosing(new):
            async for transfer in new:
                target.expect(transfer.key, transfer.obj)
                yield transfer
        async with aclosing(completed.check()) as checked:
            async for transfer, complete in checked:
                if complete:
                    kept.append(transfer.key)
                else:
                    target.expect(transfer.key, transfer.obj)
                    yield transfer

    def give_up(transfer: Transfer, error: StorageError) -> None:
        target.forget(transfer.key)
        if on_failure is not None:
            on_failure(transfer, error)

    job = Job(
        source.backend,
        target,
        source.instance,
        options.on_event,
        verify=options.verify,
        on_stored=options.on_stored,
        overwrite=options.existing == "overwrite",
        on_failure=None if on_failure is None else give_up,
    )
    try:
        await job.run(missing())
        await target.check_kept(kept)
    finally:
        await shielded(target.aclose())


async def report_only(source: OpenLocation, transfers: AsyncGenerator[Transfer], options: CallOptions) -> None:
    """Report what would be downloaded (dry run)."""
    root = LocalBackend("/", source.instance.disk)
    await Job(source.backend, root, source.instance, options.on_event, dry_run=True).run(transfers)


def report_completed(key: str, size: int, options: CallOptions) -> None:
    """Report in one event of each kind that another caller has stored the bytes of all objects of a call."""
    if options.on_event is not None:
        for kind in ("listed", "resumed", "progress"):
            options.on_event(Event(kind, key, size, total=size))
