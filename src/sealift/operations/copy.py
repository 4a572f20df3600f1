"""Copying objects to a bucket, container, repository or local path."""

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from ..contract import Backend
from ..engine.job import Job
from ..engine.transfer import Transfer, one
from ..errors import InvalidConfig, ModelMissingError, Skipped, UnsafeKey, UnsupportedOperation
from ..types import ObjectInfo
from ..types.write_options import WriteOptions, check_supported
from ..uri import Location
from .call_options import CallOptions
from .download import download_to
from .open_location import OpenLocation
from .resolve import Prefix, resolve
from .selection import Selection
from .skip_report import SkipReport, as_prefix

__all__ = ["check_writable", "copy", "copy_to_storage", "overlap_on_disk", "same_root"]


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
    job = Job(
        source.backend,
        destination.backend,
        source.instance,
        options.on_event,
        dry_run=options.dry_run,
        verify=options.verify,
        on_stored=options.on_stored,
        write_options=options.write_options,
    )
    if isinstance(found, Prefix):
        async with aclosing(found.objects):
            return await _copy_prefix(job, source, found, destination, options, report)
    return await _copy_object(job, source, found, destination, options)


async def _copy_prefix(
    job: Job,
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
    await job.run(_transfers(selection, target, report if source.on_disk else None))
    report.check("copied everything but")
    selection.check()
    if source.on_disk and not selection.found and options.needs_copy is None:
        cause = f"the directory /{prefix.key} is empty: there is nothing to copy"
        raise ModelMissingError(f"/{prefix.key}", cause=cause)
    return destination.location.at(target)


async def _copy_object(
    job: Job, source: OpenLocation, obj: ObjectInfo, destination: OpenLocation, options: CallOptions
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
    await job.run(one(Transfer(obj, _checked(key))))
    return destination.location.at(key)


def check_writable(destination: OpenLocation, options: WriteOptions | None = None) -> None:
    """Raise UnsupportedOperation if the storage is read-only, or does not have one of the options."""
    capabilities, scheme = destination.backend.capabilities, destination.location.scheme
    if not capabilities.writable:
        raise UnsupportedOperation(f"{scheme}:// can only be read")
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
        return obj.key[start:]

    async for obj, path in selection.objects(path_of):
        if path:
            yield Transfer(obj, _checked(target + path), listed=True)
        elif len(obj.key) > start and report is not None:
            report.note(Skipped(obj.key, "empty directory", "empty directory, which object stores do not have"))
        elif len(obj.key) > start:  # a directory marker
            yield Transfer(obj, target + obj.key[start:], listed=True)


def _checked(key: str) -> str:
    try:
        key.encode()
    except UnicodeEncodeError:  # a file name may contain any bytes, a key may not
        raise UnsafeKey(f"the name {key!r} is not UTF-8", hint="rename the file") from None
    return key
