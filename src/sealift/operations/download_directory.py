"""Downloading a prefix into a directory."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..backends.local import LocalBackend
from ..compressed_list import CompressedList
from ..engine.transfer import Transfer
from ..keys import paths
from ..persist.download_journal import fingerprint
from ..types import ObjectInfo
from .call_options import CallOptions
from .directory_target import DirectoryTarget, sync_anchor
from .disk_space import within_space
from .object_failures import ObjectFailures
from .open_location import OpenLocation
from .resolve import Prefix
from .resume_download import open_journal, report_completed, report_only, transfer_missing
from .selection import Exists, Selection
from .skip_report import SkipReport
from .unchanged_files import origins

__all__ = ["INCOMPLETE", "download_directory"]

INCOMPLETE = "copied everything but"


async def download_directory(
    source: OpenLocation, prefix: Prefix, dest: str, options: CallOptions, report: SkipReport
) -> str:
    """Download all selected objects of a prefix.

    A new directory is built beside its destination and renamed; an existing one is filled file by file.

    Args:
        source: The prefix's location.
        prefix: The prefix.
        dest: The directory.
        options: Options of the call.
        report: Report of the skipped entries.

    Returns:
        The path of the directory.
    """
    async with aclosing(prefix.objects):
        await _download(source, _Files(prefix, options, report), dest, options)
    return dest


async def _download(source: OpenLocation, files: "_Files", dest: str, options: CallOptions) -> None:
    instance = source.instance
    destination = await DirectoryTarget.of(instance, dest, "the source is a prefix of many objects")
    if options.dry_run:
        transfers = files.transfers()
        if options.existing != "overwrite":
            from .existing_objects import only_new  # noqa: PLC0415 - here and below: most downloads may replace files

            await files.look_up(LocalBackend(destination.final, instance.disk))
            transfers = only_new(transfers, files.exists)
        await report_only(source, transfers, options)
        files.check()
        return
    final = destination.final
    # A new directory appears as a whole, since users test for it with os.path.exists.
    anchor = await sync_anchor(instance, final, options)
    identity = (source.backend.address, source.location, final, options.verified_with)
    destination = await destination.resumed(instance, fingerprint(*identity))
    state = destination.state
    request = options.shared_request(source)
    async with open_journal(instance, state, *identity, many=True, request=request) as journal:
        if journal.completed is not None:
            report_completed(files.prefix, journal.completed, options)
            return
        async with destination.staging(instance, journal) as staging:
            target = LocalBackend(
                staging.path,
                instance.disk,
                state=state,
                staged=not destination.exists,
                journal=journal,
                durability=options.durability,
                versions=options.on_stored is not None,
                origins=origins(source, options),
            )
            if destination.exists and options.existing != "overwrite":
                await files.look_up(target)
            transfers = files.transfers()
            if source.backend.service != target.service:  # two local directories may share blocks
                transfers = within_space(transfers, final, state, target.run)
            failures = ObjectFailures(options, files.report, instance)
            await transfer_missing(
                source,
                target,
                journal,
                transfers,
                options,
                files.kept,
                exists=files.exists,
                on_failure=failures.handler,
            )
            failures.check(files.found)
            files.check()
            await target.run(staging.check)
            # Complete before the directory gets its name, in case this process is killed.
            await target.run(journal.flush)
            await target.run(
                lambda: staging.publish(staging.path, files.directories, anchor, options.existing, options.on_discarded)
            )
            files.report.check(INCOMPLETE)  # before the journal is removed, from which the next call resumes


class _Files:
    """The files, and empty directories, that the objects of a prefix become."""

    def __init__(self, prefix: Prefix, options: CallOptions, report: SkipReport) -> None:
        self.prefix = prefix.key
        self.directories: CompressedList[str] = CompressedList()
        self._selection = Selection(prefix, options, report)
        self._existing = options.existing
        self.report = report
        self.kept = self._selection.kept
        self.exists: Exists | None = None  # finds files whose names must be new

    @property
    def found(self) -> int:
        """Number of objects."""
        return self._selection.found

    async def look_up(self, target: LocalBackend) -> None:
        """Find out which files exist in the directory, as the caller does not want them to be replaced."""
        from .existing_objects import exists_in_directory  # noqa: PLC0415

        exists = await exists_in_directory(target)
        if self._existing == "skip":
            self._selection.exists = exists
        else:
            self.exists = exists

    def check(self) -> None:
        """Raise if there was nothing to download."""
        if not self._selection.found:
            self.report.check(INCOMPLETE)
        self._selection.check()

    async def transfers(self) -> AsyncGenerator[Transfer]:
        tree = paths.Tree()
        prefix = self.prefix

        def path_of(obj: ObjectInfo) -> str:
            path = paths.relative(obj.key, prefix)
            tree.add(path, obj.key)
            return path

        async for obj, path in self._selection.objects(path_of):
            if path:
                yield Transfer(obj, path, listed=True)
            elif obj.key != prefix:
                self.directories.append(paths.relative(obj.key.rstrip("/"), prefix))
