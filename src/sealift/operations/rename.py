"""Moving a file or a directory on one disk by renaming it."""

import errno
import os
import stat
from contextlib import suppress
from functools import partial

from ..backends.local import LocalBackend, destination, existing, sync_directories, sync_tree
from ..backends.local.replacement import move_new
from ..compressed_list import CompressedList
from ..engine.verification import SIZE_ONLY
from ..errors import InvalidConfig, ObjectExists
from ..keys.paths import is_work_directory
from ..types import Event, ObjectInfo
from .call_options import CallOptions
from .copy import overlap_on_disk
from .open_location import OpenLocation
from .resolve import IGNORE_SKIPPED
from .skip_report import as_prefix, report_kept

__all__ = ["rename"]


async def rename(source: OpenLocation, target: OpenLocation, options: CallOptions) -> str | None:
    """Rename a local file, link or directory.

    Args:
        source: What to rename.
        target: Its new path; or, for a file, the directory that receives it.
        options: Options of the call.

    Returns:
        Its new path; None: it cannot be renamed, because it does not exist, its new path is on another file system, or
        a directory would be merged into one that exists.

    Raises:
        InvalidConfig: The paths are the same, or one contains the other.
        LocalIOError: The new path names a pipe, a device or a socket, or cannot be written.
        ObjectExists: There is a file of this name, and `existing="fail"` was given.
    """
    disk = LocalBackend("/", source.instance.disk)
    if await disk.run(partial(overlap_on_disk, source.location, target.location)):
        raise InvalidConfig("source and destination are the same, or one contains the other")
    src, dest = f"/{source.location.key}", f"/{target.location.key}"
    new = await disk.run(partial(_new_path, src, dest, recursive=options.recursive))
    if new is None:
        return None
    moved = await _list(source, options)
    durable, overwrite = options.durability == "fsync", options.existing == "overwrite"
    try:
        renamed = await disk.run(partial(_rename, src.rstrip("/"), new, durable=durable, overwrite=overwrite))
    except ObjectExists:
        if options.existing == "fail":
            raise
        for key, size in moved:
            report_kept(ObjectInfo(key, size), os.path.basename(new), options.on_event)
        return new
    if not renamed:
        return None
    _report(source, new, moved, options)
    return new


def _new_path(src: str, dest: str, *, recursive: bool) -> str | None:
    """The path after the rename; None: it is not possible. Blocking."""
    try:
        mode = os.lstat(src.rstrip("/")).st_mode
    except OSError:
        return None
    if stat.S_ISDIR(mode):
        new = dest.rstrip("/")
        return None if not recursive or os.path.lexists(new) else _checked(new)
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)) or src.endswith("/"):
        return None
    into = dest.endswith("/") or os.path.isdir(dest)
    path = os.path.join(dest, os.path.basename(src)) if into else dest
    return destination(_checked(path), follow=not into)


def _checked(path: str) -> str:
    if is_work_directory(os.path.basename(path)):
        raise InvalidConfig(f"{path} is where sealift keeps temporary files", hint="choose another name")
    return path


def _rename(src: str, new: str, *, durable: bool, overwrite: bool) -> bool:
    """Rename; blocking. Returns False if the paths are on different file systems.

    Raises:
        ObjectExists: The new path exists, and `overwrite` is False.
    """
    parent = os.path.dirname(new)
    anchor = existing(parent)
    if os.stat(anchor).st_dev != os.lstat(src).st_dev:
        return False
    os.makedirs(parent, exist_ok=True)
    try:
        if overwrite or stat.S_ISDIR(os.lstat(src).st_mode):  # a directory replaces nothing but an empty one
            os.replace(src, new)
        else:
            _move_new(src, new)
    except OSError as error:
        if error.errno == errno.EXDEV:  # a bind mount, for example
            return False
        raise
    if durable:
        if os.path.isdir(new) and not os.path.islink(new):
            sync_tree(new, files=True)
        elif not os.path.islink(new):
            descriptor = os.open(new, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directories(parent, anchor)
        with suppress(OSError):  # another process has removed it
            sync_directories(os.path.dirname(src), os.path.dirname(src))
    return True


def _move_new(src: str, new: str) -> None:
    directory, name = os.path.split(new)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        move_new(src, name, descriptor, new)
    finally:
        os.close(descriptor)


async def _list(source: OpenLocation, options: CallOptions) -> CompressedList[tuple[str, int]]:
    """Keys and sizes of the files that are moved, if they are to be reported."""
    moved: CompressedList[tuple[str, int]] = CompressedList()
    key = source.location.key
    if options.on_event is None:
        return moved
    if await source.instance.disk.run(lambda: os.path.isdir(f"/{key}")):
        async for obj in source.backend.list(as_prefix(key), IGNORE_SKIPPED):
            if not obj.key.endswith("/"):
                moved.append((obj.key, obj.size or 0))
    else:
        size = await source.instance.disk.run(lambda: os.lstat(f"/{key}").st_size)
        moved.append((key, size))
    return moved


def _report(source: OpenLocation, new: str, moved: CompressedList[tuple[str, int]], options: CallOptions) -> None:
    if options.on_event is None:
        return
    key = source.location.key
    for each, size in moved:
        target = os.path.basename(new) if each == key else each[len(as_prefix(key)) :]
        for event in (
            Event("listed", each, size, target=target),
            Event("progress", each, size, target=target),
            Event("object", each, size, SIZE_ONLY, target=target),
            Event("deleted", each),
        ):
            options.on_event(event)
