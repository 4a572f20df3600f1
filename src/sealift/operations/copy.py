"""Copying objects to a bucket, container, repository or local path."""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from ..contract import Backend
from ..engine.job import Job
from ..engine.transfer import OnFailure, Transfer, one
from ..errors import InvalidConfig, ModelMissingError, Skipped, UnsafeKey, UnsupportedOperation
from ..types import ObjectInfo
from ..types.write_options import WriteOptions, check_supported
from ..uri import Location
from ..uris.file_names import encoding_hint
from .call_options import CallOptions
from .download import download_to, keep_existing
from .existing_objects import exists_in_storage, exists_object, only_new, refuse
from .object_failures import ObjectFailures
from .open_location import OpenLocation
from .resolve import Prefix, resolve
from .selection import Exists, Selection
from .skip_report import SkipReport, as_prefix, report_kept

__all__ = ["check_writable", "checked_key", "copy", "copy_to_storage", "overlap_on_disk", "same_root"]


async def copy(source: OpenLocation, destination: OpenLocation, options: CallOptions) -> str:
    """Copy an object or a prefix; see `AsyncStorage.copy`.

    Returns:
        The URI or local path of the copy.
    """
    if not destination.on_disk:
        return str(await copy_to_storage(source, destination, options))
    check_writable(destination, options.write_options)
    if source.on_disk and await source.instance.disk.run(
        partial(overlap_on_disk, source.location, destination.location)
    ):
        raise InvalidConfig("source and destination are the same, or one contains the other")
    return await download_to(source, f"/{destination.location.key}", options)


async def copy_to_storage(source: OpenLocation, destination: OpenLocation, options: CallOptions) -> Location:
    """Copy to a bucket, container or repository.

    Returns:
        The location of the object or prefix at the destination.
    """
    check_writable(destination, options.write_options)
    report = options.skip_report(source.location.key)
    found = await resolve(source.backend, source.location.key, source.instance.retry, report.walk)
    if isinstance(found, Prefix):
        async with aclosing(found.objects):
            return await _copy_prefix(source, found, destination, options, report)
    return await _copy_object(source, found, destination, options)


def _job(source: OpenLocation, destination: OpenLocation, options: CallOptions, on_failure: OnFailure | None) -> Job:
    return Job(
        source.backend,
        destination.backend,
        source.instance,
        options.on_event,
        dry_run=options.dry_run,
        verify=options.verify,
        on_stored=options.on_stored,
        overwrite=options.existing == "overwrite",
        on_failure=on_failure,
        write_options=options.write_options,
    )


async def _copy_prefix(
    source: OpenLocation,
    prefix: Prefix,
    destination: OpenLocation,
    options: CallOptions,
    report: SkipReport,
) -> Location:
    target = as_prefix(destination.location.key)
    if same_root(source.backend, destination.backend) and (
        target.startswith(prefix.key) or prefix.key.startswith(target)
    ):
        raise InvalidConfig(f"{prefix.key!r} and {target!r} overlap", hint="choose a prefix outside the source")
    selection = Selection(prefix, options, report)
    transfers = _transfers(selection, target, report if source.on_disk else None)
    if options.existing != "overwrite":
        exists = await exists_in_storage(destination, target, options.patterns)
        if options.existing == "skip":
            selection.exists, selection.target = exists, target
        else:
            transfers = only_new(transfers, _below(target, exists))
    failures = ObjectFailures(options, report, source.instance)
    await _job(source, destination, options, failures.handler).run(transfers)
    failures.check(selection.found)
    report.check("copied everything but")
    selection.check()
    if source.on_disk and not selection.found and options.needs_copy is None:
        cause = f"the directory /{prefix.key} is empty: there is nothing to copy"
        raise ModelMissingError(f"/{prefix.key}", cause=cause)
    return destination.location.at(target)


def _below(prefix: str, exists: Exists | None) -> Exists | None:
    """The same lookup, by key."""
    return None if exists is None else lambda key: exists(key[len(prefix) :])


async def _copy_object(
    source: OpenLocation, obj: ObjectInfo, destination: OpenLocation, options: CallOptions
) -> Location:
    name = source.location.name if obj.name is None else obj.name
    options.check_object(source.location.key, name)
    key = destination.location.key
    if not key or key.endswith("/"):
        key += name
    if not key or key.endswith("/"):
        raise InvalidConfig("the source has no file name to store it under", hint="add a name to the destination")
    if same_root(source.backend, destination.backend) and key == obj.key:
        raise InvalidConfig("source and destination are the same object")
    location = destination.location.at(checked_key(key))
    if options.existing != "overwrite" and await exists_object(destination, key):
        if options.existing == "fail":
            refuse(key)
        report_kept(obj, key, options.on_event)
        return location
    await _job(source, destination, options, keep_existing(options)).run(one(Transfer(obj, key)))
    return location


def check_writable(destination: OpenLocation, options: WriteOptions | None = None) -> None:
    """Raise UnsupportedOperation if the storage is read-only, or does not have one of the options."""
    capabilities, scheme = destination.backend.capabilities, destination.location.scheme
    if not capabilities.writable:
        # The schemes of Azure's URLs are not that of the location.
        what = f"{scheme}://" if str(destination.location).startswith(f"{scheme}:") else "this storage"
        raise UnsupportedOperation(f"{what} can only be read")
    check_supported(options, capabilities.write_options, scheme)


def same_root(source: Backend, destination: Backend) -> bool:
    """Whether two backends are the same bucket, container or directory, whatever their URIs and credentials."""
    if source.address and source.address == destination.address:
        return True
    return source.service == destination.service and source.location == destination.location


def overlap_on_disk(source: Location, target: Location) -> bool:
    """Blocking: whether two local paths are the same file, or one directory contains the other; follows links."""
    from_, to = os.path.realpath(f"/{source.key}"), os.path.realpath(f"/{target.key}")
    is_directory = os.path.isdir(from_)
    if not is_directory and (target.key.endswith("/") or os.path.isdir(to)):
        to = os.path.join(to, source.name)  # a link of that name is replaced, not followed
    from_, to = as_prefix(from_), as_prefix(to)
    return to.startswith(from_) or (is_directory and from_.startswith(to))


async def _transfers(selection: Selection, target: str, report: SkipReport | None) -> AsyncGenerator[Transfer]:
    """The transfers of a prefix.

    Args:
        selection: The objects.
        target: Prefix of the keys at the destination.
        report: Where to report empty directories, which are skipped. None: copy directory markers.
    """
    start = len(selection.prefix.key)

    def path_of(obj: ObjectInfo) -> str:
        checked_key(target + obj.key[start:])
        return obj.key[start:]

    async for obj, path in selection.objects(path_of):
        if path:
            yield Transfer(obj, target + path, listed=True)
        elif len(obj.key) > start and report is not None:
            report.note(Skipped(obj.key, "empty directory", "empty directory, which object stores do not have"))
        elif len(obj.key) > start:  # a directory marker
            yield Transfer(obj, target + obj.key[start:], listed=True)


def checked_key(key: str) -> str:
    """Return a key that is valid text.

    Raises:
        UnsafeKey: It is not.
    """
    try:
        key.encode()
    except UnicodeEncodeError:  # a file name may contain any bytes, a key may not
        hint = encoding_hint() or "rename the file"
        raise UnsafeKey(f"the name {key!r} is not {sys.getfilesystemencoding().upper()}", hint=hint) from None
    return key
