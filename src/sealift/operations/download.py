"""Downloads to the local disk: an object becomes a file, a prefix or an archive becomes a directory."""

import os
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ..backends.local import LocalBackend, destination, existing, work_directory
from ..compressed_list import CompressedList
from ..engine.transfer import OnFailure, Transfer, one
from ..errors import InvalidConfig, ObjectExists, StorageError
from ..keys import paths
from ..runtime.shielded import shielded
from ..types import Event, ObjectInfo, OnEvent
from .call_options import CallOptions
from .completed_files import report_resumed
from .local_destination import check_destination
from .open_location import OpenLocation
from .resolve import IGNORE_SKIPPED, Prefix, resolve
from .resume_download import open_journal, report_only, transfer_missing
from .skip_report import report_kept
from .unchanged_files import origins

if TYPE_CHECKING:
    from ..trust.signed_files import SignedFiles

__all__ = ["Downloaded", "download_to", "download_to_temporary", "keep_existing"]


class Downloaded(NamedTuple):
    """The result of a download without a destination.

    Attributes:
        path: Path of the file or directory.
        temporary: The temporary directory that was created for it; None: it is a local path, and stays where it is.
    """

    path: str
    temporary: str | None = None


async def download_to_temporary(source: OpenLocation, options: CallOptions) -> Downloaded:
    """Download to a new temporary directory; see `AsyncStorage.download`.

    Args:
        source: Object, prefix, or local path, which is returned as it is.
        options: Options of the call.
    """
    if source.on_disk and not options.unpack:
        found = await resolve(source.backend, source.location.key, source.instance.retry, IGNORE_SKIPPED)
        if isinstance(found, Prefix):
            await found.objects.aclose()
        path = f"/{source.location.key.rstrip('/')}"
        if options.signed is not None:
            await LocalBackend("/", source.instance.disk).run(partial(options.signed.check_directory, path))
        return Downloaded(path)
    import shutil  # noqa: PLC0415 - most downloads have a destination, or go to the cache

    from .temporary_directories import make_temporary  # noqa: PLC0415

    disk = source.instance.disk
    created: list[str] = []

    def create() -> None:  # records the directory even if the call is cancelled in the meantime
        created.append(make_temporary())

    try:
        await LocalBackend("/", disk).run(create)
        return Downloaded(await download_to(source, created[0], options), created[0])
    except BaseException:
        for path in created:
            await shielded(disk.run(partial(shutil.rmtree, path, ignore_errors=True)))
        raise


async def download_to(source: OpenLocation, dest: str, options: CallOptions) -> str:
    """Download to a path.

    Args:
        source: Object, prefix or local path.
        dest: The file or directory.
        options: Options of the call.

    Returns:
        The path of the file or directory.
    """
    check_destination(dest)
    instance, location = source.instance, source.location
    report = options.skip_report(location.key, avoid=dest)
    report_retry = None if options.on_event is None else partial(_report_retry, location.key, options.on_event)
    retry = partial(instance.retry, on_retry=report_retry)
    # Of a signed model, what the patterns exclude is listed, too: otherwise it would seem to be missing.
    walk = report.walk if options.signed is None else replace(report.walk, enter=None)
    found = await resolve(source.backend, location.key, retry, walk)
    if options.signed is not None:
        found = await _signed(source, found, options.signed)
    if options.unpack_limits is not None:
        from .download_archive import download_archive  # noqa: PLC0415 - most downloads are not unpacked

        return await download_archive(source, found, dest, options, options.unpack_limits)
    if isinstance(found, Prefix):
        from .download_directory import INCOMPLETE, download_directory  # noqa: PLC0415 - not needed for one object

        path = await download_directory(source, found, dest, options, report)
        report.check(INCOMPLETE)
        return path
    return await _download_file(source, found, dest, options)


def keep_existing(options: CallOptions) -> OnFailure | None:
    """What to do if the destination of one object appears while it is copied."""
    if options.existing != "skip":
        return None

    def keep(transfer: Transfer, error: StorageError) -> None:
        if not isinstance(error, ObjectExists):
            raise error
        report_kept(transfer.obj, transfer.key, options.on_event)

    return keep


def _report_retry(key: str, on_event: OnEvent, error: StorageError, delay: float) -> None:
    on_event(Event("retry", key, error=error, delay=delay))


async def _signed(source: OpenLocation, found: ObjectInfo | Prefix, signed: "SignedFiles") -> ObjectInfo | Prefix:
    """What was found, with signed digests as checksums; lists all of a prefix, to see what is missing or was added."""
    if isinstance(found, Prefix):
        objects = await signed.all(found.key, found.objects)
        return Prefix(found.key, _each(objects))
    return signed.one(found, source.location.name if found.name is None else found.name)


async def _each(objects: list[ObjectInfo]) -> AsyncGenerator[ObjectInfo]:
    for obj in objects:
        yield obj


async def _download_file(source: OpenLocation, obj: ObjectInfo, dest: str, options: CallOptions) -> str:
    instance, location = source.instance, source.location
    name = location.name if obj.name is None else obj.name
    options.check_object(location.key, name)
    into_directory = dest.endswith("/") or await instance.disk.run(lambda: os.path.isdir(dest))
    if into_directory and not name and obj.name is not None:
        raise InvalidConfig("the URL contains no file name", hint="pass the path of the file as destination")
    path = os.path.join(dest, paths.relative(name)) if into_directory else dest
    # Only a link that the caller named is followed, never one that a key happens to name.
    file = await LocalBackend("/", instance.disk).run(
        lambda: destination(os.path.abspath(path), follow=not into_directory)
    )
    directory, name = os.path.split(file)
    if options.existing != "overwrite" and await instance.disk.run(lambda: os.path.lexists(file)):
        if options.existing == "fail":
            from .existing_objects import refuse  # noqa: PLC0415 - most downloads may replace files

            refuse(file)
        report_kept(obj, name, options.on_event)
        return path
    if options.dry_run:
        await report_only(source, one(Transfer(obj, name)), options)
        return path
    anchor = None  # found before the journal creates directories
    if options.durability == "fsync":
        anchor = await instance.disk.run(lambda: existing(directory))
    marks = origins(source, options)
    there = LocalBackend(directory, instance.disk, durability=options.durability, anchor=anchor, origins=marks)
    if (await there.unchanged([(name, obj)]))[0]:
        report_resumed(Transfer(obj, name), options)
        if options.on_stored is not None:
            options.on_stored(obj, name, await there.stat(name))
        return path
    state = await instance.disk.run(lambda: work_directory(directory))
    identity = (source.backend.address, location, directory, name, options.verified_with)
    request = "" if obj.version is None or not obj.size else options.shared_request(source, obj.version, obj.size)
    async with open_journal(instance, state, *identity, many=False, request=request) as journal:
        if journal.completed is not None:
            report_resumed(Transfer(obj, name), options)
            return path
        target = LocalBackend(
            directory,
            instance.disk,
            state=state,
            journal=journal,
            durability=options.durability,
            anchor=anchor,
            origins=marks,
        )
        transfers = one(Transfer(obj, name))
        await transfer_missing(
            source, target, journal, transfers, options, CompressedList(), on_failure=keep_existing(options)
        )
    return path
