"""Resuming a download: transfer what an interrupted one has not completed; `completed_files.py` checks the rest."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress

from ..backends.local import LocalBackend, open_work_directory
from ..compressed_list import CompressedList
from ..engine.job import Job
from ..engine.transfer import Transfer
from ..errors import AccessDenied, IntegrityError, ObjectChanged, ServiceError, TransportError
from ..instance import Instance
from ..persist.download_journal import Journal, fingerprint
from ..runtime.shielded import shielded
from .call_options import CallOptions
from .completed_files import CompletedFiles
from .open_location import OpenLocation

__all__ = ["open_journal", "report_only", "transfer_missing"]

# Failures after which a later run may succeed.
_TRANSIENT = (
    AccessDenied,
    IntegrityError,
    ObjectChanged,
    ServiceError,
    TransportError,
    asyncio.CancelledError,
)


@asynccontextmanager
async def open_journal(instance: Instance, state: str, *identity: object, many: bool) -> AsyncGenerator[Journal]:
    """Open the journal of a download.

    On exit, the download's files in the `.sealift` directory are removed, and the directory if it is empty. After a
    cancellation or a transient failure they are kept for the next run.

    Args:
        instance: The instance.
        state: The `.sealift` directory.
        identity: What distinguishes this download from others: its source, its destination, and how it is verified.
        many: Whether a prefix is downloaded, not one object; the `.sealift` directory is then created at once.

    Returns:
        The journal. Another process may hold it for the same download: see `Journal.taken`.
    """
    journal = Journal(state, fingerprint(*identity), many=many)
    disk = LocalBackend("/", instance.disk)

    def begin() -> None:
        while many or os.path.lexists(state):
            os.close(open_work_directory(state))
            with suppress(FileNotFoundError):  # another process found it empty and removed it again
                journal.open()
                break

    def end(*, keep: bool) -> None:
        journal.close(keep=keep)
        with suppress(OSError):  # in use by other downloads, or never created
            os.rmdir(state)

    keep = False
    try:
        await disk.run(begin)
        yield journal
    except _TRANSIENT as error:
        # If a single object changed, the rest of the old version can no longer be fetched.
        keep = many or not isinstance(error, ObjectChanged)
        raise
    finally:
        await shielded(disk.run(lambda: end(keep=keep)))


async def transfer_missing(
    source: OpenLocation,
    target: LocalBackend,
    journal: Journal,
    transfers: AsyncGenerator[Transfer],
    options: CallOptions,
    kept: CompressedList[str],
) -> None:
    """Transfer the objects that an earlier process has not completed.

    Files that it has completed are read back at the end of the listing, while the others are transferred.

    Args:
        source: Location of the objects.
        target: The directory; closed at the end.
        journal: The download's journal.
        transfers: The objects.
        options: Options of the call.
        kept: Paths of files that stay as they are; receives those that an earlier process completed.
    """
    completed = CompletedFiles(source, target, journal, options)

    async def missing() -> AsyncGenerator[Transfer]:
        async with aclosing(transfers):
            async for transfer in transfers:
                if not completed.add(transfer):
                    yield transfer
        async with aclosing(completed.check()) as checked:
            async for transfer, complete in checked:
                if complete:
                    kept.append(transfer.key)
                else:
                    yield transfer

    job = Job(
        source.backend,
        target,
        source.instance,
        options.on_event,
        verify=options.verify,
        on_stored=options.on_stored,
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
