"""Download the files of a snapshot to a work directory, from which they get their places once all are complete."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Container

from ..backends.local import LocalBackend
from ..compressed_list import CompressedList
from ..engine.transfer import Transfer
from ..operations.call_options import CallOptions
from ..operations.completed_files import report_resumed
from ..operations.directory_target import BuildDirectory
from ..operations.download_directory import INCOMPLETE
from ..operations.object_failures import ObjectFailures
from ..operations.open_location import OpenLocation
from ..operations.resume_download import open_journal, transfer_missing
from ..operations.unchanged_files import origins
from .snapshot_plan import SnapshotPlan

__all__ = ["download_staged"]


async def download_staged(
    source: OpenLocation,
    plan: SnapshotPlan,
    options: CallOptions,
    *,
    state: str,
    final: str,
    prepare: Callable[[str], Awaitable[Container[str]]],
    publish: Callable[[str], None],
) -> None:
    """Download the files of a snapshot; a run that was killed is continued.

    No lock decides who downloads, but the owner's record: the caller has it.

    Args:
        source: Location of the objects.
        plan: The snapshot.
        options: Options of the call.
        state: The work directory.
        final: The path that the directory gets.
        prepare: Called with the path of the directory. Returns the paths in the snapshot that are not downloaded, since
            they are there already.
        publish: Called in a thread with the path of the directory, once it is complete.
    """
    instance = source.instance
    disk = LocalBackend("/", instance.disk)
    async with (
        open_journal(instance, state, plan.snapshot, many=True, exclusive=False) as journal,
        BuildDirectory(instance, journal.tree, final) as staging,
    ):
        there = await prepare(journal.tree)
        target = LocalBackend(
            journal.tree,
            instance.disk,
            state=state,
            staged=True,
            journal=journal,
            durability=options.durability,
            origins=origins(source, options),
        )
        kept: CompressedList[str] = CompressedList()
        failures = ObjectFailures(options, plan.report, instance)
        await transfer_missing(
            source,
            target,
            journal,
            _transfers(plan, there, kept, options),
            options,
            kept,
            on_failure=failures.handler,
        )
        failures.check(len(plan.files))
        plan.report.check(INCOMPLETE)
        await disk.run(staging.check)
        await disk.run(journal.flush)
        await disk.run(lambda: publish(journal.tree))


async def _transfers(
    plan: SnapshotPlan, there: Container[str], kept: CompressedList[str], options: CallOptions
) -> AsyncGenerator[Transfer]:
    for obj, path in plan.files:
        transfer = Transfer(obj, path, listed=not plan.name)
        if path in there:
            kept.append(path)
            report_resumed(transfer, options)
        else:
            yield transfer
