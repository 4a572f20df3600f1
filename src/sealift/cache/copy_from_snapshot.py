"""Bring cached files to a destination of the caller: as hard links, as clones that share blocks, or as copies."""

import os

from ..backends.local import LocalBackend
from ..instance import Instance
from ..operations.call_options import CallOptions
from ..operations.deadline import NO_DEADLINE
from ..operations.download import download_to
from ..operations.open_location import OpenLocation
from ..uri import Location

__all__ = ["copy_from_snapshot"]


async def copy_from_snapshot(instance: Instance, path: str, dest: str, options: CallOptions) -> str:
    """Link or copy a file or directory of the cache.

    A destination that is new is linked, if it is on the same disk. Its files are those of the cache: read-only. In any
    other case, files are copied; where the file system can, copies share their blocks.

    Args:
        instance: The instance.
        path: Path in the cache.
        dest: The file or directory, as in `AsyncStorage.download`.
        options: Options of the call.

    Returns:
        The path of the file or directory.
    """
    disk = LocalBackend("/", instance.disk)
    if options.durability == "rename" and await disk.run(lambda: _link(path, dest)):
        return dest
    source = OpenLocation(instance, disk, Location("file", "/", path.lstrip("/")))
    only = CallOptions(
        on_event=None,
        existing=options.existing,
        on_error=options.on_error,
        durability=options.durability,
        deadline=NO_DEADLINE,
    )
    return await download_to(source, dest, only)


def _link(path: str, dest: str) -> bool:
    """Link a file, or the files of a directory, to a new destination. Returns whether it was done."""
    if dest.endswith("/") or os.path.lexists(dest) or not os.path.isdir(os.path.dirname(os.path.abspath(dest))):
        return False
    if not os.path.isdir(path):
        try:
            os.link(path, dest)
        except OSError:  # another disk, or a file system without hard links
            return False
        return True
    beside = f"{os.path.abspath(dest)}.{os.urandom(8).hex()}.tmp"
    try:
        for directory, _, names in os.walk(path):
            below = os.path.normpath(os.path.join(beside, os.path.relpath(directory, path)))
            os.mkdir(below)
            for name in names:
                os.link(os.path.join(directory, name), os.path.join(below, name))
        os.rename(beside, dest)
    except OSError:
        import shutil  # noqa: PLC0415 - only if it cannot be done

        shutil.rmtree(beside, ignore_errors=True)
        return False
    return True
